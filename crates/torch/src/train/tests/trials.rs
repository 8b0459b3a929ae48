//! Small trials: reproducible, resumable, honest about what they look at.

use std::io;
use std::sync::atomic::AtomicBool;

use super::case::{Case, Log, of_split};
use super::images::{CLASSES, partly_in_files, partners, samples, unchanged};
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Observer, RunEvent, Split};
use augtrial_data::samples::{EvaluationSet, TrainingSet};
use augtrial_plan::classifier::{Budget, Constant, EpochRule, Optimizer, Precision, Schedule, Sgd};
use augtrial_trial::TrainError;
use augtrial_trial::preprocess::InputSize;

#[test]
fn a_trial_learns_what_can_be_learned_and_reports_in_order() {
    let (outcome, events) = Case::new(Budget::Epochs(12)).run();
    let outcome = outcome.unwrap();
    assert!(outcome.test.top1 >= 0.75, "chance is 0.25: {:?}", outcome.test);

    let kind = |event: &RunEvent| match event {
        RunEvent::Prepared { .. } => 'p',
        RunEvent::Epoch { metrics } if metrics.split == Split::Train => 't',
        RunEvent::Epoch { .. } => 'v',
        RunEvent::Checkpointed { .. } => 'c',
        RunEvent::Selected { .. } => 's',
        RunEvent::TestOpened { .. } => 'o',
        RunEvent::Tested { .. } => 'r',
        RunEvent::Cost { .. } => '$',
        _ => '?',
    };
    let order: String = events.iter().map(kind).collect();
    assert_eq!(order, format!("p{}sor$", "tvc".repeat(12)));
    let reported: Vec<&EpochMetrics> =
        events.iter().filter_map(|e| if let RunEvent::Epoch { metrics } = e { Some(metrics) } else { None }).collect();
    assert_eq!(reported, outcome.history.iter().collect::<Vec<_>>());
    assert!(of_split(&outcome.history, Split::Train).iter().all(|metrics| metrics.samples == 22));
}

#[test]
fn equal_seeds_give_equal_bits_whatever_the_number_of_workers() {
    let case = Case::new(Budget::Epochs(2));
    let outcome = case.outcome();
    assert_eq!(case.outcome(), outcome);
    for workers in [1, 3] {
        assert_eq!(Case { workers, ..Case::new(Budget::Epochs(2)) }.outcome(), outcome, "{workers} workers");
    }
}

#[test]
fn bf16_learns_and_repeats_to_the_bit_and_is_another_computation() {
    let mut case = Case::new(Budget::Epochs(12));
    case.classifier.precision = Precision::Bf16;
    let outcome = case.outcome();
    assert!(outcome.test.top1 >= 0.75, "chance is 0.25: {:?}", outcome.test);
    assert_eq!(case.outcome(), outcome);
    case.classifier.precision = Precision::Fp32;
    assert_ne!(case.outcome().weights, outcome.weights);
}

#[test]
fn a_trial_reports_what_it_cost() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    let case = Case { clock: Clock::System, ..Case::new(Budget::Epochs(2)) };
    case.run_in(folder.path(), &AtomicBool::new(false), &mut log).unwrap();
    let Some(RunEvent::Cost { cost }) = log.events.last() else { panic!("the cost is the last event") };
    // 22 images twice; validation of 12 twice, test of 8 once.
    assert_eq!((cost.training_images, cost.evaluation_images), (44, 32));
    let parts = [cost.data_secs, cost.forward_secs, cost.backward_secs, cost.optimizer_secs, cost.evaluation_secs];
    assert!(parts.iter().all(|&secs| secs > 0.0) && cost.checkpoint_secs > 0.0, "{cost:?}");
    assert!(cost.images_per_sec().unwrap() > 0.0);
    assert_eq!(cost.peak_memory_bytes.is_some(), cfg!(target_os = "linux"));
}

