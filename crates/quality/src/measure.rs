//! From images and features to rows: every measure of every arm, class and instruction, beside floor and ceiling.

use std::collections::BTreeSet;

use augtrial_base::seed::{Fork, Purpose, StudySeed};

use crate::cells::{Candidates, Distances, HalvesComparison, QualitySettings, draw};
use crate::features::{Features, Unmeasurable};
use crate::halves::halves;
use crate::measures::{JudgedImage, Thresholds, labels, vendi};
use crate::result::{QualityRow, RowPart, RowSubject};
use crate::view::{ArmImages, MeasuredImage, MeasuredSets, NetworkView, RealImage};

/// Structural similarity from which on a derived image is nearly its source.
pub const NEARLY_UNCHANGED: f64 = 0.95;
/// Images that a Vendi score is of, at most: its time grows with their cube.
const MOST_VENDI: usize = 1000;
/// Draws of equally many images that a Vendi score is the mean of.
const VENDI_DRAWS: u64 = 3;
/// What says how far a set is from real images.
const DISTANCES: [&str; 6] = ["kernel_distance", "kernel_p", "precision", "recall", "density", "coverage"];
const LABELS: [&str; 4] = ["agreement", "confidence", "too_easy", "mislabeled"];

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct SetFindings {
    pub rows: Vec<QualityRow>,
    /// Of every arm and image.
    pub images: Vec<Vec<ImageFound>>,
    /// Images that Vendi scores are of; absent if there is none.
    pub vendi_of: Option<usize>,
    /// What a reader must know before the numbers.
    pub notes: Vec<String>,
}

/// What was measured of one derived image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImageFound {
    /// Distance of its features from its source's, over that of a real image from its nearest one; absent where no view has it.
    pub change_features: Option<f64>,
    /// The likeliest class, the probability of its own, and whether either filter takes it.
    pub verdict: Option<ImageVerdict>,
}

/// What networks that were not trained on its source say of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageVerdict {
    pub predicted: u32,
    pub confidence: f64,
    pub too_easy: bool,
    pub mislabeled: bool,
}

/// Measures everything. `judges` says who judges labels, or why nobody does.
#[must_use]
pub fn measure(measured: &MeasuredSets, settings: QualitySettings, seed: StudySeed, judges: &str) -> SetFindings {
    let second = halves(&measured.real, &mut seed.stream(Purpose::Quality, 0));
    let fork = Fork::new(&mut seed.stream(Purpose::Quality, 1));
    let scale =
        |view: &NetworkView| nearest_mean(&view.real_features, &classes_of(measured, view), settings.most, &fork);
    let scales: Vec<f64> = measured.views.iter().map(scale).collect();
    let real = measured.real.iter().filter_map(judged_real);
    let thresholds = Thresholds::of(real, measured.classes.len());
    let images: Vec<Vec<ImageFound>> =
        (0..measured.arms.len()).map(|arm| found_of(measured, arm, &scales, &thresholds)).collect();
    let mut measuring = Measuring {
        measured,
        images: &images,
        comparison: HalvesComparison::new(measured, second, settings, &fork),
        thresholds,
        judges,
        vendi_of: vendi_size(measured, None),
        fork: &fork,
        notes: BTreeSet::new(),
    };
    let mut rows = Vec::new();
    for arm in 0..measured.arms.len() {
        rows.extend(measuring.arm(arm));
    }
    rows.extend(measuring.real(&RowSubject::Floor, Candidates::Floor));
    rows.extend(measuring.real(&RowSubject::Ceiling, Candidates::Ceiling));
    let notes = measuring.notes.into_iter().collect();
    let vendi_of = measuring.vendi_of;
    SetFindings { rows, images, vendi_of, notes }
}

struct Measuring<'a> {
    measured: &'a MeasuredSets,
    images: &'a [Vec<ImageFound>],
    comparison: HalvesComparison<'a>,
    thresholds: Thresholds,
    judges: &'a str,
    vendi_of: Option<usize>,
    fork: &'a Fork,
    notes: BTreeSet<String>,
}

