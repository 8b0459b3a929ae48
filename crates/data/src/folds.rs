//! Cross-validation: the sources cut into k folds, class by class, of which one is tested.
//!
//! As in a stratified split, units stay whole and large ones are placed first, each in the fold where most of its class is
//! missing. One stream a class, `Purpose::Split`, decides the order; the folds depend on the content of the images alone. The
//! folds that are not tested are divided into training and validation as a prescribed training part is.

use rand::Rng as _;

use super::bonds::Bonds;
use super::manifest::{ImageRecord, Manifest};
use super::split::{Shares, SplitError, Unit, assign, units};
use augtrial_base::events::Split;
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_plan::dataset::Folds;

/// The part of every image where `tested` is the test part.
pub(super) fn divide<'a>(
    manifest: &'a Manifest,
    folds: Folds,
    tested: u32,
    seed: StudySeed,
    bonds: &Bonds,
) -> Result<Vec<(&'a ImageRecord, Split)>, SplitError> {
    let images: Vec<&ImageRecord> = manifest.images.iter().collect();
    let all = units(&images, bonds);
    let of = fold_of(&all, &manifest.classes, folds.k, (seed, Purpose::Split))?;
    let mut placed = Vec::with_capacity(images.len());
    let mut rest = Vec::new();
    for (unit, fold) in all.iter().zip(of) {
        for &member in &unit.members {
            if fold == tested { placed.push((images[member], Split::Test)) } else { rest.push(images[member]) }
        }
    }
    let rest_units = units(&rest, bonds);
    let shares = Shares::validation_from_train(folds.validation);
    // Streams of their own: which images validate says nothing of the folds, and another fold draws others.
    let first_stream = (1 + u64::from(tested)) * manifest.classes.len() as u64;
    let parts = assign(&rest_units, &manifest.classes, shares, seed, first_stream)?;
    for (unit, part) in rest_units.iter().zip(parts) {
        placed.extend(unit.members.iter().map(|&member| (rest[member], part)));
    }
    Ok(placed)
}

/// Which of these images are in one fold of `k`, counted from 0, in their order: one stream a class, `Purpose::CrossFit`.
pub(super) fn held_out(
    images: &[ImageRecord],
    classes: &[String],
    (k, fold): (u32, u32),
    seed: StudySeed,
    bonds: &Bonds,
) -> Result<Vec<bool>, SplitError> {
    let images: Vec<&ImageRecord> = images.iter().collect();
    let all = units(&images, bonds);
    let of = fold_of(&all, classes, k, (seed, Purpose::CrossFit))?;
    let mut held = vec![false; images.len()];
    for (unit, _) in all.iter().zip(of).filter(|(_, of)| *of == fold) {
        unit.members.iter().for_each(|&member| held[member] = true);
    }
    Ok(held)
}

