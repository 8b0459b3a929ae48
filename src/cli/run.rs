//! `augtrial run`.

use super::CliError;
use super::args::{Global, Resume, RunArgs};
use super::session::Session;
use crate::study::Options;
#[cfg(feature = "torch")]
use crate::study::WorkerProgram;

#[cfg(feature = "torch")]
pub(super) fn run(args: &RunArgs, global: &Global) -> Result<(), CliError> {
    use super::output::line;

    let session = Session::open(&args.experiment, global)?;
    let options = options(args);
    if args.dry_run {
        return super::plan::show(&session, &options);
    }
    super::environment::prepare()?;
    let options = Options { worker: Some(worker()?), ..options };
    session.listen_to_signals()?;
    let outcome = crate::study::run(&session.plan, &options, &session.context())?;
    for (arm, seed, reason) in &outcome.failed {
        eprintln!("no result: {arm}, seed {seed}: {reason}");
    }
    line(format_args!(
        "{}: {} trials finished, {} had finished before, {} without a result",
        session.plan.study.name,
        outcome.finished,
        outcome.reused,
        outcome.failed.len()
    ))?;
    line(format_args!("report: {}", outcome.report.display()))?;
    if outcome.failed.is_empty() {
        return Ok(());
    }
    let planned = outcome.finished + outcome.reused + outcome.failed.len();
    Err(CliError::TrialsFailed { failed: outcome.failed.len(), planned })
}

/// This program again, as a worker.
#[cfg(feature = "torch")]
fn worker() -> Result<WorkerProgram, CliError> {
    let path = std::env::current_exe().map_err(|source| CliError::System { action: "find this program", source })?;
    Ok(WorkerProgram { path, arguments: vec!["worker".into()] })
}

/// Without LibTorch, a study can be planned but not run.
#[cfg(not(feature = "torch"))]
pub(super) fn run(args: &RunArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::open(&args.experiment, global)?;
    if args.dry_run {
        return super::plan::show(&session, &options(args));
    }
    Err(CliError::Arguments("this build cannot train: build it with the feature `torch`".to_owned()))
}

fn options(args: &RunArgs) -> Options {
    Options {
        arms: args.arms.clone(),
        never_resume: args.resume == Resume::Never,
        retry_failed: args.retry_failed,
        jobs: args.jobs,
        worker: None,
        #[cfg(feature = "torch")]
        checkpoints: args.checkpoint_every.unwrap_or_default(),
    }
}
