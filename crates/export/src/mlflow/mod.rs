//! MLflow through its REST API: a study is an experiment, an attempt a run.

mod client;
#[cfg(test)]
mod fake;
mod payload;
mod sync;

pub use sync::{Synced, export_mlflow};
