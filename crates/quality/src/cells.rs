//! What is compared with what: per view, class and direction between the halves, one cell of measures; rows are means of cells,
//! weighted by their real images.
//!
//! Of each class, the real images of one half are the reference, and the images that were made from the other half the set. Then
//! the halves change places. Classes are measured by themselves: pooled, a set could swap its classes unnoticed.

use std::collections::{BTreeMap, BTreeSet};

use augtrial_base::digest::Digest;
use augtrial_base::seed::{Fork, Stream};
use rand::seq::SliceRandom as _;

use crate::features::{Features, Unmeasurable};
use crate::measures::{Manifold, Pooled, manifold, permutation_p};
use crate::view::{MeasuredSets, NetworkView};

/// How sets are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualitySettings {
    /// Neighbors that a ball reaches to.
    pub k: usize,
    /// Shuffles behind each p; none: no p.
    pub permutations: u32,
    /// Images of a class and a half, at most: more are drawn from.
    pub most: usize,
}

impl Default for QualitySettings {
    fn default() -> Self {
        // k as the paper on density and coverage chose it; with 999 shuffles p is told to 0.001.
        Self { k: 5, permutations: 999, most: 1000 }
    }
}

/// Which images take the place of the set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Candidates<'a> {
    /// Of an arm, by its position; with an instruction, those alone that it asked for.
    Arm(usize, Option<&'a str>),
    Floor,
    Ceiling,
}

/// What sets are compared by.
pub struct HalvesComparison<'a> {
    measured: &'a MeasuredSets,
    /// For every real image, whether it is in the second half.
    second: Vec<bool>,
    second_of: BTreeMap<Digest, bool>,
    settings: QualitySettings,
    /// Random streams by name.
    fork: &'a Fork,
}

/// Measures of some classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Distances {
    pub kernel_distance: f64,
    pub kernel_p: Option<f64>,
    /// Absent if a side has too few images for the k-th neighbor, with the reason.
    pub manifold: Result<Manifold, Unmeasurable>,
    /// Classes that could not be compared.
    pub left_out: Vec<u32>,
    /// Further classes with too few images for the k-th neighbor.
    pub without_neighbors: Vec<u32>,
}

/// One class of one view in one direction.
struct ClassCell {
    class: u32,
    direction: usize,
    weight: f64,
    kernel: Pooled,
    /// The same with one image of each source, for the p value; absent where that makes no difference.
    once: Option<Pooled>,
    manifold: Result<Manifold, Unmeasurable>,
}

impl<'a> HalvesComparison<'a> {
    /// `second` says of every real image whether it is in the second half.
    #[must_use]
    pub fn new(measured: &'a MeasuredSets, second: Vec<bool>, settings: QualitySettings, fork: &'a Fork) -> Self {
        let second_of = measured.real.iter().zip(&second).map(|(image, half)| (image.digest, *half)).collect();
        Self { measured, second, second_of, settings, fork }
    }

    /// Compares the candidates of these classes with real images.
    ///
    /// # Errors
    /// The reason of the first class, if none can be compared.
    pub fn distances(&self, candidates: Candidates<'_>, classes: &[u32]) -> Result<Distances, Unmeasurable> {
        let (mut cells, mut left_out) = (Vec::new(), BTreeSet::new());
        let mut first_problem = None;
        for view in &self.measured.views {
            for direction in 0..2 {
                for &class in classes {
                    match self.cell(view, candidates, class, direction) {
                        Ok(cell) => cells.push(cell),
                        Err(problem) => {
                            left_out.insert(class);
                            first_problem.get_or_insert(problem);
                        }
                    }
                }
            }
        }
        left_out.retain(|class| !cells.iter().any(|cell| cell.class == *class));
        if cells.is_empty() {
            let nothing = Unmeasurable::TooFew { what: "classes", have: 0, need: 1 };
            return Err(first_problem.unwrap_or(nothing));
        }
        let total: f64 = cells.iter().map(|cell| cell.weight).sum();
        let has_neighbors = |class: &u32| cells.iter().any(|cell| cell.class == *class && cell.manifold.is_ok());
        let without: BTreeSet<u32> =
            cells.iter().map(|cell| cell.class).filter(|class| !has_neighbors(class)).collect();
        Ok(Distances {
            without_neighbors: without.into_iter().collect(),
            kernel_distance: cells.iter().map(|cell| cell.weight * cell.kernel.distance()).sum::<f64>() / total,
            manifold: mean_manifold(&cells),
            kernel_p: (self.settings.permutations > 0).then(|| self.p(cells)),
            left_out: left_out.into_iter().collect(),
        })
    }

