//! The record of every run: folders are the record, `SQLite` is the index.

mod diff;
mod error;
mod files;
mod folder;
mod id;
mod index;
mod look;
mod lookup;
mod names;
mod provenance;
mod query;
mod record;
mod recorder;
mod rows;
mod store;
mod study;
mod summary;
mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod writers;

pub use diff::{Difference, MetricPair, RunDiff};
pub use error::RegistryError;
pub(crate) use files::replace_file;
pub use id::{ParseRunIdError, RunId};
pub use lookup::{Classified, FoundStudy};
pub use provenance::{ExperimentSource, GitState, Making, Provenance, host_name as this_host};
pub use record::{Done, Header, RECORD_FORMAT, RunState, SetDigests, Status};
pub use recorder::RunGuard;
pub use store::{BeginRun, Registry};
pub use study::{RunRecord, StudyRecords, StudySummary};
pub use summary::{Filter, ParseStatusError, RunSummary, StatusKind, TrialState, runs_table};
pub use table::{Cell, Table};
