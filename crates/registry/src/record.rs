//! What a run folder says, as plain data: header, state folded from the events, end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::RegistryError;
use super::id::RunId;
use augtrial_base::digest::Digest;
use augtrial_base::events::{Cost, EpochMetrics, Prediction, RunEvent, Split, TestResult};
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::Protocol;

/// Version of a run folder's files; a newer one is refused, unknown fields of the same one are ignored. Since 2, `done.json`
/// holds the digests of the record's files.
pub const RECORD_FORMAT: u32 = 2;
/// The first version whose closed records are sealed.
pub(super) const SEALED_SINCE: u32 = 2;

/// `header.json`: which attempt at which trial this is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`RECORD_FORMAT`] at the time of writing.
    pub format: u32,
    pub run: RunId,
    pub study: String,
    pub arm: String,
    pub role: Role,
    pub seed: u64,
    /// Counted from 1 within the trial key.
    pub attempt: u32,
    /// Digest of everything that decides the result. Equal keys are attempts at the same trial.
    pub trial_key: Digest,
    /// Digest of the plan in `plan.toml`.
    pub plan: Digest,
    pub sets: SetDigests,
    pub protocol: Protocol,
    /// Whether the images are rendered, not photographs.
    pub synthetic: bool,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// Digests of the data that a run sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetDigests {
    pub manifest: Digest,
    pub split: Digest,
    pub training: Digest,
    pub validation: Digest,
    pub test: Digest,
}

/// What the events so far add up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// Number of recorded events.
    pub events: u64,
    pub training_samples: Option<u64>,
    pub updates_per_epoch: Option<u64>,
    pub total_updates: Option<u64>,
    pub total_epochs: Option<u32>,
    /// The last epoch that validation was measured after; 0 before the first.
    pub epochs: u32,
    /// The last epoch whose state is on disk; 0 before the first.
    pub checkpoint_epoch: u32,
    pub selected_epoch: Option<u32>,
    /// Of the selected epoch.
    pub validation_top1: Option<f64>,
    /// How often the test split was opened: 1, or more if a run was interrupted while it read it.
    pub test_openings: u32,
    pub test: Option<TestResult>,
    /// Of the further evaluation sets, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub evaluations: BTreeMap<String, TestResult>,
    pub cost: Option<Cost>,
    /// Times that the attempt was resumed.
    pub resumes: u32,
    /// Wall time of all recorded epochs, all parts.
    pub elapsed_secs: f64,
    /// When the attempt ended well, RFC 3339.
    pub finished_at: Option<String>,
    /// Digest of the final weights.
    pub weights: Option<Digest>,
}

impl RunState {
    /// The state after `events`.
    #[must_use]
    pub fn after(events: &[RunEvent]) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Moves on by one event.
    pub fn apply(&mut self, event: &RunEvent) {
        self.events += 1;
        match event {
            RunEvent::Started { .. } | RunEvent::FeaturesComputed { .. } | RunEvent::Failed { .. } => {}
            RunEvent::Resumed { .. } => self.resumes += 1,
            RunEvent::Prepared { training_samples, updates_per_epoch, total_updates, total_epochs } => {
                self.training_samples = Some(*training_samples);
                self.updates_per_epoch = Some(*updates_per_epoch);
                self.total_updates = Some(*total_updates);
                self.total_epochs = Some(*total_epochs);
            }
            RunEvent::Epoch { metrics } => {
                self.elapsed_secs += metrics.elapsed_secs;
                if metrics.split == Split::Validation {
                    self.epochs = metrics.epoch;
                }
            }
            RunEvent::Checkpointed { epoch } => self.checkpoint_epoch = *epoch,
            RunEvent::Selected { epoch, validation_top1 } => {
                self.selected_epoch = Some(*epoch);
                self.validation_top1 = Some(*validation_top1);
            }
            RunEvent::TestOpened { .. } => self.test_openings += 1,
            RunEvent::Tested { result } => self.test = Some(result.clone()),
            RunEvent::Evaluated { name, result } => {
                self.evaluations.insert(name.clone(), result.clone());
            }
            RunEvent::Cost { cost } => self.cost = Some(cost.clone()),
            RunEvent::Finished { at, weights } => {
                self.finished_at = Some(at.clone());
                self.weights = Some(*weights);
            }
        }
    }
}

/// Whether an event still holds after the attempt went back to its checkpoint of `epoch`.
///
/// What will be made again goes. What happened stays: above all that the test split was opened.
#[must_use]
pub(super) fn survives_resume(event: &RunEvent, epoch: u32) -> bool {
    match event {
        RunEvent::Epoch { metrics } => metrics.epoch <= epoch,
        RunEvent::Checkpointed { epoch: at } => *at <= epoch,
        RunEvent::Selected { .. }
        | RunEvent::Tested { .. }
        | RunEvent::Evaluated { .. }
        | RunEvent::Cost { .. }
        | RunEvent::Finished { .. } => false,
        RunEvent::Started { .. }
        | RunEvent::Resumed { .. }
        | RunEvent::Prepared { .. }
        | RunEvent::FeaturesComputed { .. }
        | RunEvent::TestOpened { .. }
        | RunEvent::Failed { .. } => true,
    }
}

/// Refuses what JSON cannot hold: it would be written as `null` and could never be read again.
pub(super) fn check_finite(event: &RunEvent) -> Result<(), RegistryError> {
    let finite = match event {
        RunEvent::Epoch { metrics: EpochMetrics { loss_nats, top1, learning_rate, elapsed_secs, .. } } => {
            [loss_nats, top1, learning_rate, elapsed_secs].into_iter().all(|value| value.is_finite())
        }
        RunEvent::Selected { validation_top1, .. } => validation_top1.is_finite(),
        RunEvent::Tested { result } | RunEvent::Evaluated { result, .. } => {
            result.loss_nats.is_finite() && result.top1.is_finite()
        }
        _ => true,
    };
    if finite { Ok(()) } else { Err(RegistryError::NotFinite { event: format!("{event:?}") }) }
}

/// The same for predictions.
pub(super) fn check_finite_predictions(predictions: &[Prediction]) -> Result<(), RegistryError> {
    match predictions.iter().find(|prediction| prediction.probabilities.iter().any(|p| !p.is_finite())) {
        None => Ok(()),
        Some(prediction) => Err(RegistryError::NotFinite { event: format!("{prediction:?}") }),
    }
}

/// `done.json`: its presence, not any word in it, says that the attempt is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "status")]
pub enum Done {
    Finished { at: String, summary: RunState },
    Failed { at: String, reason: String, summary: RunState },
}

impl Done {
    /// When the attempt ended, RFC 3339.
    #[must_use]
    pub fn at(&self) -> &str {
        match self {
            Self::Finished { at, .. } | Self::Failed { at, .. } => at,
        }
    }
}

/// Where an attempt stands. Computed whenever asked, never stored: a stored `running` outlives a killed process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "status")]
pub enum Status {
    /// `done.json` says so.
    Finished,
    /// `done.json` says so.
    Failed { reason: String },
    /// A live process holds the lock.
    Running,
    /// Neither over nor held by anybody: it was stopped or killed, and is continued by the next `augtrial run`.
    Interrupted,
}

impl Status {
    /// One lower-case word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed { .. } => "failed",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<&Done> for Status {
    fn from(done: &Done) -> Self {
        match done {
            Done::Finished { .. } => Self::Finished,
            Done::Failed { reason, .. } => Self::Failed { reason: reason.clone() },
        }
    }
}
