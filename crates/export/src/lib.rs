//! What is recorded, in the forms that other tools read: one file per target.

mod error;
mod mlflow;
mod series;
mod tables;
mod tensorboard;
mod tfevents;

pub use error::ExportError;
pub use mlflow::{Synced, export_mlflow};
pub use tables::{ParseTableError, TableFormat, TableKind, write_table};
pub use tensorboard::export_tensorboard;
