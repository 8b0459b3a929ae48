//! What a study runs in: its folders, clock, progress and stop flag; and what is asked of one run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{StudyError, WorkerProgram};
use crate::clock::Clock;
use crate::diagnostic::suggest;
use crate::plan::Plan;
use crate::plan::arm::Arm;
use crate::progress::Progress;
use crate::registry::Registry;

/// The folders of everything that is written.
#[derive(Clone, Debug)]
pub struct Workspace {
    pub runs: PathBuf,
    pub reports: PathBuf,
}

/// What a study runs in.
pub struct Context<'a> {
    pub workspace: &'a Workspace,
    pub progress: &'a Progress,
    pub clock: Clock,
    /// Set to stop at the next resumable point.
    pub stop: &'a AtomicBool,
    /// Set to save the state of the trial under way and go on; taken back when it is done.
    pub save: &'a AtomicBool,
    /// The command line, for provenance.
    pub command_line: &'a [String],
    /// The experiment file, for provenance; absent if the plan came from elsewhere.
    pub experiment: Option<&'a Path>,
    /// Overrides from the command line, for provenance.
    pub overrides: &'a [String],
}

/// What is asked of one run of a study.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names of the arms to run; empty: all.
    pub arms: Vec<String>,
    /// Begin new attempts instead of continuing interrupted ones.
    pub never_resume: bool,
    /// Try failed trials once more.
    pub retry_failed: bool,
    /// Trials at once; chosen by the plan and the machine if absent.
    pub jobs: Option<u32>,
    /// What workers run; without it, this process does everything itself.
    pub worker: Option<WorkerProgram>,
    /// When a trial saves its state on its own; decides nothing of its result.
    #[cfg(feature = "torch")]
    pub checkpoints: crate::train::CheckpointRule,
}

impl Context<'_> {
    pub(super) fn open_registry(&self) -> Result<Registry, StudyError> {
        Ok(Registry::open(&self.workspace.runs, self.clock)?)
    }

    /// # Errors
    /// [`StudyError::Interrupted`] if the stop flag is set.
    pub(super) fn check_stop(&self) -> Result<(), StudyError> {
        if self.stop.load(Ordering::Relaxed) { Err(StudyError::Interrupted) } else { Ok(()) }
    }
}

impl Options {
    /// Whether an arm is to be run.
    #[must_use]
    pub fn wants(&self, arm: &Arm) -> bool {
        self.arms.is_empty() || self.arms.contains(&arm.name)
    }

    /// # Errors
    /// [`StudyError::UnknownArm`] if a name is not an arm of the plan.
    pub fn check(&self, plan: &Plan) -> Result<(), StudyError> {
        let names = || plan.arms.iter().map(|arm| arm.name.as_str());
        match self.arms.iter().find(|wanted| !names().any(|name| name == *wanted)) {
            None => Ok(()),
            Some(name) => Err(StudyError::UnknownArm {
                name: name.clone(),
                help: suggest(name, names()).map_or_else(
                    || format!("the arms are {}", names().collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                ),
            }),
        }
    }
}
