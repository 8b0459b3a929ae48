//! Everything that a trial is given, and the checks before it begins.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::preprocess::{Fit, InputSize, Normalization};
use crate::timetable::Timetable;
use crate::{CheckpointRule, TrainError};
use augtrial_augment::{Mixer, Pipeline};
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_base::seed::StudySeed;
use augtrial_data::samples::{EvaluationSet, FurtherSet, Sample, TrainingSet};
use augtrial_plan::classifier::{Budget, Classifier};
use augtrial_plan::networks::{Network, NetworkFile};
use augtrial_plan::transform::{Features, Mix, Transform};

/// What only a trainer outside this process needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    /// The experiment file's folder, where the command runs.
    pub base: &'a Path,
    /// Where the paths of originals start from.
    pub originals: &'a Path,
    /// Where the paths of derived images start from.
    pub sets: &'a Path,
    /// The online transforms behind [`TrialSpec::transforms`], as declared.
    pub online: &'a [Transform],
    /// The mixing behind [`TrialSpec::mix`], as declared.
    pub mix: Option<&'a Mix>,
}

/// One trial: an arm with a seed.
pub struct TrialSpec<'a> {
    pub study_seed: StudySeed,
    /// The trial's seed, the same for every arm.
    pub seed: u64,
    pub classifier: &'a Classifier,
    /// Number of classes.
    pub classes: usize,
    pub input: InputSize,
    /// The network, if it comes from a file; `Classifier::network`, opened.
    pub network: Option<&'a NetworkFile>,
    /// Safetensors file with the network's names; `Classifier::pretrained`, resolved.
    pub pretrained: Option<&'a Path>,
    pub training: &'a TrainingSet,
    pub validation: &'a EvaluationSet,
    pub test: &'a EvaluationSet,
    /// Evaluated after the test split, with the same weights.
    pub further: &'a [FurtherSet],
    /// Training images that are looked at after every epoch, to see when each is learned; decides nothing of the result.
    pub watched: Option<&'a EvaluationSet>,
    /// Online transforms of every training sample.
    pub transforms: &'a Pipeline,
    /// Mixing of every training batch, if the recipe has any.
    pub mix: Option<&'a Mixer>,
    /// Samples made of features, if the recipe has any.
    pub features: Option<&'a Features>,
    pub outside: Outside<'a>,
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

impl TrialSpec<'_> {
    /// Refuses what could only fail later.
    ///
    /// # Errors
    /// The first problem found.
    pub fn check(&self) -> Result<(), TrainError> {
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
        if self.classifier.command.is_some() {
            return Ok(()); // how it batches and fits images is its own affair
        }
        let InputSize { width_px, height_px } = self.input;
        let samples = self.training_samples();
        // With one value per channel, the batch's variance is zero and its unbiased estimate is not defined.
        let lone_image_px = match self.network {
            Some(file) => file.traits().lone_image_px,
            None => self.row().stride_px,
        };
        if samples % batch_size == 1 % batch_size && width_px.max(height_px) <= lone_image_px {
            return Err(TrainError::LoneSample { samples, width_px, height_px });
        }
        self.fit(self.validation)?;
        self.fit(self.test)?;
        if let Some(set) = self.watched {
            check_samples(Split::Train, set.samples(), self.classes)?;
            self.fit(set)?;
        }
        for FurtherSet { set, .. } in self.further {
            check_samples(set.split(), set.samples(), self.classes)?;
            self.fit(set)?;
        }
        Ok(())
    }

    /// The row of the network, which comes from the table.
    ///
    /// # Panics
    /// If it comes from a file.
    #[must_use]
    pub fn row(&self) -> &'static Network {
        self.classifier.row().expect("a network that is not from a file is from the table")
    }

    /// What the network's input is normalized by.
    #[must_use]
    pub fn normalization(&self) -> Normalization {
        self.network.map_or_else(|| self.row().normalization, NetworkFile::normalization)
    }

    /// Which batch each update uses.
    #[must_use]
    pub fn timetable(&self) -> Timetable {
        self.timetable_of(self.training_samples())
    }

    /// The same for the images alone, without samples that are made of their features.
    #[must_use]
    pub fn image_timetable(&self) -> Timetable {
        self.timetable_of(self.training.samples().len())
    }

    fn timetable_of(&self, samples: usize) -> Timetable {
        Timetable::new(self.classifier.budget, self.classifier.batch_size, samples, self.training.originals())
    }

    /// Samples of a pass: images, and what is added to them in feature space.
    #[must_use]
    pub fn training_samples(&self) -> usize {
        let added = |features: &Features| features.total_added(&self.training.class_counts(self.classes));
        self.training.samples().len() + self.features.map_or(0, added)
    }

    /// Whether every pass shows the network the same images.
    #[must_use]
    pub fn has_fixed_images(&self) -> bool {
        self.transforms.is_empty() && self.mix.is_none() && self.training.stand_ins().is_none()
    }

    /// How images of `set` are fitted to the input.
    ///
    /// # Errors
    /// [`TrainError::CropBeyondImage`].
    pub fn fit(&self, set: &EvaluationSet) -> Result<Fit, TrainError> {
        let stored = InputSize { width_px: set.pixels().width_px(), height_px: set.pixels().height_px() };
        Fit::for_evaluation(stored, self.classifier.input.eval_resize_px, self.input)
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
