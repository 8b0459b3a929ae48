//! Training on samples that are made of features, and on classes that are drawn equally often.

use std::sync::atomic::AtomicBool;

use super::case::{Case, Log};
use super::checkpoints::stopped_and_resumed;
use super::images::{CLASSES, samples, unchanged};
use crate::train::spec::images;
use augtrial_base::events::RunEvent;
use augtrial_data::samples::TrainingSet;
use augtrial_plan::classifier::{Budget, Freeze};
use augtrial_plan::transform::{FeatureInterpolation, FeatureNoise, Features, Smote};

/// Images of class 0 and a few of the others: 16, 4 and 4 of three classes.
fn uneven() -> TrainingSet {
    let (mut images, store) = samples("train", 24);
    for (position, image) in images.iter_mut().enumerate() {
        image.label = if position < 16 { 0 } else { 1 + (position % (CLASSES - 1)) as u32 };
    }
    TrainingSet::for_tests(images, store)
}

fn case(features: Option<Features>) -> Case {
    let mut case = Case::new(Budget::Epochs(3));
    case.training = uneven();
    case.classifier.freeze = Freeze::AllButHead;
    case.transforms = unchanged();
    case.features = features;
    case
}

fn prepared(case: &Case) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    case.run_in(folder.path(), &AtomicBool::new(false), &mut log).unwrap();
    let told = log.events.iter().find_map(|event| match event {
        RunEvent::Prepared { training_samples, total_updates, .. } => Some((*training_samples, *total_updates)),
        _ => None,
    });
    told.unwrap()
}

#[test]
fn smote_brings_every_class_to_the_size_of_the_largest() {
    assert_eq!(prepared(&case(None)), (24, 9));
    let counts = uneven().class_counts(CLASSES);
    let most = *counts.iter().max().unwrap();
    let full = (counts.iter().filter(|&&count| count > 0).count() * most) as u64;
    assert_eq!(prepared(&case(Some(Features::Smote(Smote::default())))), (full, 3 * full.div_ceil(8)));
    let half = Features::Smote(Smote { k: 5, size: 0.0 });
    assert_eq!(prepared(&case(Some(half))), (24, 9), "no class grows");
}

#[test]
fn samples_that_are_made_anew_change_the_weights_and_not_the_number_of_updates() {
    let plain = case(None).outcome().weights;
    for features in [
        Features::FeatureNoise(FeatureNoise { gamma: 0.5, p: 1.0 }),
        Features::FeatureInterpolation(FeatureInterpolation { k: 3, lambda: [0.2, 0.8], p: 1.0 }),
    ] {
        let case = case(Some(features));
        assert_eq!(prepared(&case), (24, 9));
        let outcome = case.outcome();
        assert_ne!(outcome.weights, plain);
        assert_eq!(case.outcome(), outcome);
        assert_eq!(stopped_and_resumed(&case, 4).0, outcome);
    }
    let none = Features::FeatureNoise(FeatureNoise { gamma: 0.5, p: 0.0 });
    assert_eq!(case(Some(none)).outcome().weights, plain, "with p = 0 it is the plain trial");
}

#[test]
fn a_trial_with_smote_that_is_resumed_equals_one_that_never_stopped() {
    let case = case(Some(Features::Smote(Smote::default())));
    let whole = case.outcome();
    assert_eq!(stopped_and_resumed(&case, 4).0, whole);
}

#[test]
fn classes_that_are_drawn_equally_often_are_and_a_pass_has_as_many_images() {
    let mut case = case(None);
    case.training = uneven().drawn_by_class();
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let counts = case.with_spec(folder.path(), &stop, |spec| {
        let batches = images(spec);
        let mut assemble = batches.assembler();
        let mut counts = vec![0_u32; CLASSES];
        for update in 0..3 * 400 {
            for label in assemble(update).unwrap().labels() {
                counts[label] += 1;
            }
        }
        counts
    });
    let (total, classes) = (counts.iter().sum::<u32>(), uneven().class_counts(CLASSES));
    assert_eq!(total, 24 * 400);
    let there = classes.iter().filter(|&&count| count > 0).count();
    for (count, _) in counts.iter().zip(&classes).filter(|(_, there)| **there > 0) {
        let (share, expected) = (f64::from(*count) / f64::from(total), 1.0 / there as f64);
        let error = (expected * (1.0 - expected) / f64::from(total)).sqrt();
        assert!((share - expected).abs() <= 4.0 * error, "{share} is not {expected}");
    }
}
