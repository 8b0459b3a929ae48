//! A small trial that tests vary, and what they keep of it.

use std::io;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::images::{CLASSES, SIDE_PX, jitter, samples};
use crate::networks::Constructor;
use crate::networks::resnet::{Branch, ResNet, ResNetLayout, Stem};
use crate::train::device::set_threads;
use crate::train::trial::{run_trial, run_with};
use augtrial_augment::{Mixer, Pipeline};
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Observer, RunEvent, Split, StepProgress};
use augtrial_base::seed::StudySeed;
use augtrial_data::samples::{EvaluationSet, TrainingSet};
use augtrial_plan::classifier::{Budget, Classifier, EpochRule, Freeze, Kernels, Optimizer, Precision, Schedule, Sgd};
use augtrial_plan::networks::NetworkFile;
use augtrial_plan::transform::Features;
use augtrial_trial::CheckpointRule;
use augtrial_trial::TrainError;
use augtrial_trial::preprocess::InputSize;
use augtrial_trial::{Outside, TrialOutcome, TrialSpec};

/// ResNet18 with an eighth of the channels: every shape of the real one, in milliseconds.
const BUILD: Constructor = |classes, device| {
    let layout = ResNetLayout { stem: Stem::Quartering, branch: Branch::Basic, depths: &[2, 2, 2, 2], width: 8 };
    Box::new(ResNet::new(layout, classes, device))
};
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
    pub network: Option<NetworkFile>,
    pub watched: Option<EvaluationSet>,
    pub transforms: Pipeline,
    pub mix: Option<Mixer>,
    pub features: Option<Features>,
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
            architecture: Some(augtrial_plan::networks::Architecture::default()),
            network: None,
            pretrained: None,
            weights_digest: None,
            freeze: Freeze::None,
            head_learning_rate: None,
            budget,
            batch_size: 8,
            epoch_rule: EpochRule::BestValidation,
            label_smoothing: 0.0,
            device: augtrial_plan::classifier::Device::Cpu,
            precision: Precision::Fp32,
            kernels: Kernels::Native,
            deterministic: false,
            threads: None,
            input: augtrial_plan::classifier::Input::default(),
            optimizer: Optimizer::Sgd(sgd),
            schedule: Schedule::default(),
            transforms: Vec::new(),
            command: None,
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
            network: None,
            watched: None,
            transforms: jitter(),
            mix: None,
            features: None,
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
        self.with_spec(folder, stop, |spec| match self.network {
            None => run_with(spec, |classes, device| Ok(BUILD(classes, device)), observer),
            Some(_) => run_trial(spec, observer),
        })
    }

    pub fn with_spec<T>(&self, folder: &Path, stop: &AtomicBool, work: impl FnOnce(&TrialSpec<'_>) -> T) -> T {
        work(&TrialSpec {
            study_seed: StudySeed(self.study_seed),
            seed: self.seed,
            classifier: &self.classifier,
            classes: CLASSES,
            input: self.input,
            network: self.network.as_ref(),
            pretrained: None,
            training: &self.training,
            validation: &self.validation,
            test: &self.test,
            further: &[],
            watched: self.watched.as_ref(),
            transforms: &self.transforms,
            mix: self.mix.as_ref(),
            features: self.features.as_ref(),
            outside: Outside { base: folder, originals: folder, sets: folder, online: &[], mix: None },
            recipe: self.recipe,
            trial_key: self.key,
            folder,
            workers: self.workers,
            clock: self.clock,
            checkpoints: self.checkpoints,
            stop,
            save: self.save,
        })
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
