//! How long a study may take, and how much disk: from past runs on this registry where there are any.

use std::time::Duration;

use crate::plan::Plan;
use crate::plan::classifier::{Architecture, Budget};
use crate::registry::{Filter, Registry, RegistryError, StatusKind};

/// Multiply-adds of one forward pass of a 224 x 224 image, in 1e9 (He et al. 2016, table 1).
fn forward_gmacs(architecture: Architecture) -> f64 {
    match architecture {
        Architecture::Resnet18 => 1.8,
        Architecture::Resnet34 => 3.6,
        Architecture::Resnet50 => 4.1,
    }
}

/// A training step is a forward pass and two passes of its size backward.
const PASSES_PER_STEP: f64 = 3.0;
/// Two operations a multiply-add.
const OPERATIONS_PER_MAC: f64 = 2.0;
/// What one thread of a current CPU was measured to sustain in this work, in 1e9 operations a second.
const GFLOPS_PER_THREAD: f64 = 75.0;
/// Size of a photo-like PNG against its raw pixels.
const PNG_SHARE: f64 = 0.75;

/// Where an estimate comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    /// Finished runs of the same study, so many.
    PastRuns(usize),
    /// The network's operations and a typical rate: right within a factor of a few.
    Operations,
}

/// Training samples of one trial, epochs and updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) epochs: u64,
    pub(super) updates: u64,
    pub(super) samples: u64,
}

/// What the budget means for an arm of `images` training images, of which `originals` are distinct originals.
pub(super) fn work(plan: &Plan, images: u64, originals: u64) -> Work {
    let batch = u64::from(plan.classifier.batch_size);
    let per_pass = images.div_ceil(batch).max(1);
    match plan.classifier.budget {
        Budget::Epochs(epochs) => {
            let epochs = u64::from(epochs);
            Work { epochs, updates: epochs * per_pass, samples: epochs * images }
        }
        Budget::Updates(updates) => {
            let period = originals.div_ceil(batch).max(1);
            let samples = updates / per_pass * images + (updates % per_pass) * batch;
            Work { epochs: updates.div_ceil(period), updates, samples }
        }
    }
}

/// Seconds that `samples` of training may take.
pub(super) fn training_time(
    plan: &Plan,
    registry: &Registry,
    samples: u64,
    (width_px, height_px): (u32, u32),
) -> Result<(Duration, Basis), RegistryError> {
    let filter = Filter {
        study: Some(plan.study.name.clone()),
        status: Some(StatusKind::Finished),
        limit: Some(20),
        ..Filter::default()
    };
    let past = registry.list(&filter)?;
    let mut seen = (0.0, 0.0);
    for run in &past {
        let events = registry.events(run.run)?;
        for event in events {
            if let crate::events::RunEvent::Epoch { metrics } = event {
                let trained = if metrics.split == crate::events::Split::Train { metrics.samples as f64 } else { 0.0 };
                seen = (seen.0 + trained, seen.1 + metrics.elapsed_secs);
            }
        }
    }
    if seen.0 > 0.0 && seen.1 > 0.0 {
        return Ok((Duration::from_secs_f64(samples as f64 * seen.1 / seen.0), Basis::PastRuns(past.len())));
    }
    let area = f64::from(width_px) * f64::from(height_px) / (224.0 * 224.0);
    let operations = forward_gmacs(plan.classifier.architecture) * OPERATIONS_PER_MAC * PASSES_PER_STEP * area;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let threads = f64::from(plan.classifier.threads.unwrap_or(cores).min(cores));
    Ok((Duration::from_secs_f64(samples as f64 * operations / (GFLOPS_PER_THREAD * threads)), Basis::Operations))
}

/// Bytes of decoded pixels of `images`, and of the PNG files of those that are derived.
pub(super) fn disk_bytes(plan: &Plan, originals: u64, derived: u64) -> u64 {
    let raw = u64::from(plan.ingest.width_px) * u64::from(plan.ingest.height_px) * 3;
    raw * (originals + derived) + (raw as f64 * PNG_SHARE) as u64 * derived
}
