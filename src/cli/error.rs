//! What can go wrong in a command, and the exit code it ends with.

use std::io;
use std::path::PathBuf;

use augtrial_base::words::plural;
use augtrial_data::fetch::FetchError;
use augtrial_data::ingest::IngestError;
use augtrial_export::ExportError;
use augtrial_plan::PlanError;
use augtrial_registry::RegistryError;
use augtrial_serve::ServeError;
use augtrial_study::{Fault, StudyError};
use augtrial_synth::RenderError;

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("cannot read the experiment file {}: it is not there; {help}", path.display())]
    NoExperiment { path: PathBuf, help: String },
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
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("cannot write down the audit")]
    Audit(#[from] augtrial_audit::WriteError),
    #[error("cannot write down the quality of the sets")]
    Quality(#[from] augtrial_quality::WriteError),
    #[error("{0}")]
    BadData(String),
    #[error("cannot render the synthetic data set")]
    Render(#[from] RenderError),
    #[error("cannot use the editor")]
    Editor(#[from] augtrial_augment::edit::EditError),
    #[error("cannot use the model bundle")]
    Bundle(#[from] augtrial_augment::edit::BundleError),
    #[error(transparent)]
    Weights(#[from] augtrial_weights::WeightsError),
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
    #[error("{} is well-formed, and would fail: {} named above", file.display(), plural(*fails, "thing"))]
    Foreseen { file: PathBuf, fails: usize },
    #[error("interrupted: the answer is written without {}; `augtrial report` draws what is missing", plural(*figures, "figure"))]
    ReportInterrupted { figures: usize },
    #[error("the records of {} are not what they were when the runs ended", plural(*damaged, "run"))]
    RecordsDiffer { damaged: usize },
    #[error("the replay of run {run} differs from its record, first {place}, in: {quantity}")]
    ReplayDiffers { run: String, place: String, quantity: &'static str },
    #[error(
        "training and editing need LibTorch, and {} does not exist: build it with `make build`, or with the feature `torch`",
        path.display()
    )]
    NoTorch { path: PathBuf },
    #[error(
        "training and editing need LibTorch {version}, which is not installed with the programs in {}: install it into the same \
         environment by `pip install 'torch=={version}.*'`",
        beside.display()
    )]
    NoLibTorch { beside: PathBuf, version: String },
    #[error(
        "{} is LibTorch {found}, and this build of augtrial runs with {wanted} only, since the C++ interface differs between \
         versions: install the other one by `pip install 'torch=={wanted}.*'`, or build augtrial against yours",
        folder.display()
    )]
    OtherLibTorch { folder: PathBuf, found: String, wanted: String },
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
    /// The error for a terminal: the lines of an experiment file in colors, everything else as it is.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Plan(PlanError::Invalid(found)) => format!("the experiment file has errors\n{}", found.styled()),
            other => other.to_string(),
        }
    }

    /// 1 internal, 2 experiment file or arguments, 3 data, 4 some trials failed or were interrupted, 5 registry, 6 a replay differs.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_)
            | Self::NoExperiment { .. }
            | Self::Arguments(_)
            | Self::Fetch(FetchError::Unknown { .. } | FetchError::Recipe(_))
            | Self::Export(ExportError::Uri { .. } | ExportError::Tls { .. }) => EXPERIMENT,
            Self::Study(error) => study_code(error),
            Self::Data(_)
            | Self::Fetch(_)
            | Self::Audit(_)
            | Self::Quality(_)
            | Self::Foreseen { .. }
            | Self::BadData(_)
            | Self::Render(_)
            | Self::Picture { .. }
            | Self::ReportDiffers { .. }
            | Self::RecordsDiffer { .. }
            | Self::Editor(_)
            | Self::Bundle(_)
            | Self::Weights(_) => DATA,
            Self::Registry(error) | Self::Export(ExportError::Registry(error)) => registry_code(error),
            Self::ReplayDiffers { .. } => DIFFERENT,
            Self::TrialsFailed { .. } | Self::NoPicture { .. } | Self::ReportInterrupted { .. } => TRIALS,
            Self::NoTorch { .. }
            | Self::NoLibTorch { .. }
            | Self::OtherLibTorch { .. }
            | Self::Export(_)
            | Self::Serve(_)
            | Self::Write { .. }
            | Self::Output(_)
            | Self::System { .. } => INTERNAL,
        }
    }
}

/// A name that means nothing is an argument's fault, not the registry's.
fn registry_code(error: &RegistryError) -> u8 {
    match error {
        RegistryError::UnknownRun { .. }
        | RegistryError::AmbiguousRun { .. }
        | RegistryError::UnknownStudy { .. }
        | RegistryError::AmbiguousPlan { .. }
        | RegistryError::InTheWay { .. }
        | RegistryError::EmptyQuery => EXPERIMENT,
        _ => REGISTRY,
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
