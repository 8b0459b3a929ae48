//! Which part each source goes to.
//!
//! Stratified sampling without replacement: within every class the parts' sizes are the largest-remainder rounding of
//! their shares (Hamilton's method), and the stream `Purpose::Split` decides who fills them. What must stay together, a
//! group, byte-identical images or images that look alike, is one unit; large units are placed first, each where most is still missing.
//! The result depends on the content of the images, not on their names or order.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng as _;

use super::bonds::Bonds;
use super::manifest::{ImageRecord, Manifest};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_base::words::plural;
use augtrial_plan::dataset::{Folds, SplitRule, Stratified};

/// The sources cannot be divided as asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SplitError {
    #[error(
        "class `{class}` has {} (groups and identical images count once) for {}: \
         add images, or remove the class", plural(*units, "independent source"), plural(*parts, "part")
    )]
    ClassTooSmall { class: String, units: usize, parts: usize },
    #[error(
        "every image of class `{class}` is byte-identical to one of class `{other}`, so that the labels of all contradict: \
         `augtrial dataset verify` lists them; remove one of each two, or the class"
    )]
    ClassOfTwins { class: String, other: String },
    #[error(
        "class `{class}` has no image in the {} part: its images are in groups with other classes; \
         use smaller groups or another study seed", part.name()
    )]
    ClassMissing { class: String, part: Split },
    #[error(
        "{} for `train.images_per_class = {wanted}`: {}; ask for at most {least}, or take a share with `train.fraction`",
        if short.len() == 1 { "one class has too few training images" } else { "some classes have too few training images" },
        short.iter().map(|(class, have)| format!("`{class}` has {have}")).collect::<Vec<_>>().join(", ")
    )]
    TooFewToTrain { wanted: usize, short: Vec<(String, usize)>, least: usize },
    #[error("the data set assigns no image to the {} part: complete its index, or use `[split.stratified]`", .0.name())]
    PartMissing(Split),
    #[error(
        "{missing} of {images} images are assigned to no part by the data set, the first is {first}: complete its `split`, or \
         use `[split.stratified]`"
    )]
    NotAssigned { first: String, missing: usize, images: usize },
    #[error(
        "group `{group}` is in two parts: {} is in {}, {} in {}; a group must stay in one part",
        .first.0, .first.1.name(), .second.0, .second.1.name()
    )]
    GroupStraddles { group: String, first: (String, Split), second: (String, Split) },
}

/// The share of every class that goes to each part: train, validation, test; sums to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares([f64; 3]);

impl Shares {
    /// The shares that `rule` asks for, or that the data set itself has.
    ///
    /// # Errors
    /// If the rule is `given` and the data set assigns some image to no part.
    pub fn of(rule: SplitRule, manifest: &Manifest) -> Result<Self, SplitError> {
        match rule {
            SplitRule::Stratified(Stratified { validation, test, .. }) => {
                Ok(Self([1.0 - validation - test, validation, test]))
            }
            SplitRule::Folds(Folds { k, validation, .. }) => {
                let rest = 1.0 - 1.0 / f64::from(k);
                Ok(Self([rest * (1.0 - validation), rest * validation, 1.0 - rest]))
            }
            SplitRule::Given(given) => {
                let mut counts = [0.0; 3];
                for (_, split) in assigned(manifest)? {
                    counts[split as usize] += 1.0;
                }
                let all: f64 = counts.iter().sum();
                let [train, validation, test] = counts.map(|count| if all > 0.0 { count / all } else { 0.0 });
                let made = if validation > 0.0 { 0.0 } else { train * given.validation_from_train };
                Ok(Self([train - made, validation + made, test]))
            }
        }
    }

    /// Of the training part alone: this share becomes validation.
    pub(super) fn validation_from_train(share: f64) -> Self {
        Self([1.0 - share, share, 0.0])
    }

    /// The share of one part, 0 to 1.
    #[must_use]
    pub fn part(self, split: Split) -> f64 {
        self.0[split as usize]
    }

    fn parts(self) -> impl Iterator<Item = Split> {
        Split::ALL.into_iter().filter(move |&split| self.part(split) > 0.0)
    }
}

