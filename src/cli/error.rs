//! What can go wrong in a command, and the exit code it ends with.

use std::io;
use std::path::PathBuf;

use crate::data::ingest::IngestError;
use crate::data::render::RenderError;
use crate::export::ExportError;
use crate::plan::PlanError;
use crate::registry::RegistryError;
use crate::serve::ServeError;
use crate::study::{Fault, StudyError};

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{0}")]
    Arguments(String),
    #[error(transparent)]
    Study(#[from] StudyError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("cannot read the data set")]
    Data(#[from] IngestError),
    #[error("{0}")]
    BadData(String),
    #[error("cannot render the synthetic data set")]
    Render(#[from] RenderError),
    #[cfg(feature = "torch")]
    #[error("cannot use the editor")]
    Editor(#[from] crate::diffusion::EditError),
    #[cfg(feature = "torch")]
    #[error("cannot use the model bundle")]
    Bundle(#[from] crate::diffusion::BundleError),
    #[error("cannot use the picture {}: {reason}", path.display())]
    Picture { path: PathBuf, reason: String },
    #[error("{failed} of {asked} edits gave no picture")]
    NoPicture { failed: usize, asked: usize },
    #[error("{failed} of {planned} trials have no result; the report says which and why")]
    TrialsFailed { failed: usize, planned: usize },
    #[error(
        "the report in {} is not what the registry gives: {differing} files differ, {missing} are missing, {extra} are extra; \
         `augtrial report` writes it again",
        folder.display()
    )]
    ReportDiffers { folder: PathBuf, differing: usize, missing: usize, extra: usize },
    #[error("the replay of run {run} differs from its record, first {place}, in: {quantity}")]
    ReplayDiffers { run: String, place: String, quantity: &'static str },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    #[error("cannot {action}")]
    System { action: &'static str, source: io::Error },
}

const INTERNAL: u8 = 1;
const EXPERIMENT: u8 = 2;
const DATA: u8 = 3;
const TRIALS: u8 = 4;
const REGISTRY: u8 = 5;
const DIFFERENT: u8 = 6;

impl CliError {
    /// 1 internal, 2 experiment file or arguments, 3 data, 4 some trials failed or were interrupted, 5 registry, 6 a replay differs.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) | Self::Arguments(_) | Self::Export(ExportError::Uri { .. } | ExportError::Tls { .. }) => {
                EXPERIMENT
            }
            Self::Study(error) => study_code(error),
            Self::Data(_) | Self::BadData(_) | Self::Render(_) | Self::Picture { .. } | Self::ReportDiffers { .. } => {
                DATA
            }
            Self::Registry(_) | Self::Export(ExportError::Registry(_)) => REGISTRY,
            #[cfg(feature = "torch")]
            Self::Editor(_) | Self::Bundle(_) => DATA,
            Self::ReplayDiffers { .. } => DIFFERENT,
            Self::TrialsFailed { .. } | Self::NoPicture { .. } => TRIALS,
            Self::Export(_) | Self::Serve(_) | Self::Write { .. } | Self::Output(_) | Self::System { .. } => INTERNAL,
        }
    }
}

fn study_code(error: &StudyError) -> u8 {
    match error.fault() {
        Fault::Experiment => EXPERIMENT,
        Fault::Data => DATA,
        Fault::Registry => REGISTRY,
        Fault::Interrupted => TRIALS,
        Fault::Internal => INTERNAL,
    }
}
