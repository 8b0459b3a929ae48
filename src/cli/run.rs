//! `augtrial run`: runs a study, and ends with its answer.

use augtrial_base::words::plural;
use augtrial_study::{Options, Outcome, as_tuned, comparison_of, evaluations_of, tuning_of};
use serde_json::json;

use super::CliError;
use super::args::{Global, Resume, RunArgs};
use super::compare::brief;
use super::compare_json::Document;
use super::output::{self, line, paragraph, tell};
use super::screen::{STRONG, link, styled};
use super::session::Session;
use augtrial_base::clock::Clock;
use augtrial_registry::Registry;

pub(super) fn run(args: &RunArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::open(&args.experiment, global)?;
    let options = Options {
        most_seeds: None,
        arms: args.arms.clone(),
        never_resume: args.resume == Resume::Never,
        retry_failed: args.retry_failed,
        jobs: args.jobs,
        checkpoints: args.checkpoint_every.unwrap_or_default(),
    };
    if args.dry_run {
        return super::plan::show_any(&session, &args.cells, &options, false, args.json.json);
    }
    super::torch::worker_for(&session.plan)?;
    session.listen_to_signals()?;
    if let Some(design) = &session.design {
        return super::design::run(design, &args.cells, &options, &session);
    }
    args.cells.none()?;
    let outcome = augtrial_study::run(&session.plan, &options, &session.context())?;
    if args.json.json {
        as_json(&session, &outcome)?;
    } else {
        told(&session, &outcome)?;
    }
    if outcome.failed.is_empty() {
        return Ok(());
    }
    let planned = outcome.finished + outcome.reused + outcome.failed.len();
    Err(CliError::TrialsFailed { failed: outcome.failed.len(), planned })
}

/// What was done, the answer, and where to read more.
fn told(session: &Session, outcome: &Outcome) -> Result<(), CliError> {
    for (arm, seed, reason) in &outcome.failed {
        tell(format_args!("no result: {arm}, seed {seed}: {reason}"));
    }
    paragraph(format_args!(
        "{}: {} trained, {} reused, {} failed",
        styled(STRONG, &session.plan.study.name),
        plural(outcome.finished, "trial"),
        outcome.reused,
        outcome.failed.len()
    ))?;
    let registry = Registry::open(&session.workspace().runs, Clock::System)?;
    let plan = as_tuned(&session.plan, &registry)?;
    brief(&plan, &comparison_of(&plan, &registry)?)?;
    line(format_args!("page: {}", link(&outcome.page)))
}

fn as_json(session: &Session, outcome: &Outcome) -> Result<(), CliError> {
    let registry = Registry::open(&session.workspace().runs, Clock::System)?;
    let plan = as_tuned(&session.plan, &registry)?;
    let failed = |(arm, seed, reason): &(String, u64, String)| json!({ "arm": arm, "seed": seed, "reason": reason });
    output::json(&json!({
        "study": session.plan.study.name,
        "finished": outcome.finished,
        "had_finished": outcome.reused,
        "failed": outcome.failed.iter().map(failed).collect::<Vec<_>>(),
        "page": outcome.page,
        "comparison": Document::new(
            &plan,
            &comparison_of(&plan, &registry)?,
            &evaluations_of(&plan, &registry)?,
            None,
            tuning_of(&plan, &registry)?.as_ref(),
        ),
    }))
}
