//! `augtrial status`, `resubmit` and `collect`: what comes after `augtrial submit`.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json as value};

use super::CliError;
use super::args::{Experiment, Global, Json};
use super::compare::brief;
use super::output::{json, line, paragraph, tell};
use super::screen::{STRONG, link, styled};
use super::session::{Session, Signals, command_line, is_experiment_file, progress, workspace};
use super::table::table;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::words::plural;
use augtrial_plan::Plan;
use augtrial_registry::Registry;
use augtrial_study::places::{self, Batch, BatchError, Collected, Resubmit, StudyStatus, TrialRow, TrialStatus};
use augtrial_study::{Context, Outcome, StudyError, comparison_of, next_of};

/// What `STUDY` may be.
const HELP: &str = "The study: its name, its experiment file, the folder of a batch, or `latest`";
/// Words of a status, in the order of their telling.
const WORDS: [&str; 7] = ["finished", "running", "queued", "held", "failed", "missing", "unknown"];

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[arg(default_value = "latest", help = HELP)]
    study: String,
    /// List finished and queued trials, too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
pub(super) struct ResubmitArgs {
    #[arg(default_value = "latest", help = HELP)]
    study: String,
    /// Trials that have no result, and that no queue has.
    #[arg(long, required_unless_present = "failed")]
    missing: bool,
    /// Trials that failed, too, as new attempts.
    #[arg(long)]
    failed: bool,
    /// Write the folder, and submit nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct CollectArgs {
    #[arg(default_value = "latest", help = HELP)]
    study: String,
}

/// The batches that an argument means, of each plan the newest last; neither list is empty. A file with factors means all of its
/// cells.
fn batches(argument: &str, global: &Global) -> Result<Vec<Vec<Batch>>, CliError> {
    let path = Path::new(argument);
    let of_study = |study: Option<&str>| Batch::of_study(&global.runs, study).map_err(StudyError::from);
    let of_plan = |batches: Vec<Batch>, plan: Option<Digest>| {
        batches.into_iter().filter(|batch| Some(batch.plan) == plan).collect::<Vec<Batch>>()
    };
    let mut found = Vec::new();
    if path.is_dir() {
        let named = Batch::open(path).map_err(StudyError::from)?;
        let all = Batch::of_study(&named.runs, Some(&named.study)).map_err(StudyError::from)?;
        found.push(of_plan(all, Some(named.plan)));
    } else if is_experiment_file(path) {
        let session = Session::open(&Experiment::unchanged(path), global)?;
        let all = of_study(None)?;
        let plans = session.design.as_ref().map_or_else(|| vec![&session.plan], |design| design.plans(&design.cells));
        let registry = Registry::open(&global.runs, Clock::System)?;
        for plan in plans {
            found.push(of_plan(all.clone(), Some(next_of(plan, &registry)?.digest())));
        }
    } else {
        let all = of_study(Some(argument).filter(|study| *study != "latest"))?;
        let newest = all.last().map(|batch| batch.plan);
        found.push(of_plan(all, newest));
    }
    found.retain(|batches| !batches.is_empty());
    if found.is_empty() {
        let study = Some(argument.to_owned()).filter(|argument| argument != "latest");
        return Err(StudyError::from(BatchError::Nothing { study }).into());
    }
    Ok(found)
}

pub(super) fn status(args: &StatusArgs, global: &Global) -> Result<(), CliError> {
    let found = batches(&args.study, global)?;
    let found: Vec<StudyStatus> =
        found.into_iter().map(|batches| places::status(batches, Clock::System)).collect::<Result<_, _>>()?;
    if !args.json.json {
        return found.iter().try_for_each(|found| show(found, args.all));
    }
    match found.as_slice() {
        [one] => json(&as_json(one)),
        several => json(&several.iter().map(as_json).collect::<Vec<_>>()),
    }
}

