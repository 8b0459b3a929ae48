//! The folder of a batch, `runs/batches/STUDY/TOKEN/`: what is to be done, by which program, and the scripts that do it. It is
//! meant to be read, and may be edited before it is submitted.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::jobs::Assignment;
use crate::StudyError;
use crate::error::Fault;
use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_plan::Plan;

/// Version of the folder.
const FORMAT: u32 = 1;
/// Where batches are, below the registry's folder.
const BATCHES: &str = "batches";
pub(super) const BATCH: &str = "batch.json";
pub(super) const ASSIGNMENT: &str = "assignment.json";
/// What the submitting script leaves before it asks a queue for anything.
pub(super) const SUBMITTED: &str = "submitted";

/// What was asked of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The queue of the place that takes the tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Time limit of a task, as the place writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Trials that one task runs, one after another; chosen by the place if 0.
    pub trials_per_task: usize,
    /// Tasks at once, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
    /// Whether each task needs a GPU.
    pub gpu: bool,
    /// Hosts, one a line, as the place writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<String>,
    /// More options for the place's own command.
    pub extra: Vec<String>,
}

/// The two lists of tasks: the sets come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Sets,
    Trials,
}

impl Stage {
    /// As scripts call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sets => "sets",
            Self::Trials => "trials",
        }
    }

    /// The list of its tasks.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Sets => "sets.jsonl",
            Self::Trials => "tasks.jsonl",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Sets, Self::Trials]
            .into_iter()
            .find(|stage| stage.name() == text)
            .ok_or_else(|| format!("`{text}` is no stage: expected `sets` or `trials`"))
    }
}

/// A line of `sets.jsonl`: whose sets one task makes. Whoever shares a set stands in one line, so that nobody makes a set
/// twice. Without anybody, the task only decodes the originals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetTask {
    pub of: Vec<SetsOf>,
    pub sets: Vec<Digest>,
}

/// Whose sets they are, by the draw of the data that the trials of a seed rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetsOf {
    /// Absent: the further evaluation sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    pub seed: u64,
}

/// A line of `tasks.jsonl`: trials that one task runs, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TrialTask {
    pub trials: Vec<PlannedTrial>,
}

/// One trial of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedTrial {
    pub arm: String,
    pub seed: u64,
    pub key: Digest,
    pub label: String,
}

/// `batch.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub(super) format: u32,
    /// Names the jobs of this batch in the queue. Ids of jobs are a queue's own, and queues have given one twice.
    pub token: String,
    pub place: String,
    pub study: String,
    pub plan: Digest,
    /// RFC 3339.
    pub made_at: String,
    /// The folder itself.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The program that trains, and the one that collects; absolute.
    pub trainer: PathBuf,
    /// Whether the first works without LibTorch: a command trains, and nothing is edited.
    pub without_torch: bool,
    pub collector: PathBuf,
    pub runs: PathBuf,
    pub reports: PathBuf,
    /// Threads of a task: they decide bits.
    pub threads: u32,
    /// Memory of a task that trains and of one that makes sets, estimated from above. What a command needs is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    pub set_memory_mib: u64,
    /// Variables that a task computes best with, unless they are set; and those that its kernels and its data need, or need unset.
    pub defaults: BTreeMap<String, String>,
    pub pinned: BTreeMap<String, Option<String>>,
    /// Of the experiment file when the batch was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Digest>,
    pub set_tasks: usize,
    pub trial_tasks: usize,
    pub trials: usize,
    pub request: Request,
}

/// A batch cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not what `augtrial submit` writes: submit the study again", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{} has format {found}, this augtrial knows {FORMAT}: use the augtrial that made it", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error("{} has no line {index}: it has {lines}", path.display())]
    NoTask { path: PathBuf, index: usize, lines: usize },
    #[error("the plan has no seed {seed}: was the list of tasks edited?")]
    NoSeed { seed: u64 },
    #[error("nothing was submitted{}: `augtrial submit` does so", study.as_ref().map_or_else(String::new, |study| format!(" of study `{study}`")))]
    Nothing { study: Option<String> },
    #[error("{0}")]
    Place(String),
    #[error(
        "the queue of {place} does not say what it holds: {reason}; ask again when it answers, so that nothing is submitted twice"
    )]
    Silent { place: String, reason: String },
    #[error("{} failed: {reason}; the batch is written, run that script to try again", script.display())]
    Submit { script: PathBuf, reason: String },
    #[error("the sets of arm `{arm}` are not there: the task that makes them failed; see {}", logs.display())]
    NoSets { arm: String, logs: PathBuf },
}