/// The fold of every unit, from 0, drawn by streams of this purpose.
fn fold_of(
    units: &[Unit],
    classes: &[String],
    k: u32,
    (seed, purpose): (StudySeed, Purpose<'_>),
) -> Result<Vec<u32>, SplitError> {
    let mut result = vec![0; units.len()];
    // How many images of each class a fold has.
    let mut held = vec![vec![0_i64; classes.len()]; k as usize];
    for (class, name) in classes.iter().enumerate() {
        let mut rng = seed.stream(purpose, class as u64);
        let of_class = (0..units.len()).filter(|&unit| units[unit].main_class() as usize == class);
        let mut drawn: Vec<(u64, usize)> = of_class.map(|unit| (rng.next_u64(), unit)).collect();
        drawn.sort_unstable();
        drawn.sort_by_key(|&(_, unit)| std::cmp::Reverse(units[unit].members.len()));
        let holding = units.iter().filter(|unit| unit.classes.contains_key(&(class as u32))).count();
        // One more, so that a fold is tested and the others have an image to train on and one to validate.
        let parts = (k as usize).max(3);
        if holding < parts {
            return Err(SplitError::ClassTooSmall { class: name.clone(), units: holding, parts });
        }
        for &(_, unit) in &drawn {
            // The fold that has least of the class, and of those that has least of all: folds stay of equal size.
            let size = |fold: usize| (held[fold][class], held[fold].iter().sum::<i64>(), fold);
            let fold = (0..k as usize).min_by_key(|&fold| size(fold)).unwrap_or(0);
            for (&class, &count) in &units[unit].classes {
                held[fold][class as usize] += count;
            }
            result[unit] = fold as u32;
        }
    }
    for (class, name) in classes.iter().enumerate() {
        if held.iter().any(|fold| fold[class] == 0) {
            return Err(SplitError::ClassMissing { class: name.clone(), part: Split::Test });
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::parts::Partition;
    use crate::split::tests::{manifest, plain};
    use augtrial_plan::dataset::SplitRule;

    const FOLDS: Folds = Folds { k: 4, validation: 0.2, group_near_duplicates: false };

    fn partition(manifest: &Manifest, fold: u32) -> Partition {
        Partition::of_fold(manifest, SplitRule::Folds(FOLDS), Some(fold), StudySeed(3)).unwrap()
    }

    #[test]
    fn every_image_is_tested_once_and_classes_are_spread_evenly() {
        let manifest = plain(&[41, 10, 7]);
        let mut tested = BTreeMap::<String, u32>::new();
        for fold in 0..FOLDS.k {
            let parts = partition(&manifest, fold);
            for image in parts.test.images() {
                *tested.entry(image.path.clone()).or_default() += 1;
            }
            let of_class = |class| parts.test.images().iter().filter(|image| image.class == class).count();
            assert!(
                (10..=11).contains(&of_class(0)) && (2..=3).contains(&of_class(1)) && (1..=2).contains(&of_class(2))
            );
            let total = parts.train.sources().len() + parts.validation.images().len() + parts.test.images().len();
            assert_eq!(total, manifest.images.len());
            assert!((14..=15).contains(&parts.test.images().len()), "{}", parts.test.images().len());
        }
        assert_eq!(tested.len(), manifest.images.len());
        assert!(tested.values().all(|&times| times == 1));
    }

    #[test]
    fn groups_and_identical_images_stay_in_one_fold() {
        let images: Vec<_> = (0..40).map(|i| (i % 2, i / 2 * 2 + i % 2, Some(i / 4))).collect();
        let manifest = manifest(&images);
        for fold in 0..FOLDS.k {
            let parts = partition(&manifest, fold);
            let groups = |images: &[ImageRecord]| -> Vec<String> {
                images.iter().filter_map(|image| image.group.clone()).collect()
            };
            let test = groups(parts.test.images());
            assert!(!test.is_empty());
            assert!(groups(&parts.train.sources()).iter().all(|group| !test.contains(group)));
        }
    }

    #[test]
    fn a_fold_of_the_training_part_is_held_out_and_nothing_of_the_test_part_comes_in() {
        let manifest = plain(&[60, 30]);
        let rule = SplitRule::default();
        let whole = || Partition::new(&manifest, rule, StudySeed(3)).unwrap();
        let trained: Vec<String> = whole().train.sources().iter().map(|image| image.path.clone()).collect();
        let mut held = Vec::new();
        for fold in 0..5 {
            let parts = whole().held_out(&manifest.classes, (5, fold), StudySeed(3), &Bonds::default()).unwrap();
            assert_eq!(parts.validation.digest(), whole().validation.digest());
            assert_eq!(parts.train.sources().len() + parts.test.images().len(), trained.len());
            assert!(parts.test.images().iter().all(|image| !parts.train.contains(image.digest)));
            held.extend(parts.test.images().iter().map(|image| image.path.clone()));
        }
        held.sort();
        assert_eq!(held, trained, "every training image is held out once, and no other image");
        let few = Partition::new(&plain(&[20, 6]), rule, StudySeed(1)).unwrap();
        let error = few.held_out(&manifest.classes, (5, 0), StudySeed(1), &Bonds::default()).unwrap_err();
        assert!(matches!(error, SplitError::ClassTooSmall { parts: 5, .. }), "{error}");
    }

    #[test]
    fn the_seed_decides_the_folds_and_too_small_a_class_is_refused() {
        let manifest = plain(&[20, 20]);
        let test = |seed| {
            let parts = Partition::of_fold(&manifest, SplitRule::Folds(FOLDS), Some(1), StudySeed(seed)).unwrap();
            parts.test.digest()
        };
        assert_eq!(test(1), test(1));
        assert_ne!(test(1), test(2));
        let error = Partition::of_fold(&plain(&[20, 3]), SplitRule::Folds(FOLDS), Some(0), StudySeed(1)).unwrap_err();
        assert!(matches!(error, SplitError::ClassTooSmall { units: 3, parts: 4, .. }), "{error}");
    }
}