impl Measuring<'_> {
    /// All images of an arm, those of each class, and those of each instruction.
    fn arm(&mut self, arm: usize) -> Vec<QualityRow> {
        let measured = self.measured;
        let ArmImages { name, images } = &measured.arms[arm];
        let subject = || RowSubject::Arm(name.clone());
        if images.is_empty() {
            let mut row = QualityRow::new(subject(), RowPart::All, 0);
            for key in DISTANCES.iter().chain(&LABELS).chain(&["vendi_images"]) {
                row.put(key, Err("it has no images of its own: what it changes, it changes while training".to_owned()));
            }
            return vec![row];
        }
        let classes: BTreeSet<u32> = images.iter().map(|image| image.class).collect();
        let mut parts = vec![(RowPart::All, classes.iter().copied().collect::<Vec<_>>(), None)];
        let class = |&class: &u32| (RowPart::Class(measured.classes[class as usize].clone()), vec![class], None);
        parts.extend(classes.iter().map(class));
        let asked: BTreeSet<&str> = images.iter().filter_map(|image| image.instruction.as_deref()).collect();
        for text in asked {
            parts.push((RowPart::Instruction(text.to_owned()), classes.iter().copied().collect(), Some(text)));
        }
        let mut rows = Vec::new();
        for (part, classes, instruction) in parts {
            let of_part = |image: &MeasuredImage| {
                classes.contains(&image.class)
                    && instruction.is_none_or(|text| image.instruction.as_deref() == Some(text))
            };
            let positions: Vec<usize> = (0..images.len()).filter(|&at| of_part(&images[at])).collect();
            let mut row = QualityRow::new(subject(), part, positions.len());
            let found = self.comparison.distances(Candidates::Arm(arm, instruction), &classes);
            self.put_distances(&mut row, found);
            self.put_vendi(&mut row, Some(arm), &classes);
            let judged: Vec<JudgedImage<'_>> = positions.iter().filter_map(|&at| judged_derived(&images[at])).collect();
            self.put_labels(&mut row, &judged);
            self.put_change(&mut row, arm, &positions);
            rows.push(row);
        }
        rows
    }

    /// Real images of all classes, and of each.
    fn real(&mut self, subject: &RowSubject, candidates: Candidates<'_>) -> Vec<QualityRow> {
        let measured = self.measured;
        let classes: BTreeSet<u32> = measured.real.iter().map(|image| image.class).collect();
        let mut parts = vec![(RowPart::All, classes.iter().copied().collect::<Vec<_>>())];
        let class = |&class: &u32| (RowPart::Class(measured.classes[class as usize].clone()), vec![class]);
        parts.extend(classes.iter().map(class));
        let mut rows = Vec::new();
        for (part, classes) in parts {
            let images: Vec<&RealImage> = measured.real.iter().filter(|image| classes.contains(&image.class)).collect();
            let mut row = QualityRow::new(subject.clone(), part, images.len());
            let found = self.comparison.distances(candidates, &classes);
            self.put_distances(&mut row, found);
            if *subject == RowSubject::Floor {
                self.put_vendi(&mut row, None, &classes);
                let judged: Vec<JudgedImage<'_>> = images.iter().filter_map(|image| judged_real(image)).collect();
                self.put_labels(&mut row, &judged);
                // Of real images neither is a fault of a set.
                for key in ["too_easy", "mislabeled"] {
                    row.values.remove(key);
                }
            }
            rows.push(row);
        }
        rows
    }

    fn put_distances(&mut self, row: &mut QualityRow, found: Result<Distances, Unmeasurable>) {
        let found = match found {
            Ok(found) => found,
            Err(problem) => {
                return DISTANCES.iter().for_each(|key| row.put(key, Err(problem.to_string())));
            }
        };
        row.put("kernel_distance", Ok(found.kernel_distance));
        row.put("kernel_p", found.kernel_p.ok_or_else(|| "no permutation was asked for".to_owned()));
        let values = found.manifold.as_ref().map_err(ToString::to_string);
        for (key, of) in [
            ("precision", values.clone().map(|m| m.precision)),
            ("recall", values.clone().map(|m| m.recall)),
            ("density", values.clone().map(|m| m.density)),
            ("coverage", values.map(|m| m.coverage)),
        ] {
            row.put(key, of);
        }
        if row.part == RowPart::All {
            let names = |classes: &[u32]| -> String {
                classes
                    .iter()
                    .map(|&class| self.measured.classes[class as usize].as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let subject = row.subject.name();
            if !found.left_out.is_empty() {
                let classes = names(&found.left_out);
                self.notes
                    .insert(format!("{subject}: the distances are without {classes}, with too few images in a half"));
            }
            if found.manifold.is_ok() && !found.without_neighbors.is_empty() {
                let classes = names(&found.without_neighbors);
                self.notes.insert(format!(
                    "{subject}: precision, recall, density and coverage are without {classes}, with too few different images for \
                     the k-th neighbor"
                ));
            }
        }
    }

    fn put_labels(&self, row: &mut QualityRow, judged: &[JudgedImage<'_>]) {
        if judged.is_empty() {
            let reason = format!("no image was judged: labels are judged by {}", self.judges);
            return LABELS.iter().for_each(|key| row.put(key, Err(reason.clone())));
        }
        let found = labels(judged, &self.thresholds).expect("there is an image");
        row.put("agreement", Ok(found.agreement));
        row.put("confidence", Ok(found.confidence));
        row.put("too_easy", Ok(found.too_easy));
        row.put("mislabeled", Ok(found.mislabeled));
    }

    fn put_change(&self, row: &mut QualityRow, arm: usize, positions: &[usize]) {
        let images = &self.measured.arms[arm].images;
        let mean = |values: Vec<f64>| {
            let count = values.len() as f64;
            if values.is_empty() { None } else { Some(values.into_iter().sum::<f64>() / count) }
        };
        let levels = mean(positions.iter().map(|&at| images[at].change.levels).collect());
        row.put("change_levels", levels.ok_or_else(|| "there is no image".to_owned()));
        let ssim = mean(positions.iter().filter_map(|&at| images[at].change.ssim).collect());
        row.put("change_ssim", ssim.ok_or_else(|| "it needs pictures of at least 7 x 7 px".to_owned()));
        let features = mean(positions.iter().filter_map(|&at| self.images[arm][at].change_features).collect());
        row.put("change_features", features.ok_or_else(|| "no class has two real images that differ".to_owned()));
    }

    /// How many of the images of an arm, or of the real ones, are different: of all, or of one class.
    fn put_vendi(&self, row: &mut QualityRow, arm: Option<usize>, classes: &[u32]) {
        let (size, class) = match (&row.part, classes) {
            (RowPart::All, _) => (self.vendi_of, None),
            (RowPart::Class(_), &[class]) => (vendi_size(self.measured, Some(class)), Some(class)),
            _ => return,
        };
        row.put("vendi_images", self.vendi(arm, class, size).map_err(|problem| problem.to_string()));
    }

    /// The mean score of this many images, of every view.
    fn vendi(&self, arm: Option<usize>, class: Option<u32>, size: Option<usize>) -> Result<f64, Unmeasurable> {
        let nothing = Unmeasurable::TooFew { what: "images of every arm in every view", have: 0, need: 1 };
        let size = size.ok_or(nothing)?;
        let mut scores = Vec::new();
        for view in &self.measured.views {
            let features = arm.map_or(&view.real_features, |arm| &view.arms[arm].features);
            let places = places(self.measured, view, arm, class);
            let draws = if places.len() > size { VENDI_DRAWS } else { 1 };
            for number in 0..draws {
                let stream = || match class {
                    None => self.fork.stream("vendi", number),
                    Some(class) => self.fork.stream("vendi of a class", u64::from(class) * VENDI_DRAWS + number),
                };
                scores.push(vendi(&features.select(&draw(places.clone(), size, stream)))?);
            }
        }
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

/// Where the images of an arm, or the real ones, of a class are in a view.
fn places(measured: &MeasuredSets, view: &NetworkView, arm: Option<usize>, class: Option<u32>) -> Vec<usize> {
    let class_of = |position: usize| match arm {
        None => measured.real[position].class,
        Some(arm) => measured.arms[arm].images[position].class,
    };
    let positions = arm.map_or(&view.real, |arm| &view.arms[arm].images);
    let of_class = |&place: &usize| class.is_none_or(|class| class_of(positions[place]) == class);
    (0..positions.len()).filter(of_class).collect()
}

/// As many images as every arm that has any, and the real images, have in every view; of a class, if one is given.
fn vendi_size(measured: &MeasuredSets, class: Option<u32>) -> Option<usize> {
    let has = |arm: usize| {
        let mut images = measured.arms[arm].images.iter();
        images.any(|image| class.is_none_or(|class| image.class == class))
    };
    let arms: Vec<usize> = (0..measured.arms.len()).filter(|&arm| has(arm)).collect();
    let of_view = |view: &NetworkView| {
        let of = |arm| places(measured, view, arm, class).len();
        arms.iter().map(|&arm| of(Some(arm))).chain([of(None)]).min()
    };
    let least = measured.views.iter().filter_map(of_view).min()?;
    (least > 0).then(|| least.min(MOST_VENDI))
}

/// Mean distance of a real image from its nearest other one of its class, 0 if there is none: what distances of features are told
/// in. `classes` has the class of every image; of more than `most` images as many are drawn, by the study's seed.
#[must_use]
pub fn nearest_scale(real: &Features, classes: &[u32], most: usize, seed: StudySeed) -> f64 {
    nearest_mean(real, classes, most, &Fork::new(&mut seed.stream(Purpose::Quality, 1)))
}

fn nearest_mean(real: &Features, classes: &[u32], most: usize, fork: &Fork) -> f64 {
    let drawn = draw((0..real.len()).collect(), most, || fork.stream("scale", 0));
    let nearest = |&place: &usize| {
        let others = (0..real.len()).filter(|&other| other != place && classes[other] == classes[place]);
        others.map(|other| real.distance(place, real, other)).min_by(f64::total_cmp)
    };
    let distances: Vec<f64> = drawn.iter().filter_map(nearest).collect();
    distances.iter().sum::<f64>() / distances.len().max(1) as f64
}

/// The class of every real image of a view.
fn classes_of(measured: &MeasuredSets, view: &NetworkView) -> Vec<u32> {
    view.real.iter().map(|&position| measured.real[position].class).collect()
}

/// What is known of every image of an arm.
fn found_of(measured: &MeasuredSets, arm: usize, scales: &[f64], thresholds: &Thresholds) -> Vec<ImageFound> {
    let images = &measured.arms[arm].images;
    let mut sums = vec![(0.0, 0_u32); images.len()];
    for (view, &scale) in measured.views.iter().zip(scales).filter(|(_, scale)| **scale > 0.0) {
        let places: std::collections::BTreeMap<_, usize> =
            view.real.iter().enumerate().map(|(place, &position)| (measured.real[position].digest, place)).collect();
        for (place, &at) in view.arms[arm].images.iter().enumerate() {
            let Some(&source) = places.get(&images[at].source) else { continue };
            let (sum, count) = &mut sums[at];
            *sum += view.arms[arm].features.distance(place, &view.real_features, source) / scale;
            *count += 1;
        }
    }
    let verdict = |image: &MeasuredImage| {
        let judged = judged_derived(image)?;
        let of_it = labels(&[judged], thresholds).ok()?;
        Some(ImageVerdict {
            predicted: judged.predicted() as u32,
            confidence: judged.confidence(),
            too_easy: of_it.too_easy > 0.0,
            mislabeled: of_it.mislabeled > 0.0,
        })
    };
    let found = |(image, (sum, count)): (&MeasuredImage, (f64, u32))| ImageFound {
        change_features: (count > 0).then(|| sum / f64::from(count)),
        verdict: verdict(image),
    };
    images.iter().zip(sums).map(found).collect()
}

fn judged_derived(image: &MeasuredImage) -> Option<JudgedImage<'_>> {
    let nearly_unchanged = image.change.ssim.is_some_and(|ssim| ssim >= NEARLY_UNCHANGED);
    Some(JudgedImage { label: image.class, probabilities: image.probabilities.as_deref()?, nearly_unchanged })
}

fn judged_real(image: &RealImage) -> Option<JudgedImage<'_>> {
    Some(JudgedImage { label: image.class, probabilities: image.probabilities.as_deref()?, nearly_unchanged: false })
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
