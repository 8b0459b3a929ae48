//! Small trials: reproducible, resumable, honest about what they look at.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::images::{CLASSES, Jitter, Neighbours, SIDE_PX, samples};
use crate::clock::Clock;
use crate::data::samples::{EvaluationSet, TrainingSet};
use crate::digest::Digest;
use crate::events::{EpochMetrics, Observer, RunEvent, Split, StepProgress};
use crate::plan::classifier::{AdamW, Budget, Classifier, Constant, EpochRule, Optimizer, Precision, Schedule, Sgd};
use crate::seed::StudySeed;
use crate::train::batches::{BatchMix, SampleTransform, Unchanged};
use crate::train::device::set_threads;
use crate::train::error::TrainError;
use crate::train::preprocess::InputSize;
use crate::train::resnet::{Branch, Layout};
use crate::train::spec::TrialSpec;
use crate::train::trial::{TrialOutcome, run_with_layout};

/// ResNet18 with an eighth of the channels: every shape of the real one, in milliseconds.
pub(super) const LAYOUT: Layout = Layout { branch: Branch::Basic, depths: [2, 2, 2, 2], width: 8 };
/// Not the stored size, so that images are resized.
const INPUT: InputSize = InputSize { width_px: SIDE_PX, height_px: SIDE_PX - 4 };

/// A trial that the tests vary.
pub(super) struct Case {
    pub classifier: Classifier,
    pub training: TrainingSet,
    pub validation: EvaluationSet,
    pub test: EvaluationSet,
    pub study_seed: u64,
    pub seed: u64,
    pub workers: usize,
    pub input: InputSize,
    pub transforms: &'static dyn SampleTransform,
    pub mix: Option<&'static dyn BatchMix>,
    pub recipe: Digest,
    pub key: Digest,
    pub clock: Clock,
}

impl Case {
    pub fn new(budget: Budget) -> Self {
        let training = samples("train", 22);
        let (validation, test) = (samples("validation", 12), samples("test", 8));
        let sgd = Sgd { learning_rate: 0.02, momentum: 0.9, weight_decay: 1e-3, nesterov: false };
        let classifier = Classifier {
            architecture: crate::plan::classifier::Architecture::Resnet18,
            pretrained: None,
            freeze: crate::plan::classifier::Freeze::None,
            head_learning_rate: None,
            budget,
            batch_size: 8,
            epoch_rule: EpochRule::BestValidation,
            label_smoothing: 0.0,
            device: crate::plan::classifier::Device::Cpu,
            precision: Precision::Fp32,
            threads: None,
            input: crate::plan::classifier::Input::default(),
            optimizer: Optimizer::Sgd(sgd),
            schedule: Schedule::default(),
            transforms: Vec::new(),
        };
        Self {
            classifier,
            training: TrainingSet::for_tests(training.0, training.1),
            validation: EvaluationSet::new(Split::Validation, validation.0, validation.1),
            test: EvaluationSet::new(Split::Test, test.0, test.1),
            study_seed: 1,
            seed: 1,
            workers: 2,
            input: INPUT,
            transforms: &Jitter,
            mix: None,
            recipe: Digest::of_bytes(b"recipe"),
            key: Digest::of_bytes(b"key"),
            clock: Clock::Fixed(chrono::DateTime::UNIX_EPOCH),
        }
    }

    pub fn run_in(
        &self,
        folder: &Path,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<TrialOutcome, TrainError> {
        set_threads(1); // of small networks, more threads only wait for one another
        let spec = TrialSpec {
            study_seed: StudySeed(self.study_seed),
            seed: self.seed,
            classifier: &self.classifier,
            classes: CLASSES,
            input: self.input,
            pretrained: None,
            training: &self.training,
            validation: &self.validation,
            test: &self.test,
            transforms: self.transforms,
            mix: self.mix,
            recipe: self.recipe,
            trial_key: self.key,
            folder,
            workers: self.workers,
            clock: self.clock,
            stop,
        };
        run_with_layout(&spec, LAYOUT, observer)
    }

    pub fn run(&self) -> (Result<TrialOutcome, TrainError>, Vec<RunEvent>) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::default();
        let outcome = self.run_in(folder.path(), &AtomicBool::new(false), &mut log);
        (outcome, log.events)
    }

    pub fn outcome(&self) -> TrialOutcome {
        self.run().0.unwrap()
    }
}

/// Keeps events, and can set the stop flag after a number of updates.
#[derive(Default)]
pub(super) struct Log<'a> {
    pub events: Vec<RunEvent>,
    pub updates: u64,
    pub stop: Option<(&'a AtomicBool, u64)>,
}

impl Observer for Log<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        self.events.push(event.clone());
        Ok(())
    }

    fn progress(&mut self, progress: &StepProgress) {
        self.updates = progress.updates;
        if let Some((flag, after)) = self.stop {
            flag.store(progress.updates >= after, Ordering::Relaxed);
        }
    }
}

