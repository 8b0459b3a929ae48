//! What can go wrong in a study as a whole.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    #[error("cannot start a worker process")]
    StartWorker(#[source] io::Error),
    /// What a worker process met, with its causes.
    #[error("{problem}")]
    Worker { problem: String, fault: Fault },
}

/// Where to look for the cause of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The experiment file, or the arguments.
    Experiment,
    /// The data set, or files that the experiment names.
    Data,
    /// The registry.
    Registry,
    /// Nowhere: it was asked to stop.
    Interrupted,
    /// The program, or the machine.
    Internal,
}

impl StudyError {
    /// Where to look for the cause.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Plan(_) | Self::UnknownArm { .. } | Self::Arm { .. } | Self::NotRun { .. } => Fault::Experiment,
            Self::Render(_)
            | Self::Ingest(_)
            | Self::Split(_)
            | Self::Store { .. }
            | Self::Cache(_)
            | Self::Set { .. }
            | Self::Mix { .. }
            | Self::Read { .. }
            | Self::Report(ReportError::NoReport { .. }) => Fault::Data,
            #[cfg(feature = "torch")]
            Self::Editor { .. } | Self::Edits { .. } => Fault::Data,
            Self::Registry(_) => Fault::Registry,
            Self::Interrupted => Fault::Interrupted,
            Self::Report(_) | Self::StartWorker(_) => Fault::Internal,
            #[cfg(feature = "torch")]
            Self::Train(_) | Self::Scratch { .. } => Fault::Internal,
            #[cfg(feature = "torch")]
            Self::NotReplayable { .. } => Fault::Experiment,
            #[cfg(feature = "torch")]
            Self::ReplayInterrupted => Fault::Interrupted,
            Self::Worker { fault, .. } => *fault,
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