impl BatchError {
    /// Where to look for the cause.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::NoTask { .. } | Self::NoSeed { .. } | Self::Nothing { .. } | Self::Place(_) => Fault::Experiment,
            Self::NoSets { .. } => Fault::Data,
            Self::Io { .. } | Self::Json { .. } | Self::Format { .. } => Fault::Registry,
            Self::Silent { .. } | Self::Submit { .. } => Fault::Internal,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl Batch {
    /// The version that this program writes.
    pub(super) const FORMAT: u32 = FORMAT;

    /// The batch in a folder.
    ///
    /// # Errors
    /// If there is none, or it was made by another version.
    pub fn open(folder: &Path) -> Result<Self, BatchError> {
        let path = folder.join(BATCH);
        let value: serde_json::Value = read_json(&path)?;
        let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0) as u32;
        if found != FORMAT {
            return Err(BatchError::Format { path, found });
        }
        let batch: Self = serde_json::from_value(value).map_err(|source| BatchError::Json { path, source })?;
        let folder = std::path::absolute(folder).map_err(BatchError::io("find", folder))?;
        Ok(Self { folder, ..batch })
    }

    /// Every batch of a study, or of all, the newest last. One that cannot be read is passed over here; it tells why when it
    /// is named.
    ///
    /// # Errors
    /// [`BatchError::Nothing`] if there is none; whatever reading a folder gives.
    pub fn of_study(runs: &Path, study: Option<&str>) -> Result<Vec<Self>, BatchError> {
        let folders = Self::folders(runs, study)?;
        let mut batches: Vec<Self> = folders.iter().filter_map(|folder| Self::open(folder).ok()).collect();
        if batches.is_empty() {
            return Err(BatchError::Nothing { study: study.map(str::to_owned) });
        }
        batches.sort_by(|a, b| (&a.made_at, &a.token).cmp(&(&b.made_at, &b.token)));
        Ok(batches)
    }

    /// The folder of every batch of a study, or of all, sorted.
    ///
    /// # Errors
    /// Whatever reading a folder gives.
    pub(crate) fn folders(runs: &Path, study: Option<&str>) -> Result<Vec<PathBuf>, BatchError> {
        let name = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for of_study in folders(&runs.join(BATCHES))? {
            if study.is_none_or(|study| study == name(&of_study)) {
                found.extend(folders(&of_study)?);
            }
        }
        found.retain(|folder| !name(folder).starts_with(disk::UNFINISHED));
        Ok(found)
    }

    /// The folder of a new batch.
    pub(super) fn place_for(runs: &Path, study: &str, token: &str) -> PathBuf {
        runs.join(BATCHES).join(study).join(token)
    }

    /// The plan as it was submitted.
    ///
    /// # Errors
    /// If the batch cannot be read, or this program reads the plan otherwise.
    pub fn read_plan(&self) -> Result<Plan, StudyError> {
        self.assignment()?.plan()
    }

    pub(crate) fn assignment(&self) -> Result<Assignment, BatchError> {
        read_json(&self.folder.join(ASSIGNMENT))
    }

    pub(super) fn set_task(&self, index: usize) -> Result<SetTask, BatchError> {
        self.task(Stage::Sets, index)
    }

    pub(super) fn trial_task(&self, index: usize) -> Result<TrialTask, BatchError> {
        self.task(Stage::Trials, index)
    }

    fn task<T: DeserializeOwned>(&self, stage: Stage, index: usize) -> Result<T, BatchError> {
        let (path, mut tasks) = (self.folder.join(stage.file()), self.lines(stage)?);
        let lines = tasks.len();
        if index < lines { Ok(tasks.swap_remove(index)) } else { Err(BatchError::NoTask { path, index, lines }) }
    }

    pub(super) fn trial_tasks(&self) -> Result<Vec<TrialTask>, BatchError> {
        self.lines(Stage::Trials)
    }

    pub(crate) fn set_tasks(&self) -> Result<Vec<SetTask>, BatchError> {
        self.lines(Stage::Sets)
    }

    fn lines<T: DeserializeOwned>(&self, stage: Stage) -> Result<Vec<T>, BatchError> {
        let path = self.folder.join(stage.file());
        let text = fs::read_to_string(&path).map_err(BatchError::io("read", &path))?;
        let wrong = |source| BatchError::Json { path: path.clone(), source };
        text.lines().map(|line| serde_json::from_str(line).map_err(wrong)).collect()
    }

    /// Whether its script was ever run. Until then no queue knows of it.
    #[must_use]
    pub fn was_submitted(&self) -> bool {
        self.folder.join(SUBMITTED).exists()
    }

    /// What the queue calls the jobs of a stage.
    #[must_use]
    pub fn job_name(&self, stage: Stage) -> String {
        format!("augtrial-{}-{stage}", self.token)
    }

    /// Where tasks write what they tell.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Number of tasks of a stage.
    pub(super) fn tasks(&self, stage: Stage) -> usize {
        match stage {
            Stage::Sets => self.set_tasks,
            Stage::Trials => self.trial_tasks,
        }
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, BatchError> {
    let bytes = fs::read(path).map_err(BatchError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|source| BatchError::Json { path: path.to_owned(), source })
}

/// The folders in a folder, sorted; none if it is not there.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, BatchError> {
    let mut found = disk::entries(folder).map_err(BatchError::io("read", folder))?;
    found.retain(|path| path.is_dir());
    Ok(found)
}