#[test]
fn every_seed_and_the_recipe_change_the_weights() {
    let case = || Case::new(Budget::Epochs(1));
    let weights = [
        case().outcome().weights,
        Case { seed: 2, ..case() }.outcome().weights,
        Case { study_seed: 2, ..case() }.outcome().weights,
        Case { recipe: Digest::of_bytes(b"another"), ..case() }.outcome().weights,
        Case { mix: Some(partners()), ..case() }.outcome().weights,
    ];
    let distinct: std::collections::BTreeSet<_> = weights.iter().collect();
    assert_eq!(distinct.len(), weights.len());
    // Without a transform the recipe's streams are not drawn from, and its name leaves no trace.
    let plain = |recipe: &[u8]| Case { transforms: unchanged(), recipe: Digest::of_bytes(recipe), ..case() };
    assert_eq!(plain(b"one").outcome(), plain(b"two").outcome());
}

#[test]
fn an_update_budget_is_met_exactly() {
    let mut case = Case::new(Budget::Updates(7));
    case.classifier.schedule = Schedule::Constant(Constant::default());
    let (outcome, events) = case.run();
    let updates: Vec<u64> = of_split(&outcome.unwrap().history, Split::Train).iter().map(|m| m.updates).collect();
    assert_eq!(updates, [3, 6, 7]);
    let prepared = RunEvent::Prepared { training_samples: 22, updates_per_epoch: 3, total_updates: 7, total_epochs: 3 };
    assert_eq!(events[0], prepared);
}

/// The rule, applied to the recorded metrics by the book.
fn best_by_hand(history: &[EpochMetrics]) -> u32 {
    let mut validation = of_split(history, Split::Validation);
    validation.sort_by(|a, b| {
        b.top1.total_cmp(&a.top1).then(a.loss_nats.total_cmp(&b.loss_nats)).then(a.epoch.cmp(&b.epoch))
    });
    validation[0].epoch
}

#[test]
fn the_best_epoch_is_chosen_on_validation_alone() {
    let mut case = Case::new(Budget::Epochs(6));
    // A rate that overshoots, so that the best epoch need not be the last.
    case.classifier.optimizer = Optimizer::Sgd(Sgd { learning_rate: 0.3, ..Sgd::default() });
    case.classifier.schedule = Schedule::Constant(Constant::default());
    let outcome = case.outcome();
    assert_eq!(outcome.selected_epoch, best_by_hand(&outcome.history));

    // Other test labels change the result on the test split and nothing that was chosen.
    let (mut other, store) = samples("test", 8);
    for sample in &mut other {
        sample.label = (sample.label + 1) % CLASSES as u32;
    }
    case.test = EvaluationSet::new(Split::Test, other, store);
    let relabeled = case.outcome();
    assert_eq!((relabeled.selected_epoch, relabeled.weights), (outcome.selected_epoch, outcome.weights));
    assert_ne!(relabeled.test.loss_nats, outcome.test.loss_nats);

    case.classifier.epoch_rule = EpochRule::Last;
    assert_eq!(case.outcome().selected_epoch, 6);
}

#[test]
fn the_selected_weights_are_those_that_are_tested() {
    let mut case = Case::new(Budget::Epochs(6));
    case.classifier.optimizer = Optimizer::Sgd(Sgd { learning_rate: 0.3, ..Sgd::default() });
    case.classifier.schedule = Schedule::Constant(Constant::default());
    // Validation images in the test part: the tested loss must be the selected epoch's validation loss.
    let (images, store) = samples("validation", 12);
    case.test = EvaluationSet::new(Split::Test, images, store);
    let outcome = case.outcome();
    let validation = of_split(&outcome.history, Split::Validation);
    let selected = validation.iter().find(|metrics| metrics.epoch == outcome.selected_epoch).unwrap();
    assert_eq!((outcome.test.loss_nats, outcome.test.top1), (selected.loss_nats, selected.top1));
}

#[test]
fn a_diverging_trial_fails_with_epoch_update_and_rate() {
    let mut case = Case::new(Budget::Epochs(2));
    case.classifier.optimizer = Optimizer::Sgd(Sgd { learning_rate: 1e30, ..Sgd::default() });
    let (outcome, events) = case.run();
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("the training loss is not finite in epoch 1, at update 2 with learning rate"), "{text}");
    assert!(!events.iter().any(|event| matches!(event, RunEvent::Checkpointed { .. })), "{events:?}");
}

