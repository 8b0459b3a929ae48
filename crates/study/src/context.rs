//! What a study runs in: its folders, clock, progress and stop flag; and what is asked of one run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{StudyError, WorkerProgram};
use augtrial_base::clock::Clock;
use augtrial_base::progress::Progress;
use augtrial_base::words::nearest;
use augtrial_plan::arm::Arm;
use augtrial_plan::{Override, Plan};
use augtrial_registry::Registry;
use augtrial_trial::{CheckpointRule, Engine};

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
    /// The program that trains and edits for this process.
    pub worker: Option<&'a WorkerProgram>,
    /// What trains and edits, if this process does so itself.
    pub engine: Option<&'a dyn Engine>,
    /// The command line, for provenance.
    pub command_line: &'a [String],
    /// The experiment file, for provenance; absent if the plan came from elsewhere.
    pub experiment: Option<&'a Path>,
    /// Overrides from the command line, for provenance.
    pub overrides: &'a [Override],
}

/// What is asked of one run of a study.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names of the arms to run; empty: all.
    pub arms: Vec<String>,
    /// Only so many seeds, in the order of the plan; all if absent.
    pub most_seeds: Option<usize>,
    /// Begin new attempts instead of continuing interrupted ones.
    pub never_resume: bool,
    /// Try failed trials once more.
    pub retry_failed: bool,
    /// Trials at once; chosen by the plan and the machine if absent.
    pub jobs: Option<u32>,
    /// When a trial saves its state on its own; decides nothing of its result.
    pub checkpoints: CheckpointRule,
}

impl<'a> Context<'a> {
    /// Where nothing trains or edits and no command line is recorded; the fields say what else there may be.
    #[must_use]
    pub fn new(workspace: &'a Workspace, progress: &'a Progress, stop: &'a AtomicBool, save: &'a AtomicBool) -> Self {
        Self {
            workspace,
            progress,
            clock: Clock::System,
            stop,
            save,
            worker: None,
            engine: None,
            command_line: &[],
            experiment: None,
            overrides: &[],
        }
    }
}

impl Context<'_> {
    pub(super) fn open_registry(&self) -> Result<Registry, StudyError> {
        Ok(Registry::open(&self.workspace.runs, self.clock)?)
    }

    /// # Errors
    /// [`StudyError::NoEngine`] if this process cannot train.
    pub(super) fn engine(&self) -> Result<&dyn Engine, StudyError> {
        self.engine.ok_or(StudyError::NoEngine)
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
                help: nearest(name, names()).map_or_else(
                    || format!("the arms are {}", names().collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                ),
            }),
        }
    }
}
