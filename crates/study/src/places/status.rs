//! Where the trials of a submitted study are: what the run folders say, joined with what the queue says.
//!
//! Folders decide. A queue that does not answer makes a trial *unknown* and never failed or missing.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::batch::{Batch, BatchError, Stage};
use super::{Answer, place};
use crate::StudyError;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_registry::{RunFolders, Standing};

/// Where a task is in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InQueue {
    Waiting,
    Running,
    /// It waits for a person to release it; with the queue's word for it.
    Held(String),
}

/// Where a trial is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialStatus {
    Finished,
    Running,
    /// Its task waits in the queue, or is about to begin with it.
    Queued,
    /// Its task waits in the queue until somebody releases it.
    Held(String),
    /// It has failed, and why.
    Failed(String),
    /// It has no result, and nobody is going to make one.
    Missing,
    /// The queue did not answer.
    Unknown,
}

impl TrialStatus {
    /// Folders first; the queue only tells apart what the folders cannot.
    fn of(standing: &Standing, queue: Result<Option<&InQueue>, ()>) -> Self {
        match (standing, queue) {
            (Standing::Finished { .. }, _) => Self::Finished,
            (Standing::Running { .. }, _) => Self::Running,
            (Standing::Failed { reason, .. }, Ok(None) | Err(())) => Self::Failed(reason.clone()),
            (_, Ok(Some(InQueue::Waiting | InQueue::Running))) => Self::Queued,
            (_, Ok(Some(InQueue::Held(word)))) => Self::Held(word.clone()),
            (Standing::Planned | Standing::Interrupted { .. }, Ok(None)) => Self::Missing,
            (Standing::Planned | Standing::Interrupted { .. }, Err(())) => Self::Unknown,
        }
    }

    /// One word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Held(_) => "held",
            Self::Failed(_) => "failed",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// One trial of a submitted study.
#[derive(Clone, Debug)]
pub struct TrialRow {
    pub arm: String,
    pub seed: u64,
    pub key: Digest,
    pub standing: Standing,
    pub status: TrialStatus,
    /// Token and number of the task that has it.
    pub batch: String,
    pub task: usize,
}

/// Where a submitted study is.
#[derive(Clone, Debug)]
pub struct StudyStatus {
    /// The newest last.
    pub batches: Vec<Batch>,
    /// Tasks that make sets and have not ended.
    pub sets_in_work: usize,
    pub trials: Vec<TrialRow>,
    /// Why a queue did not answer.
    pub silent: Vec<String>,
}

impl StudyStatus {
    /// Trials with this status.
    #[must_use]
    pub fn count(&self, word: &str) -> usize {
        self.trials.iter().filter(|trial| trial.status.word() == word).count()
    }

    /// # Errors
    /// If a queue did not answer: what is missing is not known then.
    pub(super) fn check_heard(&self) -> Result<(), BatchError> {
        match self.silent.first() {
            None => Ok(()),
            Some(reason) => {
                let place = self.batches.last().map_or_else(String::new, |batch| batch.place.clone());
                Err(BatchError::Silent { place, reason: reason.clone() })
            }
        }
    }
}

/// Where every trial is of these batches, which stand in the order of their making.
///
/// # Errors
/// Whatever reading batches or run folders gives. A queue that does not answer is no error.
pub fn status(batches: Vec<Batch>, clock: Clock) -> Result<StudyStatus, StudyError> {
    let mut found = StudyStatus { batches, sets_in_work: 0, trials: Vec::new(), silent: Vec::new() };
    let mut rows: BTreeMap<Digest, TrialRow> = BTreeMap::new();
    let mut order = Vec::new();
    for batch in &found.batches {
        let place = place(&batch.place).map_err(BatchError::Place)?;
        let answer = if batch.was_submitted() { place.ask(batch) } else { Ok(Answer::new()) };
        if let Err(reason) = &answer {
            found.silent.push(reason.clone());
        }
        let sets = |(stage, _): &&(Stage, usize)| *stage == Stage::Sets;
        found.sets_in_work += answer.as_ref().map_or(0, |answer| answer.keys().filter(sets).count());
        look_anew(&batch.runs);
        let folders = RunFolders::open(&batch.runs, clock)?;
        for (task, trials) in batch.trial_tasks()?.into_iter().enumerate() {
            let queue = answer.as_ref().map(|answer| answer.get(&(Stage::Trials, task))).map_err(drop);
            for trial in trials.trials {
                let standing = folders.standing(&trial.key)?;
                let status = TrialStatus::of(&standing, queue);
                let (arm, seed, key) = (trial.arm, trial.seed, trial.key);
                let row = TrialRow { arm, seed, key, standing, status, batch: batch.token.clone(), task };
                let earlier = rows.get(&key).map(|row| rank(&row.status));
                if earlier.is_none() {
                    order.push(key);
                }
                // A trial of several batches: whoever still has it in work tells.
                if earlier.is_none_or(|earlier| rank(&row.status) >= earlier) {
                    rows.insert(key, row);
                }
            }
        }
    }
    found.trials = order.iter().filter_map(|key| rows.remove(key)).collect();
    Ok(found)
}

/// Of two batches' words for a trial, the larger is told.
fn rank(status: &TrialStatus) -> u8 {
    match status {
        TrialStatus::Missing => 0,
        TrialStatus::Failed(_) => 1,
        TrialStatus::Unknown => 2,
        TrialStatus::Held(_) => 3,
        TrialStatus::Queued => 4,
        TrialStatus::Running => 5,
        TrialStatus::Finished => 6,
    }
}

/// Reads the list of run folders, so that a network file system does not answer from an older one that a folder is absent.
fn look_anew(runs: &Path) {
    let _ = std::fs::read_dir(runs.join("trials")).map(Iterator::count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_decide_and_a_silent_queue_makes_nothing_missing_or_failed() {
        let run = "00000000000000ff".parse().unwrap();
        let failed = Standing::Failed { run, reason: "memory".to_owned() };
        let (finished, running, lost) =
            (Standing::Finished { run }, Standing::Running { run }, Standing::Interrupted { run });
        let word = |standing: &Standing, queue| TrialStatus::of(standing, queue).word();
        for queue in [Ok(None), Ok(Some(&InQueue::Waiting)), Err(())] {
            assert_eq!(word(&finished, queue), "finished");
            assert_eq!(word(&running, queue), "running");
        }
        assert_eq!(word(&Standing::Planned, Ok(Some(&InQueue::Running))), "queued", "it reads its data");
        assert_eq!(word(&lost, Ok(Some(&InQueue::Waiting))), "queued", "it was preempted");
        assert_eq!(word(&failed, Ok(Some(&InQueue::Waiting))), "queued", "it is tried once more");
        assert_eq!(word(&lost, Ok(None)), "missing");
        assert_eq!(word(&lost, Err(())), "unknown");
        assert_eq!(word(&Standing::Planned, Err(())), "unknown");
        assert_eq!(word(&failed, Err(())), "failed");
        assert_eq!(word(&Standing::Planned, Ok(Some(&InQueue::Held("x".to_owned())))), "held");
    }
}
