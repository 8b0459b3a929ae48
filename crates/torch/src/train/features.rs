//! Training the head alone on the features of a trunk that is fixed.
//!
//! What a frozen trunk makes of an image never changes, so it is the folded network of evaluation, whatever the head is
//! trained on. Where training images do not change either, their features are computed once, in a table; those of the
//! validation part always are. Table and trunk give the same rows; on the CPU, to the bit, for batches of equal size.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tch::{Device, TchError, Tensor};

use super::batches::{Input, moved};
use super::checkpoint::TrialProgress;
use super::device::loaders;
use super::evaluate::{Evaluation, host_rows};
use super::failure::Failure;
use super::made::TrainingFeatures;
use super::prefetch::prefetch;
use super::spec::{evaluator, images};
use crate::networks::{Folded, Network};
use augtrial_base::events::RunEvent;
use augtrial_trial::TrainError;
use augtrial_trial::TrialSpec;

/// Features of every sample of a set, in main memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureTable {
    /// `[N, F]`, in the set's order.
    values: Vec<f32>,
    /// Features of one image, `F`.
    width: usize,
}

impl FeatureTable {
    /// Adds features `[N, F]` of the samples that come next.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn push(&mut self, features: &Tensor) -> Result<(), TchError> {
        self.width = features.size()[1] as usize;
        self.values.extend(host_rows(features)?);
        Ok(())
    }

    /// The features at these positions, `[N, F]`, f32, in main memory.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn rows(&self, positions: impl IntoIterator<Item = usize>) -> Result<Tensor, TchError> {
        let row = |position: usize| &self.values[position * self.width..][..self.width];
        let rows: Vec<f32> = positions.into_iter().flat_map(row).copied().collect();
        Tensor::f_from_slice(&rows)?.f_view([-1, self.width as i64])
    }

    /// The same with the features `[M, F]` of further samples behind it.
    pub(super) fn with_rows(mut self, rows: Vec<f32>) -> Self {
        self.values.extend(rows);
        self
    }

    /// Features of one image, and the features, `[N, F]`.
    pub(super) fn into_rows(self) -> (usize, Vec<f32>) {
        (self.width, self.values)
    }

    /// Number of samples, `N`.
    #[must_use]
    pub(super) fn samples(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }
}

/// A trunk that is fixed, and what was computed with it once.
pub(super) struct FixedTrunk {
    network: Box<dyn Folded>,
    /// Absent where training images change from pass to pass.
    pub(super) training: Option<Arc<TrainingFeatures>>,
    training_images: usize,
    validation: FeatureTable,
}

impl FixedTrunk {
    /// The trunk of `network`, with tables of the validation part and, if they are fixed, of the training images.
    ///
    /// # Errors
    /// [`TrainError::Interrupted`] at `progress` when `spec.stop` is set, or whatever LibTorch reports.
    pub(super) fn new(
        spec: &TrialSpec<'_>,
        network: &dyn Network,
        device: Device,
        progress: &TrialProgress,
    ) -> Result<Self, Failure> {
        let TrialProgress { epochs, updates, .. } = *progress;
        let stopped = || spec.stop.load(Ordering::Relaxed);
        let go_on = || if stopped() { Err(TrainError::Interrupted { epochs, updates }.into()) } else { Ok(()) };
        let network = network.folded(spec.classifier.precision)?;
        let validation = evaluator(spec, device).features(network.as_ref(), spec.validation, go_on)?;
        let (mut training, mut training_images) = (None, 0);
        if spec.has_fixed_images() {
            let mut table = FeatureTable::default();
            let batches = images(spec);
            prefetch(
                0..spec.image_timetable().updates_per_pass(),
                loaders(device, spec.workers),
                || batches.images_in_order(device),
                |_, images: Result<Tensor, Failure>| {
                    go_on()?;
                    let images = moved(&images?, device)?;
                    table.push(&tch::no_grad(|| network.features(&images))?)?;
                    Ok::<_, Failure>(())
                },
            )?;
            training_images = table.samples();
            training = Some(Arc::new(TrainingFeatures::new(table, spec)));
        }
        Ok(Self { network, training, training_images, validation })
    }

    /// What was computed, for the record.
    pub(super) fn event(&self) -> RunEvent {
        RunEvent::FeaturesComputed {
            training_images: self.training_images as u64,
            validation_images: self.validation.samples() as u64,
        }
    }

    /// Features `[N, F]`, f32, of images `[N, 3, H, W]`; of features, themselves.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn features(&self, input: &Input) -> Result<Tensor, TchError> {
        match input {
            Input::Features(features) => Ok(features.shallow_clone()),
            Input::Images(images) => tch::no_grad(|| self.network.features(images)),
        }
    }

    /// The validation part, judged by `network`'s head.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn validate(
        &self,
        spec: &TrialSpec<'_>,
        network: &dyn Network,
        device: Device,
    ) -> Result<Evaluation, Failure> {
        let head = network.folded_head(spec.classifier.precision)?;
        evaluator(spec, device).evaluate_features(head.as_ref(), &self.validation, spec.validation)
    }
}