/// Every image with the part that the data set prescribes.
pub(super) fn assigned(manifest: &Manifest) -> Result<Vec<(&ImageRecord, Split)>, SplitError> {
    let images = &manifest.images;
    let assigned: Vec<_> = images.iter().filter_map(|image| Some((image, image.split?))).collect();
    match images.iter().find(|image| image.split.is_none()) {
        None => Ok(assigned),
        Some(first) => {
            let (missing, images) = (images.len() - assigned.len(), images.len());
            Err(SplitError::NotAssigned { first: first.path.clone(), missing, images })
        }
    }
}

/// Refuses a class of which nothing is left but what another class has, too.
pub(super) fn refuse_classes_of_twins(manifest: &Manifest) -> Result<(), SplitError> {
    let mut classes_of: BTreeMap<Digest, BTreeSet<u32>> = BTreeMap::new();
    for image in &manifest.images {
        classes_of.entry(image.digest).or_default().insert(image.class);
    }
    for (class, name) in manifest.classes.iter().enumerate() {
        let class = class as u32;
        let mut contents = classes_of.values().filter(|classes| classes.contains(&class)).peekable();
        let Some(first) = contents.peek() else { continue };
        let other = first.iter().find(|&&other| other != class).copied();
        if let Some(other) = other
            && contents.all(|classes| classes.len() > 1)
        {
            let other = manifest.classes[other as usize].clone();
            return Err(SplitError::ClassOfTwins { class: name.clone(), other });
        }
    }
    Ok(())
}

/// Images that must stay in one part.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Positions in the list that the unit was made from.
    pub(super) members: Vec<usize>,
    /// Images of each class.
    pub(super) classes: BTreeMap<u32, i64>,
}

impl Unit {
    /// A unit of its own.
    pub(super) fn single(position: usize, class: u32) -> Self {
        Self { members: vec![position], classes: BTreeMap::from([(class, 1)]) }
    }

    /// The class that most of its images have, the first of equals: the class it is drawn with.
    pub(super) fn main_class(&self) -> u32 {
        let most = self.classes.iter().max_by_key(|&(&class, &count)| (count, std::cmp::Reverse(class)));
        most.map_or(0, |(&class, _)| class)
    }
}

/// Joins images of one group, byte-identical images and what `bonds` hold together, transitively. Sorted by the units' smallest
/// digest.
pub(super) fn units(images: &[&ImageRecord], bonds: &Bonds) -> Vec<Unit> {
    let mut joined = Joined((0..images.len()).collect());
    let mut by_digest: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut by_group: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_bond: BTreeMap<usize, usize> = BTreeMap::new();
    for (i, image) in images.iter().enumerate() {
        let first = *by_digest.entry(image.digest).or_insert(i);
        joined.join(first, i);
        if let Some(group) = &image.group {
            let first = *by_group.entry(group).or_insert(i);
            joined.join(first, i);
        }
        if let Some(set) = bonds.set_of(&image.path) {
            let first = *by_bond.entry(set).or_insert(i);
            joined.join(first, i);
        }
    }
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by_key(|&i| (images[i].digest, &images[i].path));
    let mut units: Vec<Unit> = Vec::new();
    let mut unit_of: BTreeMap<usize, usize> = BTreeMap::new();
    for i in order {
        let unit = *unit_of.entry(joined.root(i)).or_insert_with(|| {
            units.push(Unit { members: Vec::new(), classes: BTreeMap::new() });
            units.len() - 1
        });
        units[unit].members.push(i);
        *units[unit].classes.entry(images[i].class).or_default() += 1;
    }
    units
}

/// Disjoint sets (union-find with path halving).
struct Joined(Vec<usize>);

impl Joined {
    fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[b] = a;
    }
}

