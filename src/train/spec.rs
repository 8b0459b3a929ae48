//! Everything that a trial is given, and the checks before it begins.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::batches::{BatchMix, SampleTransform, TrainingBatches};
use super::error::TrainError;
use super::evaluate::Evaluator;
use super::features::FeatureTable;
use super::preprocess::InputSize;
use super::rule::CheckpointRule;
use super::timetable::Timetable;
use crate::clock::Clock;
use crate::data::samples::{EvaluationSet, Sample, TrainingSet};
use crate::digest::Digest;
use crate::events::Split;
use crate::plan::classifier::{Budget, Classifier};
use crate::seed::StudySeed;

/// By how much the network shrinks an image before the global pooling (five halvings, rounded up).
const NETWORK_STRIDE_PX: u32 = 32;

/// One trial: an arm with a seed.
pub struct TrialSpec<'a> {
    pub study_seed: StudySeed,
    /// The trial's seed, the same for every arm.
    pub seed: u64,
    pub classifier: &'a Classifier,
    /// Number of classes.
    pub classes: usize,
    pub input: InputSize,
    /// Safetensors file with torchvision's names; `Classifier::pretrained`, resolved.
    pub pretrained: Option<&'a Path>,
    pub training: &'a TrainingSet,
    pub validation: &'a EvaluationSet,
    pub test: &'a EvaluationSet,
    /// Online transforms of every training sample.
    pub transforms: &'a dyn SampleTransform,
    /// Mixing of every training batch, if the recipe has any.
    pub mix: Option<&'a dyn BatchMix>,
    /// Digest of the recipe, the name of its random streams.
    pub recipe: Digest,
    /// Digest of everything that decides the result: a checkpoint with another key is refused.
    pub trial_key: Digest,
    /// Where the checkpoint is kept.
    pub folder: &'a Path,
    /// Threads that prepare batches beside the training; the result does not depend on their number.
    pub workers: usize,
    pub clock: Clock,
    /// When the state is saved on its own; the result does not depend on it.
    pub checkpoints: CheckpointRule,
    /// Set to stop after the current update, with a checkpoint.
    pub stop: &'a AtomicBool,
    /// Set to save the state after the current update and go on; taken back when it is done.
    pub save: &'a AtomicBool,
}

impl<'a> TrialSpec<'a> {
    /// Refuses what could only fail later.
    ///
    /// # Errors
    /// The first problem found.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let parts = [
            (Split::Train, self.training.samples()),
            (self.validation.split(), self.validation.samples()),
            (self.test.split(), self.test.samples()),
        ];
        for (split, samples) in parts {
            check_samples(split, samples, self.classes)?;
        }
        let batch_size = self.classifier.batch_size as usize;
        if batch_size == 0 || matches!(self.classifier.budget, Budget::Epochs(0) | Budget::Updates(0)) {
            return Err(TrainError::NoBudget);
        }
        let InputSize { width_px, height_px } = self.input;
        let samples = self.training.samples().len();
        // With one value per channel, the batch's variance is zero and its unbiased estimate is not defined.
        if samples % batch_size == 1 % batch_size && width_px.max(height_px) <= NETWORK_STRIDE_PX {
            return Err(TrainError::LoneSample { samples, width_px, height_px });
        }
        let evaluator = self.evaluator(tch::Device::Cpu);
        evaluator.fit(self.validation)?;
        evaluator.fit(self.test)?;
        Ok(())
    }

    pub(super) fn timetable(&self) -> Timetable {
        let (samples, originals) = (self.training.samples().len(), self.training.originals());
        Timetable::new(self.classifier.budget, self.classifier.batch_size, samples, originals)
    }

    /// Whether every pass shows the network the same images.
    pub(super) fn has_fixed_images(&self) -> bool {
        self.transforms.changes_nothing() && self.mix.is_none()
    }

    /// Batches of images, or of the features that stand for them.
    pub(super) fn batches(&self, features: Option<Arc<FeatureTable>>) -> TrainingBatches<'a> {
        TrainingBatches {
            set: self.training,
            timetable: self.timetable(),
            input: self.input,
            classes: self.classes,
            transforms: self.transforms,
            mix: self.mix,
            study_seed: self.study_seed,
            seed: self.seed,
            recipe: self.recipe,
            features,
        }
    }

    pub(super) fn evaluator(&self, device: tch::Device) -> Evaluator {
        Evaluator {
            input: self.input,
            eval_resize_px: self.classifier.input.eval_resize_px,
            precision: self.classifier.precision,
            classes: self.classes,
            workers: self.workers,
            device,
        }
    }
}

fn check_samples(split: Split, samples: &[Sample], classes: usize) -> Result<(), TrainError> {
    if samples.is_empty() {
        return Err(TrainError::EmptySet { split });
    }
    match samples.iter().find(|sample| sample.label as usize >= classes) {
        None => Ok(()),
        Some(Sample { path, label, .. }) => {
            Err(TrainError::Label { split, path: path.clone(), label: *label, classes })
        }
    }
}
