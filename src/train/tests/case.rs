//! A small trial that tests vary, and what they keep of it.

use std::io;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::images::{CLASSES, Jitter, SIDE_PX, samples};
use crate::clock::Clock;
use crate::data::samples::{EvaluationSet, TrainingSet};
use crate::digest::Digest;
use crate::events::{EpochMetrics, Observer, RunEvent, Split, StepProgress};
use crate::plan::classifier::{Budget, Classifier, EpochRule, Freeze, Optimizer, Precision, Schedule, Sgd};
use crate::seed::StudySeed;
use crate::train::batches::{BatchMix, SampleTransform};
use crate::train::device::set_threads;
use crate::train::error::TrainError;
use crate::train::preprocess::InputSize;
use crate::train::resnet::{Branch, Layout};
use crate::train::rule::CheckpointRule;
use crate::train::spec::TrialSpec;
use crate::train::trial::{TrialOutcome, run_with_layout};

/// ResNet18 with an eighth of the channels: every shape of the real one, in milliseconds.
pub const LAYOUT: Layout = Layout { branch: Branch::Basic, depths: [2, 2, 2, 2], width: 8 };
/// Not the stored size, so that images are resized.
pub const INPUT: InputSize = InputSize { width_px: SIDE_PX, height_px: SIDE_PX - 4 };

/// A trial that the tests vary.
pub struct Case {
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
    pub checkpoints: CheckpointRule,
    pub save: &'static AtomicBool,
}

/// Never set.
static NO_REQUEST: AtomicBool = AtomicBool::new(false);

impl Case {
    pub fn new(budget: Budget) -> Self {
        let training = samples("train", 22);
        let (validation, test) = (samples("validation", 12), samples("test", 8));
        let sgd = Sgd { learning_rate: 0.02, momentum: 0.9, weight_decay: 1e-3, nesterov: false };
        let classifier = Classifier {
            architecture: crate::plan::classifier::Architecture::Resnet18,
            pretrained: None,
            freeze: Freeze::None,
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
            checkpoints: CheckpointRule::Epochs(NonZeroU32::MIN),
            save: &NO_REQUEST,
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
            checkpoints: self.checkpoints,
            stop,
            save: self.save,
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
pub struct Log<'a> {
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

pub fn of_split(metrics: &[EpochMetrics], split: Split) -> Vec<&EpochMetrics> {
    metrics.iter().filter(|metrics| metrics.split == split).collect()
}
