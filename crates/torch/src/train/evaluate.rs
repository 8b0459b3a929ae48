//! Validation and test: scores of a whole set, turned into loss, Top-1 and probabilities in f64 on the host.

use tch::{Device, Kind, TchError, Tensor};

use super::batches::{HostBatch, Targets, first_of_largest, moved, pinned};
use super::failure::Failure;
use super::features::FeatureTable;
use super::prefetch::prefetch;
use crate::networks::{Folded, FoldedHead, Network};
use augtrial_base::events::{Prediction, TestResult};
use augtrial_data::cache::CacheError;
use augtrial_data::samples::EvaluationSet;
use augtrial_plan::classifier::Precision;
use augtrial_trial::TrainError;
use augtrial_trial::preprocess::{Fit, InputSize, Normalization, Preprocessor};

/// Pixels evaluated at once, about: large batches of small images, and of large ones so few that the network soon has
/// something to do and the next batch is made meanwhile.
const BATCH_PIXELS: usize = 32 * 224 * 224;
/// Images evaluated at once, at most.
const LARGEST_BATCH: usize = 128;

/// How evaluation images reach the network.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator {
    pub input: InputSize,
    pub normalization: Normalization,
    /// See `Input::eval_resize_px`.
    pub eval_resize_px: Option<u32>,
    pub precision: Precision,
    pub classes: usize,
    pub workers: usize,
    pub device: Device,
}

/// What a network made of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy per sample, without label smoothing.
    pub loss_nats: f64,
    /// Share of samples whose highest score is the label; of equal scores the first class counts.
    pub top1: f64,
    /// Per sample, in the set's order.
    pub verdicts: Vec<ImageScores>,
}

/// What a network made of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageScores {
    /// The class of the highest score; of equals, the first.
    pub predicted: u32,
    /// Softmax of the scores, one per class.
    pub probabilities: Vec<f32>,
    /// Minus the log-probability of the label.
    pub loss_nats: f64,
}

impl Evaluation {
    /// The result without the single images.
    pub fn result(&self) -> TestResult {
        TestResult { loss_nats: self.loss_nats, top1: self.top1, samples: self.verdicts.len() as u64 }
    }
}

impl Evaluator {
    /// How images of `set` are fitted to the input.
    ///
    /// # Errors
    /// [`TrainError::CropBeyondImage`].
    pub fn fit(&self, set: &EvaluationSet) -> Result<Fit, TrainError> {
        let stored = InputSize { width_px: set.pixels().width_px(), height_px: set.pixels().height_px() };
        Fit::for_evaluation(stored, self.eval_resize_px, self.input)
    }

    /// Images evaluated at once: of the input's size alone, so that no result depends on the batch size of training.
    fn batch_size(&self) -> usize {
        (BATCH_PIXELS / (self.input.width_px as usize * self.input.height_px as usize)).clamp(1, LARGEST_BATCH)
    }

    /// Evaluates `network`, which is left as it was, on every sample of `set`.
    ///
    /// # Errors
    /// [`TrainError::CropBeyondImage`], or whatever LibTorch reports.
    pub fn evaluate(&self, network: &dyn Network, set: &EvaluationSet) -> Result<Evaluation, Failure> {
        let network = network.folded(self.precision)?;
        let mut scores = Vec::with_capacity(set.samples().len() * self.classes);
        self.visit(set, |images| {
            scores.extend(host_rows(&tch::no_grad(|| network.forward(images))?)?);
            Ok(())
        })?;
        Ok(self.judged(set, &scores))
    }

    /// The features of every sample of `set`, in batches of [`evaluate`](Self::evaluate).
    ///
    /// # Errors
    /// [`TrainError::CropBeyondImage`], whatever LibTorch reports, or what `go_on` says before every batch.
    pub fn features(
        &self,
        network: &dyn Folded,
        set: &EvaluationSet,
        go_on: impl Fn() -> Result<(), Failure>,
    ) -> Result<FeatureTable, Failure> {
        let mut table = FeatureTable::default();
        self.visit(set, |images| {
            go_on()?;
            table.push(&tch::no_grad(|| network.features(images))?)?;
            Ok(())
        })?;
        Ok(table)
    }

