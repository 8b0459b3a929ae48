//! Training one classifier on one training set with one seed: deterministic, resumable, observed.

mod aten;
mod batches;
mod checkpoint;
mod cost;
mod device;
mod error;
mod evaluate;
mod features;
mod folded;
mod freeze;
mod init;
mod metrics;
mod optimiser;
mod prefetch;
mod preprocess;
mod pretrained;
mod resnet;
mod rule;
mod saving;
mod schedule;
mod spec;
mod state;
mod timetable;
mod trial;

#[cfg(test)]
mod tests;

pub use batches::{BatchMix, SampleTransform, SoftBatch, Unchanged};
pub use checkpoint::{FILE_NAME as CHECKPOINT_FILE_NAME, WEIGHTS_FILE_NAME, keep_weights_only};
pub use device::{Setup, resolve_device, set_threads, use_threads};
pub use error::TrainError;
pub use preprocess::InputSize;
pub use rule::{CheckpointRule, ParseRuleError};
pub use spec::TrialSpec;
pub use trial::{TrialOutcome, run_trial};
