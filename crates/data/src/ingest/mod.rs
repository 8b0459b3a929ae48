//! Reading a data set: every file is listed, hashed and decoded once; what cannot be used is left out with the reason.

mod check;
mod csv;
mod error;
mod folder;
mod index;
mod listing;
pub(crate) mod parquet;
mod read;
mod survey;
#[cfg(test)]
mod tests;

pub use error::{FileLine, IngestError, KnownNames};
pub(super) use folder::walk;
pub use read::{OnProgress, ingest, ingest_some};
pub use survey::{Survey, survey};
