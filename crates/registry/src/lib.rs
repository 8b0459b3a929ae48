//! The record of every run: folders are the record, `SQLite` is the index.
//!
//! [`RunFolders`] writes the record of a run while it goes on, and nothing else: workers need no more. [`Registry`] reads, and
//! keeps the index: one process leads a study and tells it which folders say something new.
//!
//! ```no_run
//! # fn main() -> Result<(), augtrial_registry::RegistryError> {
//! use augtrial_base::clock::Clock;
//! use augtrial_registry::{Filter, Registry};
//!
//! let registry = Registry::open("runs".as_ref(), Clock::System)?;
//! for run in registry.list(&Filter::default())? {
//!     println!("{} is {}", run.run, run.status.name());
//! }
//! # Ok(())
//! # }
//! ```

mod archive;
mod diff;
mod error;
mod files;
mod folder;
mod holder;
mod id;
mod index;
mod provenance;
mod read;
mod record;
mod registry;
mod seal;
mod standing;
mod study;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod write;
#[cfg(test)]
mod writers;

pub use archive::{Exported, Imported};
pub use diff::{Difference, MetricPair, RunDiff};
pub use error::RegistryError;
pub use holder::Holder;
pub use id::{ParseRunIdError, RunId};
pub use index::list::{Filter, ParseStatusError, RunSummary, SetAside, StatusKind, TrialState};
pub use index::names::FoundStudy;
pub use index::query::QueryLimits;
pub use index::table::{IndexValue, Table};
pub use provenance::{ExperimentSource, GitState, Making, Provenance, host_name as this_host};
pub use read::{Classified, RunRecord, StudyRecords, StudySummary};
pub use record::{Done, Header, RECORD_FORMAT, RunState, SetDigests, Status};
pub use registry::Registry;
pub use standing::Standing;
pub use study::KeptPlan;
/// After so long, a run that is still held is held by a process that lives.
pub const CLAIM_PATIENCE: std::time::Duration =
    std::time::Duration::from_secs(2 * augtrial_base::disk::SILENCE.as_secs());
pub use write::{BeginRun, RunFolders, RunGuard};
