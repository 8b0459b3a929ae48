//! What several commands need: the plan with its overrides, the stop flag, the context of a study.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::CliError;
use super::args::{Experiment, Global};
use super::seed_grammar::{SeedSelection, more};
use augtrial_base::clock::Clock;
use augtrial_base::disk;
use augtrial_base::progress::Progress;
use augtrial_base::words::nearest;
use augtrial_plan::design::Design;
use augtrial_plan::{Override, Plan, PlanError};
use augtrial_study::{Context, WorkerProgram, Workspace};

/// Exit code of a process that a second signal ends at once.
const KILLED: i32 = 130;

/// What a command works with.
pub(super) struct Session {
    pub(super) plan: Plan,
    /// If the file declares factors.
    pub(super) design: Option<Design>,
    overrides: Vec<Override>,
    experiment: std::path::PathBuf,
    workspace: Workspace,
    progress: Progress,
    signals: Signals,
    worker: Option<WorkerProgram>,
    command_line: Vec<String>,
}

/// Every change to the file: what `--set` and `--seeds` say.
///
/// # Errors
/// If the file that seeds are added to is not a plan, or they are too many.
pub(super) fn overrides(experiment: &Experiment) -> Result<Vec<Override>, CliError> {
    let mut overrides = experiment.set.clone();
    if let Some(selection) = &experiment.seeds {
        let seeds = match selection {
            SeedSelection::These(seeds) => seeds.clone(),
            SeedSelection::More(count) => {
                more(load(&experiment.file, &experiment.set)?.study.seeds, *count).map_err(CliError::Arguments)?
            }
        };
        overrides.push(Override::Seeds(seeds));
    }
    Ok(overrides)
}

impl Session {
    /// Reads the experiment, with the overrides of the command line.
    pub(super) fn open(experiment: &Experiment, global: &Global) -> Result<Self, CliError> {
        let overrides = overrides(experiment)?;
        let plan = load(&experiment.file, &overrides)?;
        Ok(Self {
            worker: super::torch::worker_for(&plan).ok(),
            plan,
            design: Design::load(&experiment.file, &overrides)?,
            overrides,
            experiment: experiment.file.clone(),
            workspace: workspace(global),
            progress: progress(global),
            signals: Signals::default(),
            command_line: command_line(),
        })
    }

    pub(super) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// As [`Signals::listen`].
    pub(super) fn listen_to_signals(&self) -> Result<(), CliError> {
        self.signals.listen()
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            workspace: &self.workspace,
            progress: &self.progress,
            clock: Clock::System,
            stop: &self.signals.stop,
            save: &self.signals.save,
            worker: self.worker.as_ref(),
            engine: None,
            command_line: &self.command_line,
            experiment: Some(&self.experiment),
            overrides: &self.overrides,
        }
    }
}

/// What signals have asked for.
#[derive(Default)]
pub(super) struct Signals {
    /// Save and stop.
    pub(super) stop: Arc<AtomicBool>,
    /// Save and go on.
    pub(super) save: Arc<AtomicBool>,
}

impl Signals {
    /// Makes the first SIGINT or SIGTERM stop at the next resumable point, and the second one end the process at once;
    /// SIGUSR1 saves the state and lets the work go on.
    pub(super) fn listen(&self) -> Result<(), CliError> {
        let failed = |source| CliError::System { action: "listen to signals", source };
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, KILLED, Arc::clone(&self.stop))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&self.stop)))
                .map_err(failed)?;
        }
        #[cfg(unix)]
        signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&self.save)).map_err(failed)?;
        Ok(())
    }
}

/// The command line, for provenance. An argument that is no text is recorded as near to it as a text can come.
pub(super) fn command_line() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The folders that the options name.
pub(super) fn workspace(global: &Global) -> Workspace {
    Workspace { runs: global.runs.clone(), reports: global.reports.clone() }
}

/// Reads an experiment file; where there is none, a file that may have been meant is named.
fn load(file: &Path, overrides: &[Override]) -> Result<Plan, CliError> {
    match Plan::load(file, overrides) {
        Err(PlanError::Read { path, source }) if source.kind() == ErrorKind::NotFound => {
            Err(CliError::NoExperiment { help: meant(&path), path })
        }
        loaded => Ok(loaded?),
    }
}

/// What to do about an experiment file that is not there.
fn meant(path: &Path) -> String {
    let folders = [disk::parent(path).to_owned(), PathBuf::from("experiments")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).filter(|file| is_experiment_file(file)).collect();
    files.sort();
    let stem = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stems: Vec<String> = files.iter().map(|file| stem(file)).collect();
    let near = nearest(&stem(path), stems.iter().map(String::as_str));
    let file = near.and_then(|near| files.iter().find(|file| stem(file) == near));
    let write = if stem(path) == "quickstart" { "quickstart" } else { "init" };
    file.map_or_else(
        || format!("`augtrial {write}` writes one"),
        |file| format!("did you mean `{}`?", file.strip_prefix(".").unwrap_or(file).display()),
    )
}

/// Where progress is shown.
pub(super) fn progress(global: &Global) -> Progress {
    Progress::new(global.quiet, global.verbose)
}

/// Whether the argument names an experiment file rather than a study or a folder.
pub(super) fn is_experiment_file(argument: &Path) -> bool {
    argument.extension().is_some_and(|extension| extension == "toml")
}