    /// The p of each direction, and of both by Bonferroni's bound: they share their images, and the bound needs no independence.
    fn p(&self, cells: Vec<ClassCell>) -> f64 {
        let mut strata = [Vec::new(), Vec::new()];
        for cell in cells {
            strata[cell.direction].push((cell.weight, cell.once.unwrap_or(cell.kernel)));
        }
        let there = strata.iter().filter(|strata| !strata.is_empty());
        let p: Vec<f64> = there.map(|s| permutation_p(s, self.settings.permutations, self.fork)).collect();
        (p.len() as f64 * p.iter().copied().fold(1.0, f64::min)).min(1.0)
    }

    fn cell(
        &self,
        view: &NetworkView,
        candidates: Candidates<'_>,
        class: u32,
        direction: usize,
    ) -> Result<ClassCell, Unmeasurable> {
        let reference = self.drawn(self.real(view, class, direction == 0), "reference", class);
        let real = view.real_features.select(&reference);
        let (set, once) = match candidates {
            Candidates::Floor => (self.of_real(view, class, direction), None),
            Candidates::Ceiling => {
                let other = self.next_class(view, class, direction).ok_or(Unmeasurable::TooFew {
                    what: "classes with real images",
                    have: 1,
                    need: 2,
                })?;
                (self.of_real(view, other, direction), None)
            }
            Candidates::Arm(arm, instruction) => self.of_arm(view, arm, instruction, class, direction),
        };
        let kernel = Pooled::new(&real, &set)?;
        let once = once.map(|once| Pooled::new(&real, &once)).transpose()?;
        let manifold = manifold(&real, &set, self.settings.k);
        Ok(ClassCell { class, direction, weight: reference.len() as f64, kernel, once, manifold })
    }

    /// Real images of a class in a half, by their place in the view.
    fn real(&self, view: &NetworkView, class: u32, in_second: bool) -> Vec<usize> {
        let wanted = |place: &usize| {
            let position = view.real[*place];
            self.measured.real[position].class == class && self.second[position] == in_second
        };
        (0..view.real.len()).filter(wanted).collect()
    }

    fn of_real(&self, view: &NetworkView, class: u32, direction: usize) -> Features {
        let places = self.drawn(self.real(view, class, direction == 1), "set", class);
        view.real_features.select(&places)
    }

    /// The class after this one, in their order, that has real images.
    fn next_class(&self, view: &NetworkView, class: u32, direction: usize) -> Option<u32> {
        let classes = self.measured.classes.len() as u32;
        (1..classes)
            .map(|step| (class + step) % classes)
            .find(|&other| !self.real(view, other, direction == 1).is_empty())
    }

    /// An arm's images of a class that were made from the set's half; and, where a source has several, one of each.
    fn of_arm(
        &self,
        view: &NetworkView,
        arm: usize,
        instruction: Option<&str>,
        class: u32,
        direction: usize,
    ) -> (Features, Option<Features>) {
        let (images, seen) = (&self.measured.arms[arm].images, &view.arms[arm]);
        let half = |place: usize| self.second_of.get(&images[seen.images[place]].source) == Some(&(direction == 1));
        let wanted = |&place: &usize| {
            let image = &images[seen.images[place]];
            image.class == class
                && instruction.is_none_or(|text| image.instruction.as_deref() == Some(text))
                && half(place)
        };
        let places: Vec<usize> = (0..seen.images.len()).filter(wanted).collect();
        let places = self.drawn(places, "set", class);
        let mut sources = BTreeSet::new();
        let firsts: Vec<usize> =
            places.iter().copied().filter(|&place| sources.insert(images[seen.images[place]].source)).collect();
        let once = (firsts.len() < places.len()).then(|| seen.features.select(&firsts));
        (seen.features.select(&places), once)
    }

    /// All of them, or as many as are compared at most, in their order.
    fn drawn(&self, places: Vec<usize>, label: &str, class: u32) -> Vec<usize> {
        draw(places, self.settings.most, || self.fork.stream(label, class.into()))
    }
}

/// All of these places, or a random `most` of them, in their order.
pub(crate) fn draw(mut places: Vec<usize>, most: usize, stream: impl FnOnce() -> Stream) -> Vec<usize> {
    if places.len() > most {
        places.shuffle(&mut stream());
        places.truncate(most);
        places.sort_unstable();
    }
    places
}

/// The mean over the classes that have neighborhoods, weighted; the first reason if none has.
fn mean_manifold(cells: &[ClassCell]) -> Result<Manifold, Unmeasurable> {
    let found: Vec<(f64, Manifold)> =
        cells.iter().filter_map(|cell| Some((cell.weight, *cell.manifold.as_ref().ok()?))).collect();
    if found.is_empty() {
        return cells[0].manifold.clone();
    }
    let total: f64 = found.iter().map(|(weight, _)| weight).sum();
    let mean = |of: fn(&Manifold) -> f64| found.iter().map(|(weight, m)| weight * of(m)).sum::<f64>() / total;
    Ok(Manifold {
        precision: mean(|m| m.precision),
        recall: mean(|m| m.recall),
        density: mean(|m| m.density),
        coverage: mean(|m| m.coverage),
    })
}
