//! What can go wrong in a study as a whole.

use std::io;
use std::path::PathBuf;

use crate::augment::store::StoreError;
use crate::data::cache::CacheError;
use crate::data::ingest::IngestError;
use crate::data::published::MixError;
use crate::data::render::RenderError;
use crate::data::sets::SetError;
use crate::data::split::SplitError;
use crate::plan::PlanError;
use crate::registry::RegistryError;
use crate::report::ReportError;

/// An error of a study. The arm or file that it concerns is named.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("there is no arm named `{name}`: {help}")]
    UnknownArm { name: String, help: String },
    #[error("arm `{arm}`: {problem}")]
    Arm { arm: String, problem: String },
    #[error("cannot render the synthetic data set")]
    Render(#[from] RenderError),
    #[error("cannot read the data set")]
    Ingest(#[from] IngestError),
    #[error("cannot divide the data set")]
    Split(#[from] SplitError),
    #[cfg(feature = "torch")]
    #[error("arm `{arm}`: cannot use the editor")]
    Editor { arm: String, source: crate::diffusion::EditError },
    #[cfg(feature = "torch")]
    #[error("arm `{arm}`: cannot use the edits")]
    Edits { arm: String, source: crate::augment::edit::FolderError },
    #[error("cannot make the set of arm `{arm}`")]
    Store { arm: String, source: StoreError },
    #[error("cannot decode the images")]
    Cache(#[from] CacheError),
    #[error("cannot assemble the training set of arm `{arm}`")]
    Set { arm: String, source: SetError },
    #[error("cannot divide the images of arm `{arm}`")]
    Mix { arm: String, source: MixError },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the registry failed")]
    Registry(#[from] RegistryError),
    #[error("cannot write the report")]
    Report(#[from] ReportError),
    #[error("study `{study}` has no record under this plan: run it first with `augtrial run`")]
    NotRun { study: String },
    #[cfg(feature = "torch")]
    #[error("run {run} {problem}; only what has finished can be replayed")]
    NotReplayable { run: String, problem: String },
    #[cfg(feature = "torch")]
    #[error("the replay was interrupted; it leaves nothing behind and begins anew when it is asked for again")]
    ReplayInterrupted,
    #[cfg(feature = "torch")]
    #[error("cannot make a scratch folder in {}", path.display())]
    Scratch { path: PathBuf, source: io::Error },
    #[error("interrupted; run the same command again to continue where it stopped")]
    Interrupted,
    #[cfg(feature = "torch")]
    #[error("cannot set up training")]
    Train(#[from] crate::train::TrainError),
}
