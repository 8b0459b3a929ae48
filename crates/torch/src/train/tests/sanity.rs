//! A network that learns what it should, and nothing where there is nothing.

use rand::RngExt as _;

use super::case::{Case, of_split};
use super::images::{CLASSES, samples, unchanged};
use augtrial_base::events::Split;
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_data::samples::{EvaluationSet, Sample, TrainingSet};
use augtrial_plan::classifier::{AdamW, Budget, Optimizer};

/// Epochs of four updates each.
const EPOCHS: u32 = 25;
/// Enough to tell a quarter right from half right.
const HELD_OUT: usize = 200;
/// Of 200 draws at one in four, 29 to 71 lie within 3.5 standard deviations; beyond are 0.05 % of all seeds.
const AT_CHANCE: std::ops::RangeInclusive<usize> = 29..=71;

/// Labels that nothing explains.
fn shuffled(samples: &mut [Sample], study_seed: u64) {
    let mut rng = StudySeed(study_seed).stream(Purpose::Split, 0);
    for sample in samples {
        sample.label = rng.random_range(0..CLASSES as u32);
    }
}

/// Thirty-two training images and the held-out ones, trained long enough to know the first by heart.
fn by_heart(change_labels: impl Fn(&mut [Sample], u64)) -> (f64, usize) {
    let mut case = Case::new(Budget::Epochs(EPOCHS));
    let (mut training, pixels) = samples("train", 32);
    change_labels(&mut training, 1);
    case.training = TrainingSet::for_tests(training, pixels);
    let (mut held_out, pixels) = samples("test", HELD_OUT);
    change_labels(&mut held_out, 2);
    case.test = EvaluationSet::new(Split::Test, held_out, pixels);
    case.transforms = unchanged();
    case.classifier.optimizer = Optimizer::Adamw(AdamW { learning_rate: 3e-3, ..AdamW::default() });
    let outcome = case.outcome();
    let train = of_split(&outcome.history, Split::Train);
    assert!(train[0].top1 < 0.6, "not known at once: {:?}", train[0]);
    let correct = outcome.predictions.iter().filter(|prediction| prediction.predicted == prediction.label).count();
    (train.last().unwrap().top1, correct)
}

#[test]
fn thirty_two_images_are_learned_by_heart_and_what_they_teach_carries_over() {
    let (top1, correct) = by_heart(|_, _| {});
    assert_eq!(top1, 1.0);
    assert!(correct > HELD_OUT / 2, "{correct} of {HELD_OUT}: what shuffled labels must not reach is reached here");
}

#[test]
fn shuffled_labels_are_learned_by_heart_and_teach_nothing() {
    let (top1, correct) = by_heart(shuffled);
    assert_eq!(top1, 1.0, "a network can learn any thirty-two labels");
    assert!(AT_CHANCE.contains(&correct), "{correct} of {HELD_OUT} images that it never saw");
}