fn show(found: &StudyStatus, all: bool) -> Result<(), CliError> {
    let newest = found.batches.last().expect("an argument means one batch at least");
    let counts: Vec<String> = WORDS
        .iter()
        .map(|word| (found.count(word), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    line(format_args!(
        "{} (plan {}): {}: {}",
        newest.study,
        newest.plan.short(),
        plural(found.trials.len(), "trial"),
        counts.join(", ")
    ))?;
    if found.sets_in_work > 0 {
        line(format_args!("sets: {} in the queue or at work", plural(found.sets_in_work, "task")))?;
    }
    let is_dull = |trial: &&TrialRow| matches!(trial.status, TrialStatus::Finished | TrialStatus::Queued);
    let shown: Vec<Vec<String>> = found.trials.iter().filter(|trial| all || !is_dull(trial)).map(row).collect();
    if !shown.is_empty() {
        line(table(&["arm", "seed", "trial", "batch", "task", "what is known"], &shown))?;
    }
    advice(found, &newest.study)
}

fn row(trial: &TrialRow) -> Vec<String> {
    let known = match &trial.status {
        TrialStatus::Held(word) => format!("{word}: release it"),
        _ => trial.standing.to_string(),
    };
    vec![
        trial.arm.clone(),
        trial.seed.to_string(),
        trial.status.word().to_owned(),
        trial.batch.clone(),
        trial.task.to_string(),
        known,
    ]
}

fn advice(found: &StudyStatus, study: &str) -> Result<(), CliError> {
    for reason in &found.silent {
        tell(format_args!("the queue does not answer ({reason}): ask again for what is unknown"));
    }
    for batch in found.batches.iter().filter(|batch| !batch.was_submitted()) {
        line(format_args!(
            "batch {} was written and never submitted: run submit.sh in {}",
            batch.token,
            batch.folder.display()
        ))?;
    }
    if found.count("missing") > 0 {
        line(format_args!("`augtrial resubmit {study} --missing` submits what is missing; logs say why it is"))?;
    }
    if found.count("failed") > 0 {
        line(format_args!("`augtrial resubmit {study} --failed` tries failed trials once more"))?;
    }
    if found.count("finished") == found.trials.len() {
        line(format_args!("`augtrial collect {study}` writes the report"))?;
    }
    Ok(())
}

fn as_json(found: &StudyStatus) -> Value {
    let newest = found.batches.last().expect("an argument means one batch at least");
    let trial = |trial: &TrialRow| {
        let reason = match &trial.status {
            TrialStatus::Failed(reason) | TrialStatus::Held(reason) => Some(reason),
            _ => None,
        };
        value!({
            "arm": trial.arm, "seed": trial.seed, "key": trial.key, "status": trial.status.word(), "reason": reason,
            "run": trial.standing.run(), "batch": trial.batch, "task": trial.task,
        })
    };
    let counts: BTreeMap<&str, usize> = WORDS.iter().map(|word| (*word, found.count(word))).collect();
    let batches: Vec<_> = found
        .batches
        .iter()
        .map(|batch| value!({ "batch": batch.token, "place": batch.place, "folder": batch.folder, "made_at": batch.made_at }))
        .collect();
    value!({
        "study": newest.study, "plan": newest.plan, "batches": batches, "counts": counts,
        "sets_in_work": found.sets_in_work, "queue_silent": found.silent,
        "trials": found.trials.iter().map(trial).collect::<Vec<_>>(),
    })
}

/// Does something with the newest batch of every plan that an argument means, and goes on where it says so. What it records of the
/// command is this command.
fn with_newest(
    argument: &str,
    global: &Global,
    mut work: impl FnMut(&Batch, &Context<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let found = batches(argument, global)?;
    let signals = Signals::default();
    signals.listen()?;
    let (mut workspace, progress, command_line) = (workspace(global), progress(global), command_line());
    for batch in found.iter().filter_map(|batches| batches.last()) {
        workspace.runs.clone_from(&batch.runs);
        let context = Context {
            command_line: &command_line,
            ..Context::new(&workspace, &progress, &signals.stop, &signals.save)
        };
        work(batch, &context)?;
    }
    Ok(())
}

pub(super) fn resubmit(args: &ResubmitArgs, global: &Global) -> Result<(), CliError> {
    let again = Resubmit { failed: args.failed };
    with_newest(&args.study, global, |batch, context| {
        let worker = super::torch::worker_elsewhere(&batch.read_plan()?)?;
        let context = Context { worker: Some(&worker), ..*context };
        super::submit::show(&places::resubmit(batch, again, args.dry_run, &context)?, &batch.study)
    })
}

pub(super) fn collect(args: &CollectArgs, global: &Global) -> Result<(), CliError> {
    let (mut failed, mut planned) = (0, 0);
    with_newest(&args.study, global, |batch, context| {
        let Collected { plan, outcome } = places::collect(batch, context)?;
        failed += outcome.failed.len();
        planned += outcome.reused + outcome.failed.len();
        told(&plan, &outcome, context)
    })?;
    if failed == 0 { Ok(()) } else { Err(CliError::TrialsFailed { failed, planned }) }
}

/// What there is of a study, its answer, and where to read more.
fn told(plan: &Plan, outcome: &Outcome, context: &Context<'_>) -> Result<(), CliError> {
    for (arm, seed, reason) in &outcome.failed {
        tell(format_args!("no result: {arm}, seed {seed}: {reason}"));
    }
    paragraph(format_args!(
        "{}: {} finished, {} without a result",
        styled(STRONG, &plan.study.name),
        plural(outcome.reused, "trial"),
        outcome.failed.len()
    ))?;
    if outcome.reused == 0 {
        return Ok(());
    }
    let registry = Registry::open(&context.workspace.runs, Clock::System).map_err(StudyError::from)?;
    brief(plan, &comparison_of(plan, &registry)?)?;
    line(format_args!("page: {}", link(&outcome.page)))
}
