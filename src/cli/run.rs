//! `augtrial run`: runs a study, and ends with its answer.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::CliError;
use super::args::{Global, Json, Trials};
use super::compare::brief;
use super::compare_json::Document;
use super::output::{self, line, paragraph, tell};
use super::screen::{STRONG, link, styled};
use super::session::Session;
use augtrial_base::clock::Clock;
use augtrial_base::words::plural;
use augtrial_registry::Registry;
use augtrial_study::{Options, Outcome, as_tuned, comparison_of, evaluations_of, tuning_of};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) trials: Trials,
    /// What to do with attempts that were interrupted.
    #[arg(long, value_enum, default_value_t, num_args = 0..=1, default_missing_value = "auto", value_name = "WHEN")]
    pub(super) resume: Resume,
    /// Try failed trials once more, as new attempts.
    #[arg(long)]
    pub(super) retry_failed: bool,
    /// Save the state of a trial so often, e.g. `1epoch`, `5epochs`, `10min` or `30s` (times also in the middle of an epoch);
    /// if absent, at the end of an epoch when 30 s have passed since the last time. SIGUSR1 saves at once. Decides no result.
    #[arg(long, value_name = "RULE")]
    pub(super) checkpoint_every: Option<augtrial_trial::CheckpointRule>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

/// What to do with attempts that were interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Resume {
    /// Continue from the last checkpoint.
    #[default]
    Auto,
    /// Begin a new attempt.
    Never,
}

pub(super) fn run(args: &RunArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::open(&args.trials.experiment, global)?;
    let options = Options {
        most_seeds: None,
        arms: args.trials.arms.clone(),
        never_resume: args.resume == Resume::Never,
        retry_failed: args.retry_failed,
        jobs: args.trials.jobs,
        checkpoints: args.checkpoint_every.unwrap_or_default(),
    };
    if args.dry_run {
        return super::plan::show_any(&session, &args.trials.cells, &options, false, args.json.json);
    }
    super::torch::worker_for(&session.plan)?;
    session.listen_to_signals()?;
    if let Some(design) = &session.design {
        return super::design::run(design, &args.trials.cells, &options, &session);
    }
    args.trials.cells.none()?;
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