#[test]
fn images_that_are_decoded_when_they_are_read_give_the_same_trial_and_one_that_is_gone_fails_it() {
    let (folder, whole) = (tempfile::tempdir().unwrap(), Case::new(Budget::Epochs(2)));
    let mut case = Case::new(Budget::Epochs(2));
    let (images, store) = partly_in_files(folder.path(), "train", 22, 1);
    case.training = TrainingSet::for_tests(images, store);
    let (images, store) = partly_in_files(folder.path(), "test", 8, 0);
    case.test = EvaluationSet::new(Split::Test, images, store);
    let (found, expected) = (case.outcome(), whole.outcome());
    assert_eq!((found.history, found.predictions), (expected.history, expected.predictions));

    std::fs::remove_file(folder.path().join("train-9.png")).unwrap();
    let error = case.run().0.unwrap_err();
    assert!(
        matches!(&error, TrainError::Pixels(_)) && error.to_string().contains("train-9.png cannot be read"),
        "{error}"
    );
    image::RgbImage::new(40, 40).save(folder.path().join("train-9.png")).unwrap();
    let error = case.run().0.unwrap_err().to_string();
    assert!(error.contains("train-9.png changed since it was ingested"), "{error}");
}

#[test]
fn predictions_are_distributions_that_agree_with_the_result() {
    let case = Case::new(Budget::Epochs(3));
    let outcome = case.outcome();
    assert_eq!(outcome.predictions.len(), 8);
    let mut correct = 0;
    for (prediction, sample) in outcome.predictions.iter().zip(case.test.samples()) {
        assert_eq!((&prediction.path, prediction.image, prediction.label), (&sample.path, sample.image, sample.label));
        let sum: f64 = prediction.probabilities.iter().copied().map(f64::from).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        let highest = prediction.probabilities.iter().copied().fold(0.0, f32::max);
        assert_eq!(prediction.probabilities[prediction.predicted as usize], highest);
        correct += u32::from(prediction.predicted == prediction.label);
    }
    assert_eq!(outcome.test.top1, f64::from(correct) / 8.0);
}

#[test]
fn an_observer_that_cannot_record_stops_the_trial() {
    struct FullDisk;
    impl Observer for FullDisk {
        fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
            match event {
                RunEvent::Selected { .. } => Err(io::Error::other("disk full")),
                RunEvent::TestOpened { .. } => panic!("the test split is opened after a lost record"),
                _ => Ok(()),
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let outcome = Case::new(Budget::Epochs(1)).run_in(folder.path(), &AtomicBool::new(false), &mut FullDisk);
    assert!(matches!(outcome, Err(TrainError::Observer(_))));
}

#[test]
fn what_could_only_fail_later_is_refused_at_once() {
    let message = |case: &Case| case.run().0.unwrap_err().to_string();
    let with = |count: usize| {
        let (samples, store) = samples("train", count);
        TrainingSet::for_tests(samples, store)
    };
    let case = Case { training: with(0), ..Case::new(Budget::Epochs(1)) };
    assert!(message(&case).contains("the train set is empty"));

    let (mut wrong, store) = samples("test", 2);
    wrong[1].label = 9;
    let case = Case { test: EvaluationSet::new(Split::Test, wrong, store), ..Case::new(Budget::Epochs(1)) };
    assert!(message(&case).contains("test image `test/1.png` has label 9, but there are 4 classes"));

    assert!(message(&Case::new(Budget::Updates(0))).contains("budget"));

    let mut case = Case::new(Budget::Epochs(1));
    case.classifier.input.eval_resize_px = Some(20);
    assert!(message(&case).contains("too small for the center crop"));

    // 17 samples in batches of 8 leave one, and 32 px are one value per channel at the end of the network.
    let mut case = Case::new(Budget::Epochs(1));
    case.training = with(17);
    case.input = InputSize { width_px: 32, height_px: 32 };
    assert!(message(&case).contains("remainder of 1 for 17 samples"));
    case.input.height_px = 33;
    assert!(case.run().0.is_ok());
}
