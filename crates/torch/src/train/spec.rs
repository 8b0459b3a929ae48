//! What training makes of a trial's specification: batches and an evaluator.

use std::sync::Arc;

use augtrial_trial::TrialSpec;
use tch::Device;

use super::batches::TrainingBatches;
use super::device::loaders;
use super::evaluate::Evaluator;
use super::made::TrainingFeatures;

/// Batches of images, or of the features that stand for them.
pub fn batches<'a>(spec: &TrialSpec<'a>, features: Option<Arc<TrainingFeatures>>) -> TrainingBatches<'a> {
    TrainingBatches { timetable: spec.timetable(), features, ..images(spec) }
}

/// Batches of images alone.
pub fn images<'a>(spec: &TrialSpec<'a>) -> TrainingBatches<'a> {
    TrainingBatches {
        set: spec.training,
        timetable: spec.image_timetable(),
        input: spec.input,
        normalization: spec.normalization(),
        classes: spec.classes,
        transforms: spec.transforms,
        mix: spec.mix,
        study_seed: spec.study_seed,
        seed: spec.seed,
        recipe: spec.recipe,
        features: None,
    }
}

/// How the trial evaluates, on `device`.
pub fn evaluator(spec: &TrialSpec<'_>, device: Device) -> Evaluator {
    Evaluator {
        input: spec.input,
        normalization: spec.normalization(),
        eval_resize_px: spec.classifier.input.eval_resize_px,
        precision: spec.classifier.precision,
        classes: spec.classes,
        workers: loaders(device, spec.workers),
        device,
    }
}
