//! Training one classifier on one training set with one seed: deterministic, resumable, observed.

pub(crate) mod aten;
mod batches;
mod checkpoint;
mod cost;
mod device;
mod evaluate;
mod failure;
mod features;
mod hidden;
mod init;
mod made;
mod metrics;
mod optimizer;
mod prefetch;
mod pretrained;
mod saving;
mod see;
mod spec;
mod state;
mod trial;

#[cfg(test)]
mod tests;

pub use batches::StagedBatch;
pub use checkpoint::keep_weights;
pub use device::{resolve_device, set_threads, setup_of, use_deterministic_algorithms, use_threads};
pub use pretrained::check_weights;
pub use see::see;
pub use trial::run_trial;
