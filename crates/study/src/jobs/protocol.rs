//! What the leading process and a worker say to one another: one JSON value a line. The end of its orders tells a worker to
//! stop at the next resumable point, so that workers follow a leader that dies.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::data::Beside;
use crate::error::Fault;
use crate::trials::Ended;
use augtrial_base::digest::Digest;
use augtrial_base::progress::Shown;
use augtrial_data::manifest::Manifest;
use augtrial_plan::{Override, Plan};
use augtrial_registry::RunId;
use augtrial_trial::CheckpointRule;

/// To a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first order: which study this is.
    Begin(Box<Assignment>),
    /// Make what is missing of the sets of this arm, as the trials of this seed need them.
    Set { arm: String, seed: u64 },
    /// Run a trial, or what is left of it.
    Trial { arm: String, seed: u64, label: String },
    /// Save the state of the trial under way, and go on. Heard at once, whatever else is being done.
    Save,
}

/// Everything about a study that a worker must know, as its leader knows it: a snapshot, so that later changes on disk cannot
/// affect the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    pub plan_toml: String,
    /// Of the leader's plan; the worker's must be the same.
    pub plan: Digest,
    /// The folder that the plan's relative paths start from.
    pub base: PathBuf,
    pub manifest: Manifest,
    /// What was read beside the data set.
    pub beside: Beside,
    pub runs: PathBuf,
    /// Names of the arms that were asked for; empty: all.
    pub arms: Vec<String>,
    pub jobs: u32,
    pub threads: u32,
    pub never_resume: bool,
    pub retry_failed: bool,
    pub checkpoints: CheckpointRule,
    /// The leader's, for provenance.
    pub command_line: Vec<String>,
    pub experiment: Option<PathBuf>,
    pub overrides: Vec<Override>,
}

impl Assignment {
    /// The same for a process that is started in another folder.
    ///
    /// # Errors
    /// If this process's folder cannot be found.
    pub fn absolute(self) -> io::Result<Self> {
        let here =
            |path: PathBuf| std::path::absolute(if path.as_os_str().is_empty() { PathBuf::from(".") } else { path });
        let experiment = self.experiment.map(here).transpose()?;
        Ok(Self { base: here(self.base)?, runs: here(self.runs)?, experiment, ..self })
    }

    /// The leader's plan, as this program reads it.
    ///
    /// # Errors
    /// If it reads it otherwise than the leader.
    pub fn plan(&self) -> Result<Plan, StudyError> {
        let plan = Plan::parse("the leader's plan", &self.plan_toml, self.base.clone(), &[])?;
        if plan.digest() == self.plan {
            return Ok(plan);
        }
        let problem = "the worker reads the plan otherwise than its leader: they are different programs".to_owned();
        Err(StudyError::Worker { problem, fault: Fault::Internal })
    }
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Progress.
    Shown(Shown),
    /// The arm's sets are there; seconds that making each took, unless it was there.
    SetMade {
        generation_secs: Vec<Option<f64>>,
    },
    /// The folder of this run says something new: it began, was taken up, or ended.
    Recorded(RunId),
    TrialEnded(Ended),
    /// Stopped at a resumable point, because it was told to.
    Interrupted,
    /// The study cannot go on; the worker has ended.
    Broken {
        problem: String,
        fault: Fault,
    },
}

/// Writes one line.
pub fn send(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    to.write_all(line.as_bytes())?;
    to.flush()
}
