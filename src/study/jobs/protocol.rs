//! What the leading process and a worker say to one another: one JSON value a line. The end of its orders tells a worker to
//! stop at the next resumable point, so that workers follow a leader that dies.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::manifest::Manifest;
use crate::digest::Digest;
use crate::progress::Shown;
use crate::study::error::Fault;
use crate::study::trials::Ended;
use crate::train::CheckpointRule;

/// To a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first order: which study this is.
    Begin(Box<Assignment>),
    /// Make what is missing of the sets of this arm.
    Set { arm: String },
    /// Run a trial, or what is left of it.
    Trial { arm: String, seed: u64, label: String },
    /// Save the state of the trial under way, and go on. Heard at once, whatever else is being done.
    Save,
}

/// Everything about a study that a worker must know, as its leader knows it: what changes on disk meanwhile, changes
/// nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Assignment {
    pub plan_toml: String,
    /// Of the leader's plan; the worker's must be the same.
    pub plan: Digest,
    /// The folder that the plan's relative paths start from.
    pub base: PathBuf,
    pub manifest: Manifest,
    pub runs: PathBuf,
    pub jobs: u32,
    pub threads: u32,
    pub never_resume: bool,
    pub retry_failed: bool,
    pub checkpoints: CheckpointRule,
    /// The leader's, for provenance.
    pub command_line: Vec<String>,
    pub experiment: Option<PathBuf>,
    pub overrides: Vec<String>,
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