pub(super) fn of_split(metrics: &[EpochMetrics], split: Split) -> Vec<&EpochMetrics> {
    metrics.iter().filter(|metrics| metrics.split == split).collect()
}

#[test]
fn a_trial_learns_what_can_be_learnt_and_reports_in_order() {
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
fn thirty_two_images_can_be_learnt_by_heart() {
    let mut case = Case::new(Budget::Epochs(25));
    let (mut training, store) = samples("train", 32);
    // Labels that the pixels do not explain.
    for (index, sample) in training.iter_mut().enumerate() {
        sample.label = (index / 8) as u32;
    }
    case.training = TrainingSet::for_tests(training, store);
    case.transforms = &Unchanged;
    case.classifier.optimizer = Optimizer::Adamw(AdamW { learning_rate: 3e-3, ..AdamW::default() });
    let outcome = case.outcome();
    let train = of_split(&outcome.history, Split::Train);
    assert!(train[0].top1 < 0.6, "{:?}", train[0]);
    assert_eq!(train.last().unwrap().top1, 1.0, "{:?}", train.last());
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
        Case { mix: Some(&Neighbours), ..case() }.outcome().weights,
    ];
    let distinct: std::collections::BTreeSet<_> = weights.iter().collect();
    assert_eq!(distinct.len(), weights.len());
    // Without a transform the recipe's streams are not drawn from, and its name leaves no trace.
    let plain = |recipe: &[u8]| Case { transforms: &Unchanged, recipe: Digest::of_bytes(recipe), ..case() };
    assert_eq!(plain(b"one").outcome(), plain(b"two").outcome());
}

/// Stops after `after` updates, then continues; gives the outcome and the event of the continuation.
pub(super) fn stopped_and_resumed(case: &Case, after: u64) -> (TrialOutcome, Option<RunEvent>) {
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let mut log = Log { stop: Some((&stop, after)), ..Log::default() };
    let interrupted = case.run_in(folder.path(), &stop, &mut log).unwrap_err();
    assert!(matches!(interrupted, TrainError::Interrupted { updates, .. } if updates == after), "{interrupted}");
    let mut log = Log::default();
    let outcome = case.run_in(folder.path(), &AtomicBool::new(false), &mut log).unwrap();
    (outcome, log.events.into_iter().next())
}

#[test]
fn a_resumed_trial_equals_an_uninterrupted_one() {
    let sgd = Case::new(Budget::Epochs(3)); // three updates an epoch
    let mut adamw = Case::new(Budget::Updates(8));
    adamw.classifier.optimizer = Optimizer::Adamw(AdamW::default());
    adamw.mix = Some(&Neighbours);
    for case in [sgd, adamw] {
        let whole = case.outcome();
        for after in 1..case_updates(&case) {
            let (outcome, first) = stopped_and_resumed(&case, after);
            assert_eq!(outcome, whole, "stopped after {after}");
            let epoch = (after / 3) as u32;
            assert!(matches!(first, Some(RunEvent::Resumed { epoch: e, .. }) if e == epoch), "{after}: {first:?}");
        }
    }
}

fn case_updates(case: &Case) -> u64 {
    match case.classifier.budget {
        Budget::Epochs(epochs) => u64::from(epochs) * 3,
        Budget::Updates(updates) => updates,
    }
}

#[test]
fn a_finished_trial_is_tested_again_from_its_checkpoint_with_equal_result() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(Budget::Epochs(2));
    let stop = AtomicBool::new(false);
    let first = case.run_in(folder.path(), &stop, &mut Log::default()).unwrap();
    let mut log = Log::default();
    assert_eq!(case.run_in(folder.path(), &stop, &mut log).unwrap(), first);
    assert_eq!(log.updates, 0, "nothing is trained again");
}

#[test]
fn a_checkpoint_of_another_trial_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let case = Case::new(Budget::Epochs(1));
    let outcome = case.run_in(folder.path(), &stop, &mut Log::default()).unwrap();
    let other = Case { key: Digest::of_bytes(b"other"), ..Case::new(Budget::Epochs(1)) };
    let error = other.run_in(folder.path(), &stop, &mut Log::default()).unwrap_err();
    assert!(matches!(error, TrainError::CheckpointForeign { .. }), "{error}");
    assert_eq!(case.run_in(folder.path(), &stop, &mut Log::default()).unwrap(), outcome);
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
    let relabelled = case.outcome();
    assert_eq!((relabelled.selected_epoch, relabelled.weights), (outcome.selected_epoch, outcome.weights));
    assert_ne!(relabelled.test.loss_nats, outcome.test.loss_nats);

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
    assert!(message(&case).contains("too small for the centre crop"));

    // 17 samples in batches of 8 leave one, and 32 px are one value per channel at the end of the network.
    let mut case = Case::new(Budget::Epochs(1));
    case.training = with(17);
    case.input = InputSize { width_px: 32, height_px: 32 };
    assert!(message(&case).contains("remainder of 1 for 17 samples"));
    case.input.height_px = 33;
    assert!(case.run().0.is_ok());
}