    /// As [`evaluate`](Self::evaluate), to the bit, from the features of `set`.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn evaluate_features(
        &self,
        head: &dyn FoldedHead,
        features: &FeatureTable,
        set: &EvaluationSet,
    ) -> Result<Evaluation, Failure> {
        let samples = features.samples();
        let mut scores = Vec::with_capacity(samples * self.classes);
        let batch_size = self.batch_size();
        for start in (0..samples).step_by(batch_size) {
            let rows = features.rows(start..samples.min(start + batch_size))?.f_to_device(self.device)?;
            scores.extend(host_rows(&tch::no_grad(|| head.scores(&rows))?)?);
        }
        Ok(self.judged(set, &scores))
    }

    /// Shows every batch of images `[N, 3, H, W]`, in the set's order.
    fn visit(&self, set: &EvaluationSet, mut see: impl FnMut(&Tensor) -> Result<(), Failure>) -> Result<(), Failure> {
        let fit = self.fit(set)?;
        prefetch(
            0..set.samples().len().div_ceil(self.batch_size()) as u64,
            self.workers,
            || {
                let mut assemble = self.assembler(set, fit);
                move |number| Ok(pinned(&assemble(number)?.images()?, self.device)?)
            },
            |_, images: Result<Tensor, Failure>| see(&moved(&images?, self.device)?),
        )
    }

    /// What scores, one row for each sample, say of `set`.
    fn judged(&self, set: &EvaluationSet, scores: &[f32]) -> Evaluation {
        let samples = set.samples();
        let rows = scores.chunks_exact(self.classes).zip(samples);
        let verdicts: Vec<ImageScores> = rows.map(|(row, sample)| verdict(row, sample.label as usize)).collect();
        let correct =
            verdicts.iter().zip(samples).filter(|(verdict, sample)| verdict.predicted == sample.label).count();
        let loss_nats: f64 = verdicts.iter().map(|verdict| verdict.loss_nats).sum();
        let count = samples.len() as f64;
        Evaluation { loss_nats: loss_nats / count, top1: correct as f64 / count, verdicts }
    }

    fn assembler<'a>(
        &self,
        set: &'a EvaluationSet,
        fit: Fit,
    ) -> impl FnMut(u64) -> Result<HostBatch, CacheError> + Send + 'a {
        let (input, batch_size) = (self.input, self.batch_size());
        let mut preprocessor = Preprocessor::new(fit, self.normalization);
        move |number| {
            let store = set.pixels();
            let stored = InputSize { width_px: store.width_px(), height_px: store.height_px() };
            let samples = set.samples().chunks(batch_size).nth(number as usize).expect("a batch of the set");
            let mut pixels = vec![0.0; samples.len() * input.values()];
            for (sample, place) in samples.iter().zip(pixels.chunks_exact_mut(input.values())) {
                preprocessor.write(stored, &store.rgb(sample.pixels)?, place);
            }
            let labels = samples.iter().map(|sample| i64::from(sample.label)).collect();
            Ok(HostBatch { size: input, pixels, targets: Targets::Labels(labels), hidden: None })
        }
    }
}

/// Scores `[N, classes]` as one row after the other.
///
/// # Errors
/// Whatever LibTorch reports.
pub fn host_rows(scores: &Tensor) -> Result<Vec<f32>, TchError> {
    let scores = scores.detach().f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut rows = vec![0.0; scores.numel()];
    scores.f_copy_data(&mut rows, scores.numel())?;
    Ok(rows)
}

/// Softmax and cross-entropy of one row of scores, in f64.
fn verdict(scores: &[f32], label: usize) -> ImageScores {
    let highest = scores.iter().copied().map(f64::from).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|&score| (f64::from(score) - highest).exp()).sum();
    // log p = s - max - log sum exp(s - max)
    let log_probability = |score: f32| f64::from(score) - highest - total.ln();
    ImageScores {
        predicted: first_of_largest(scores) as u32,
        probabilities: scores.iter().map(|&score| log_probability(score).exp() as f32).collect(),
        loss_nats: -log_probability(scores[label]),
    }
}

/// Joins verdicts with the samples that they are about.
#[must_use]
pub fn predictions(set: &EvaluationSet, verdicts: Vec<ImageScores>) -> Vec<Prediction> {
    let joined = set.samples().iter().zip(verdicts).map(|(sample, verdict)| Prediction {
        image: sample.image,
        path: sample.path.clone(),
        derived: sample.derived,
        label: sample.label,
        predicted: verdict.predicted,
        probabilities: verdict.probabilities,
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_loss_are_those_of_the_softmax() {
        let verdict = verdict(&[1.0, 3.0, 2.0], 2);
        let total = 1.0_f64.exp() + 2.0_f64.exp() + 3.0_f64.exp();
        assert_eq!(verdict.predicted, 1);
        assert!((verdict.loss_nats - (total.ln() - 2.0)).abs() < 1e-15);
        assert!((f64::from(verdict.probabilities[0]) - 1.0_f64.exp() / total).abs() < 1e-8);
    }

    #[test]
    fn extreme_scores_do_not_overflow() {
        let verdict = verdict(&[3e4, -3e4], 1);
        assert_eq!((verdict.probabilities, verdict.loss_nats), (vec![1.0, 0.0], 6e4));
    }

    #[test]
    fn of_equal_scores_the_first_class_is_predicted() {
        assert_eq!(verdict(&[0.0, 2.0, 2.0], 2).predicted, 1);
    }
}
