//! `augtrial run`.

use super::CliError;
use super::args::{Global, Resume, RunArgs};
use super::session::Session;
use crate::study::Options;

#[cfg(feature = "torch")]
pub(super) fn run(args: &RunArgs, global: &Global) -> Result<(), CliError> {
    use super::output::line;

    let session = Session::open(&args.experiment, global)?;
    let options = options(args);
    if args.dry_run {
        return super::plan::show(&session, &options);
    }
    wait_passively()?;
    session.stop_on_signals()?;
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
    Options { arms: args.arms.clone(), never_resume: args.resume == Resume::Never, retry_failed: args.retry_failed }
}

/// Makes LibTorch's threads sleep while they wait, unless the user decided otherwise: spinning on shared cores costs a
/// factor of several. The OpenMP runtime reads its environment when it is loaded, so the program starts itself again.
#[cfg(all(feature = "torch", unix))]
fn wait_passively() -> Result<(), CliError> {
    use std::os::unix::process::CommandExt as _;

    const POLICY: &str = "OMP_WAIT_POLICY";
    if std::env::var_os(POLICY).is_some() {
        return Ok(());
    }
    let failed = |source| CliError::System { action: "start the program again", source };
    let program = std::env::current_exe().map_err(failed)?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    Err(failed(std::process::Command::new(program).args(arguments).env(POLICY, "PASSIVE").exec()))
}

#[cfg(all(feature = "torch", not(unix)))]
fn wait_passively() -> Result<(), CliError> {
    Ok(())
}
