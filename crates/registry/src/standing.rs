//! Where a trial stands: one rule over its attempts, and one set of words for it.

use std::fmt;

use serde::Serialize;

use super::id::RunId;
use super::record::Status;

/// Where a trial stands, by all attempts at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "standing")]
pub enum Standing {
    /// It was never run.
    #[default]
    Planned,
    /// Its newest attempt was interrupted, and can be resumed.
    Interrupted { run: RunId },
    /// A process is training it.
    Running { run: RunId },
    /// Its newest attempt failed; it is tried again only if that is asked for.
    Failed { run: RunId, reason: String },
    /// It has a result: that of the attempt that finished first.
    Finished { run: RunId },
}

/// One attempt at a trial.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub run: RunId,
    /// Counted from 1.
    pub number: u32,
    pub status: Status,
    /// Whether it is the one that finished first.
    pub counts: bool,
}

impl Standing {
    /// The rule: a result counts before anything else, then a process at work, then the newest attempt.
    pub(super) fn of(attempts: impl IntoIterator<Item = Attempt>) -> Self {
        let rank = |attempt: &Attempt| (attempt.counts, attempt.status == Status::Running, attempt.number);
        let of_unfinished = |attempt: &Attempt| attempt.counts || attempt.status != Status::Finished;
        let decisive = attempts.into_iter().filter(of_unfinished).max_by_key(rank);
        decisive.map_or(Self::Planned, |Attempt { run, status, .. }| match status {
            Status::Finished => Self::Finished { run },
            Status::Running => Self::Running { run },
            Status::Interrupted => Self::Interrupted { run },
            Status::Failed { reason } => Self::Failed { run, reason },
        })
    }

    /// One lower-case word: `planned`, `interrupted`, `running`, `failed` or `finished`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Interrupted { .. } => "interrupted",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
            Self::Finished { .. } => "finished",
        }
    }

    /// The attempt that decides it.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Planned => None,
            Self::Interrupted { run } | Self::Running { run } | Self::Failed { run, .. } | Self::Finished { run } => {
                Some(*run)
            }
        }
    }

    /// Whether a study has something to do for the trial without being asked to try again.
    #[must_use]
    pub fn is_left(&self) -> bool {
        matches!(self, Self::Planned | Self::Interrupted { .. })
    }
}

/// The standing as a fragment of a sentence.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned => f.write_str("not run yet"),
            Self::Interrupted { .. } => f.write_str("interrupted; the next run continues it"),
            Self::Running { .. } => f.write_str("running now"),
            Self::Failed { reason, .. } => write!(f, "failed: {reason}"),
            Self::Finished { run } => write!(f, "run {run} has finished"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(attempts: &[(Status, bool)]) -> (&'static str, Option<u64>) {
        let attempts = attempts.iter().zip(1_u32..).map(|((status, counts), number)| Attempt {
            run: format!("{number:016x}").parse().unwrap(),
            number,
            status: status.clone(),
            counts: *counts,
        });
        let standing = Standing::of(attempts);
        (standing.word(), standing.run().map(|run| u64::from_str_radix(&run.to_string(), 16).unwrap()))
    }

    #[test]
    fn a_result_comes_first_then_who_is_at_work_then_the_newest_attempt() {
        let failed = || (Status::Failed { reason: "memory".to_owned() }, false);
        let (lost, running) = ((Status::Interrupted, false), (Status::Running, false));
        assert_eq!(standing(&[]), ("planned", None));
        assert_eq!(standing(&[failed(), lost.clone()]), ("interrupted", Some(2)));
        assert_eq!(standing(&[lost.clone(), failed()]), ("failed", Some(2)));
        assert_eq!(standing(&[running.clone(), failed()]), ("running", Some(1)));
        let finished = |counts| (Status::Finished, counts);
        assert_eq!(standing(&[failed(), finished(true), finished(false), running]), ("finished", Some(2)));
        assert_eq!(standing(&[lost, finished(false)]).0, "interrupted", "what does not count decides nothing");
    }
}
