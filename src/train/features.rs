//! Training the head alone on the features of a trunk that is fixed.
//!
//! What a frozen trunk makes of an image never changes, so it is the folded network of evaluation, whatever the head is
//! trained on. Where training images do not change either, their features are computed once, in a table; those of the
//! validation part always are. Table and trunk give the same rows; on the CPU, to the bit, for batches of equal size.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tch::{Device, TchError, Tensor};

use super::batches::StagedBatch;
use super::checkpoint::Progress;
use super::error::TrainError;
use super::evaluate::{Evaluation, host_rows};
use super::folded::FoldedResNet;
use super::prefetch::prefetch;
use super::resnet::ResNet;
use super::spec::TrialSpec;
use crate::events::RunEvent;

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

    /// Number of samples, `N`.
    #[must_use]
    pub(super) fn samples(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }
}

/// A trunk that is fixed, and what was computed with it once.
#[derive(Debug)]
pub(super) struct FixedTrunk {
    network: FoldedResNet,
    /// Absent where training images change from pass to pass.
    pub(super) training: Option<Arc<FeatureTable>>,
    validation: FeatureTable,
}

impl FixedTrunk {
    /// The trunk of `network`, with tables of the validation part and, if they are fixed, of the training images.
    ///
    /// # Errors
    /// [`TrainError::Interrupted`] at `progress` when `spec.stop` is set, or whatever LibTorch reports.
    pub(super) fn new(
        spec: &TrialSpec<'_>,
        network: &ResNet,
        device: Device,
        progress: &Progress,
    ) -> Result<Self, TrainError> {
        let Progress { epochs, updates, .. } = *progress;
        let stopped = || spec.stop.load(Ordering::Relaxed);
        let go_on = || if stopped() { Err(TrainError::Interrupted { epochs, updates }) } else { Ok(()) };
        let network = network.folded(spec.classifier.precision)?;
        let validation = spec.evaluator(device).features(&network, spec.validation, go_on)?;
        let mut training = None;
        if spec.has_fixed_images() {
            let mut table = FeatureTable::default();
            let batches = spec.batches(None);
            prefetch(
                0..spec.timetable().updates_per_pass(),
                spec.workers,
                || batches.stager_in_order(device),
                |_, batch: Result<StagedBatch, TchError>| {
                    go_on()?;
                    let (images, _) = batch?.upload(device)?;
                    table.push(&tch::no_grad(|| network.features(&images))?)?;
                    Ok::<_, TrainError>(())
                },
            )?;
            training = Some(Arc::new(table));
        }
        Ok(Self { network, training, validation })
    }

    /// What was computed, for the record.
    pub(super) fn event(&self) -> RunEvent {
        RunEvent::FeaturesComputed {
            training_images: self.training.as_ref().map_or(0, |table| table.samples() as u64),
            validation_images: self.validation.samples() as u64,
        }
    }

    /// Features `[N, F]`, f32, of images `[N, 3, H, W]`; of features, themselves.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn features(&self, inputs: &Tensor) -> Result<Tensor, TchError> {
        if inputs.dim() == 2 { Ok(inputs.shallow_clone()) } else { tch::no_grad(|| self.network.features(inputs)) }
    }

    /// The validation part, judged by `network`'s head.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn validate(
        &self,
        spec: &TrialSpec<'_>,
        network: &ResNet,
        device: Device,
    ) -> Result<Evaluation, TrainError> {
        let head = network.folded_head(spec.classifier.precision)?;
        spec.evaluator(device).evaluate_features(&head, &self.validation, spec.validation)
    }
}
