//! `augtrial-torch task`: what the scripts of a batch run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::CliError;
use super::args::Global;
use super::output::{line, tell};
use super::session::{Signals, progress};
use augtrial_base::words::plural;
use augtrial_study::StudyError;
use augtrial_study::places::{self, Batch, BatchError, Stage};
use augtrial_trial::Engine;

#[derive(Debug, Args)]
pub(super) struct TaskArgs {
    /// The folder of the batch.
    folder: PathBuf,
    /// `sets` or `trials`.
    stage: Stage,
    /// The line of the stage's list, from 0.
    index: usize,
}

/// Runs one task, with the `engine` of this process unless a command trains.
pub(super) fn task(
    args: &TaskArgs,
    global: &Global,
    engine: impl FnOnce() -> Result<&'static dyn Engine, CliError>,
) -> Result<(), CliError> {
    let batch = Batch::open(&args.folder).map_err(StudyError::from)?;
    let engine = if batch.without_torch { None } else { Some(engine()?) };
    let place = places::place(&batch.place).map_err(|problem| StudyError::from(BatchError::Place(problem)))?;
    let (signals, again) = (Signals::default(), Arc::new(AtomicBool::new(false)));
    listen(&signals, &again)?;
    let progress = progress(global);
    let ran = places::run_task(&batch, args.stage, args.index, (&signals.stop, &signals.save), &progress, engine);
    if matches!(ran, Err(StudyError::Interrupted)) {
        tell("saved, and stopped");
        place.stopped(again.load(Ordering::Relaxed), &|told| tell(told));
    }
    let outcome = ran?;
    if args.stage == Stage::Sets {
        return line("the sets are made");
    }
    for (arm, seed, reason) in &outcome.failed {
        tell(format_args!("no result: {arm}, seed {seed}: {reason}"));
    }
    let (finished, reused, failed) = (outcome.finished, outcome.reused, outcome.failed.len());
    line(format_args!("{} trained, {reused} reused, {failed} failed", plural(finished, "trial")))?;
    if failed == 0 { Ok(()) } else { Err(CliError::TrialsFailed { failed, planned: finished + reused + failed }) }
}

/// SIGTERM and SIGINT stop the task at the next resumable point, and so does SIGUSR1, which says that its time is over. No
/// second signal ends it before it has saved: queues send several, and kill in the end.
fn listen(signals: &Signals, again: &Arc<AtomicBool>) -> Result<(), CliError> {
    let register = |signal, flag: &Arc<AtomicBool>| {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .map(drop)
            .map_err(|source| CliError::System { action: "listen to signals", source })
    };
    register(SIGTERM, &signals.stop)?;
    register(SIGINT, &signals.stop)?;
    #[cfg(unix)]
    {
        // In this order: whoever sees that it is to stop knows why.
        register(signal_hook::consts::SIGUSR1, again)?;
        register(signal_hook::consts::SIGUSR1, &signals.stop)?;
    }
    Ok(())
}