/// Decides the part of every unit; one result per unit. `first_stream` keeps two draws of one study apart.
pub(super) fn assign(
    units: &[Unit],
    classes: &[String],
    shares: Shares,
    seed: StudySeed,
    first_stream: u64,
) -> Result<Vec<Split>, SplitError> {
    let parts: Vec<Split> = shares.parts().collect();
    let mut missing: Vec<[i64; 3]> = (0..classes.len() as u32)
        .map(|class| part_sizes(units.iter().filter_map(|unit| unit.classes.get(&class)).sum(), shares))
        .collect();
    let mut result = vec![Split::Train; units.len()];
    for (class, name) in classes.iter().enumerate() {
        let mut rng = seed.stream(Purpose::Split, first_stream + class as u64);
        let of_class = (0..units.len()).filter(|&u| units[u].main_class() as usize == class);
        let mut drawn: Vec<(u64, usize)> = of_class.map(|u| (rng.next_u64(), u)).collect();
        // Sorting by drawn keys, and not a library's shuffle, whose algorithm may change between versions.
        drawn.sort_unstable();
        drawn.sort_by_key(|&(_, u)| std::cmp::Reverse(units[u].members.len()));
        let holding = units.iter().filter(|unit| unit.classes.contains_key(&(class as u32))).count();
        if holding < parts.len() {
            return Err(SplitError::ClassTooSmall { class: name.clone(), units: holding, parts: parts.len() });
        }
        for &(_, u) in &drawn {
            let wanted = |part: Split| -> i64 {
                units[u].classes.iter().map(|(&class, &count)| count * missing[class as usize][part as usize]).sum()
            };
            let part = first_max(&parts, wanted);
            for (&class, &count) in &units[u].classes {
                missing[class as usize][part as usize] -= count;
            }
            result[u] = part;
        }
        // Fewer: the class lives in groups that are drawn with other classes. Whether it is in every part is seen below.
        if drawn.len() >= parts.len() {
            fill_empty_parts(&drawn, &parts, &mut result);
        }
    }
    refuse_missing_classes(units, classes, &parts, &result)?;
    Ok(result)
}

fn first_max(parts: &[Split], value: impl Fn(Split) -> i64) -> Split {
    let mut best = parts[0];
    for &part in &parts[1..] {
        if value(part) > value(best) {
            best = part;
        }
    }
    best
}

/// Large units can leave a part without any: it takes the smallest one of the part that has most units.
fn fill_empty_parts(drawn: &[(u64, usize)], parts: &[Split], result: &mut [Split]) {
    let count = |part: Split, result: &[Split]| drawn.iter().filter(|&&(_, u)| result[u] == part).count() as i64;
    while let Some(&empty) = parts.iter().find(|&&part| count(part, result) == 0) {
        let richest = first_max(parts, |part| count(part, result));
        let smallest = drawn.iter().rev().find(|&&(_, u)| result[u] == richest);
        let &(_, unit) = smallest.expect("as many units as parts, so the richest part has two");
        result[unit] = empty;
    }
}

fn refuse_missing_classes(
    units: &[Unit],
    classes: &[String],
    parts: &[Split],
    result: &[Split],
) -> Result<(), SplitError> {
    for (class, name) in classes.iter().enumerate() {
        for &part in parts {
            let mut of_part = units.iter().zip(result).filter(|&(_, &split)| split == part);
            if !of_part.any(|(unit, _)| unit.classes.contains_key(&(class as u32))) {
                return Err(SplitError::ClassMissing { class: name.clone(), part });
            }
        }
    }
    Ok(())
}

/// Sizes of the parts of `n` images: largest remainders, and no part of a positive share empty if `n` allows it.
fn part_sizes(n: i64, shares: Shares) -> [i64; 3] {
    // Far above rounding errors of a product (0.3 x 10), far below any real remainder.
    const SLACK: f64 = 1e-9;
    let exact = shares.0.map(|share| share.max(0.0) * n as f64);
    let mut sizes = exact.map(|size| (size + SLACK).floor() as i64);
    let mut by_remainder = Split::ALL;
    by_remainder.sort_by(|&a, &b| {
        let remainder = |part: Split| exact[part as usize] - sizes[part as usize] as f64;
        remainder(b).total_cmp(&remainder(a))
    });
    let left = (n - sizes.iter().sum::<i64>()).max(0) as usize;
    for part in by_remainder.into_iter().take(left) {
        sizes[part as usize] += 1;
    }
    let parts: Vec<Split> = shares.parts().collect();
    if n >= parts.len() as i64 {
        while let Some(&empty) = parts.iter().find(|&&part| sizes[part as usize] == 0) {
            let largest = first_max(&parts, |part| sizes[part as usize]);
            sizes[largest as usize] -= 1;
            sizes[empty as usize] += 1;
        }
    }
    sizes
}

#[cfg(test)]
pub(super) mod tests;
