//! What can go wrong in a study as a whole.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::QualityError;
use super::given::GivenError;
use crate::places::BatchError;
use augtrial_audit::SurveyError;
use augtrial_augment::store::StoreError;
use augtrial_base::digest::Digest;
use augtrial_data::cache::CacheError;
use augtrial_data::ingest::IngestError;
use augtrial_data::published::MixError;
use augtrial_data::sets::SetError;
use augtrial_data::split::SplitError;
use augtrial_plan::PlanError;
use augtrial_plan::networks::NetworkFileError;
use augtrial_registry::RegistryError;
use augtrial_report::ReportError;
use augtrial_synth::RenderError;

/// An error of a study. The arm or file that it concerns is named.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("there is no arm named `{name}`: {help}")]
    UnknownArm { name: String, help: String },
    #[error("there is no image `{name}`: {help}")]
    UnknownImage { name: String, help: String },
    #[error("arm `{arm}`: {problem}")]
    Arm { arm: String, problem: String },
    #[error("cannot render the synthetic data set")]
    Render(#[from] RenderError),
    #[error("cannot read the data set")]
    Ingest(#[from] IngestError),
    #[error("cannot read the evaluation set `{name}`")]
    Evaluation { name: String, source: Box<IngestError> },
    #[error("cannot read the extra images of arm `{arm}`")]
    Extra { arm: String, source: Box<IngestError> },
    #[error("evaluation set `{name}` has no image that the data set does not have: name another folder")]
    EvaluationEmpty { name: String },
    #[error("cannot divide the data set")]
    Split(#[from] SplitError),
    #[error("cannot audit the data set")]
    Audit(#[from] SurveyError),
    #[error(
        "{} no longer fits the data set: {problem}. Look again with `augtrial audit`, then correct or remove the decision",
        if *others == 0 { format!("the decision {place}") } else { format!("the decision {place}, with {others} more,") }
    )]
    StaleDecision { place: String, problem: String, others: usize },
    #[error(transparent)]
    Quality(#[from] super::QualityError),
    #[error("arm `{arm}`: cannot use the editor")]
    Editor { arm: String, source: augtrial_augment::edit::EditError },
    #[error("arm `{arm}`: cannot use the edits")]
    Edits { arm: String, source: augtrial_augment::edit::FolderError },
    #[error("cannot make the set of arm `{arm}`")]
    Store { arm: String, source: StoreError },
    #[error("cannot decode the images")]
    Cache(#[from] CacheError),
    #[error("cannot assemble the training set of arm `{arm}`")]
    Set { arm: String, source: SetError },
    #[error("cannot divide the images of arm `{arm}`")]
    Mix { arm: String, source: MixError },
    #[error(transparent)]
    Network(#[from] NetworkFileError),
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "the pretrained weights {} have the SHA-256 {found} instead of the plan's {pinned}: it is another file, or it was \
         damaged; bring the file that was meant, or change `weights_digest`",
        path.display()
    )]
    PinnedWeights { path: PathBuf, found: Digest, pinned: String },
    #[error(transparent)]
    Given(#[from] GivenError),
    #[error("the registry failed")]
    Registry(#[from] RegistryError),
    #[error("cannot write the report")]
    Report(#[from] ReportError),
    #[error("study `{study}` has no record under this plan: run it first with `augtrial run`")]
    NotRun { study: String },
    #[error(
        "nothing can be chosen for arm `{arm}`: {problem}. Run the study again; --retry-failed tries failed trials again"
    )]
    NoTry { arm: String, problem: String },
    #[error("no label can be doubted: {problem}")]
    NoLabels { problem: String },
    #[error("the features of {name} cannot be compared")]
    Features { name: String, source: augtrial_audit::FeatureError },
    #[error("the networks that `{study}` asks are not there: {problem}. `augtrial run` trains them before the study")]
    NotFitted { study: String, problem: String },
    #[error(
        "looks must be declared before results can be seen, and some could be without these looks: {how}. Leave [sequential] as it was, or \
         ask with seeds that nobody has run"
    )]
    LooksTooLate { how: String },
    #[error("the place `{place}` runs no study with looks: `augtrial run` goes from look to look")]
    LooksElsewhere { place: String },
    #[error("run {run} {problem}; only what has finished can be replayed")]
    NotReplayable { run: String, problem: String },
    #[error("cannot remove {}", path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error(
        "run {run} was trained by the command `{command}`, whose bits augtrial cannot promise: a replay could not be graded; \
         `augtrial run` with other seeds, or with `--runs` of another folder, trains anew"
    )]
    NoReplayOfCommand { run: String, command: String },
    #[error("the replay was interrupted; it leaves nothing behind and begins anew when it is asked for again")]
    ReplayInterrupted,
    #[error("cannot make a scratch folder in {}", path.display())]
    Scratch { path: PathBuf, source: io::Error },
    #[error("interrupted; run the same command again to continue where it stopped")]
    Interrupted,
    #[error(transparent)]
    Train(#[from] augtrial_trial::TrainError),
    #[error("this process cannot train: it was built without LibTorch")]
    NoEngine,
    #[error(transparent)]
    Kernels(#[from] augtrial_trial::kernels::KernelsError),
    #[error("the path {} is not UTF-8, and the processes that train are told paths as text: rename it", path.display())]
    PathNotText { path: PathBuf },
    #[error("cannot start a worker process")]
    StartWorker(#[source] io::Error),
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(
        "nothing is called unneeded, since the batch {} cannot be read and may need it: restore it, use the augtrial that made it, \
         or remove the folder once none of its tasks is queued or at work",
        folder.display()
    )]
    UnreadableBatch { folder: PathBuf, source: Box<Self> },
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
            Self::Plan(_)
            | Self::UnknownArm { .. }
            | Self::UnknownImage { .. }
            | Self::Quality(
                QualityError::AsPublished { .. } | QualityError::NotHeldOut | QualityError::NoNetworks { .. },
            )
            | Self::Arm { .. }
            | Self::NotRun { .. }
            | Self::NoTry { .. }
            | Self::NotFitted { .. }
            | Self::NoLabels { .. }
            | Self::LooksTooLate { .. }
            | Self::LooksElsewhere { .. }
            | Self::PathNotText { .. }
            | Self::NotReplayable { .. }
            | Self::NoReplayOfCommand { .. }
            | Self::Kernels(_)
            | Self::Given(
                GivenError::NoColumn { .. }
                | GivenError::Unknown { .. }
                | GivenError::WhichMetric { .. }
                | GivenError::UnknownMetric { .. }
                | GivenError::WhichControl { .. }
                | GivenError::NoSuchArm { .. },
            ) => Fault::Experiment,
            Self::Render(_)
            | Self::Given(_)
            | Self::Quality(_)
            | Self::Ingest(_)
            | Self::Evaluation { .. }
            | Self::Extra { .. }
            | Self::EvaluationEmpty { .. }
            | Self::Split(_)
            | Self::Audit(_)
            | Self::Features { .. }
            | Self::StaleDecision { .. }
            | Self::Store { .. }
            | Self::Cache(_)
            | Self::Set { .. }
            | Self::Mix { .. }
            | Self::Read { .. }
            | Self::PinnedWeights { .. }
            | Self::Network(_)
            | Self::Editor { .. }
            | Self::Edits { .. }
            | Self::Report(ReportError::NoReport { .. }) => Fault::Data,
            Self::Registry(_) | Self::UnreadableBatch { .. } => Fault::Registry,
            Self::Interrupted | Self::ReplayInterrupted => Fault::Interrupted,
            Self::Report(_)
            | Self::StartWorker(_)
            | Self::Train(_)
            | Self::Scratch { .. }
            | Self::Write { .. }
            | Self::Remove { .. }
            | Self::NoEngine => Fault::Internal,
            Self::Batch(error) => error.fault(),
            Self::Worker { fault, .. } => *fault,
        }
    }
}
