//! `augtrial submit`.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::args::{Experiment, Global};
use super::design::CellArgs;
use super::output::{line, tell};
use super::session::Session;
use augtrial_base::clock::Clock;
use augtrial_base::words::plural;
use augtrial_plan::Plan;
use augtrial_registry::Registry;
use augtrial_study::places::{self, Batch, PLACES, Request, SUBMIT_SCRIPT, Submitted};
use augtrial_study::{Context, Options, next_of};

#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    #[command(flatten)]
    experiment: Experiment,
    #[command(flatten)]
    cells: CellArgs,
    #[arg(long, value_name = "PLACE", help = "Where the trials run", long_help = places_help(), value_parser = place_name)]
    place: String,
    /// Only these arms.
    #[arg(long = "arm", value_name = "NAME")]
    arms: Vec<String>,
    /// Queue or partition of the place.
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Time limit of a task, as the place writes it, e.g. `04:00:00`. A task that reaches it saves, and goes on in a new one.
    #[arg(long, value_name = "LIMIT")]
    time: Option<String>,
    /// Trials that one task runs, one after another; if absent, one, or as many as keep an array of Slurm below 1001 tasks.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    trials_per_task: Option<u32>,
    /// Tasks at once, at most; on each host under `parallel`. One under `local` if absent.
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_at_once: Option<u32>,
    /// Ask for one GPU a task; a plan with `device = "cuda:N"` does so by itself.
    #[arg(long)]
    gpu: bool,
    /// File with one host a line, as GNU parallel's `--sshloginfile` reads it.
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
    /// Save the state of a trial so often, e.g. `1epoch`, `10min`; see `augtrial run --help`.
    #[arg(long, value_name = "RULE")]
    checkpoint_every: Option<augtrial_trial::CheckpointRule>,
    /// Try failed trials once more, as new attempts.
    #[arg(long)]
    retry_failed: bool,
    /// Write the folder, and submit nothing.
    #[arg(long)]
    dry_run: bool,
    /// More options for the place's own command, after `--`.
    #[arg(last = true, value_name = "OPTIONS")]
    extra: Vec<String>,
}

fn place_name(text: &str) -> Result<String, String> {
    places::place(text).map(|place| place.name().to_owned())
}

fn places_help() -> String {
    let row = |place: &&dyn places::Place| format!("\n{}: {}", place.name(), place.help());
    format!("Where the trials run:{}", PLACES.iter().map(row).collect::<String>())
}

pub(super) fn submit(args: SubmitArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::open(&args.experiment, global)?;
    let plans: Vec<&Plan> = if let Some(design) = &session.design {
        design.plans(args.cells.choose(design)?)
    } else {
        args.cells.none()?;
        vec![&session.plan]
    };
    let has_queue = places::place(&args.place).is_ok_and(places::Place::has_queue);
    if plans.len() > 1 && !has_queue && !args.dry_run {
        return Err(CliError::Arguments(format!(
            "the place `{}` has no queue, so that all {} cells would run at once: choose one by `--cell`, or use `augtrial run`",
            args.place,
            plans.len()
        )));
    }
    session.listen_to_signals()?;
    let options = Options {
        arms: args.arms,
        retry_failed: args.retry_failed,
        checkpoints: args.checkpoint_every.unwrap_or_default(),
        ..Options::default()
    };
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path)
            .map_err(|error| CliError::Arguments(format!("cannot read the hosts in {}: {error}", path.display())))
    };
    let request = Request {
        partition: args.partition,
        time: args.time,
        trials_per_task: args.trials_per_task.unwrap_or(0) as usize,
        at_once: args.max_at_once,
        gpu: args.gpu,
        hosts: args.hosts.map(read).transpose()?,
        extra: args.extra,
    };
    let registry = Registry::open(&session.workspace().runs, Clock::System)?;
    for plan in plans {
        let plan = &next_of(plan, &registry)?;
        if plan.is_search() {
            tell(format_args!(
                "{}: the tries come first; `augtrial collect {}` chooses, then submit the study",
                plan.study.name, plan.study.name
            ));
        }
        let worker = super::torch::worker_elsewhere(plan)?;
        let context = Context { worker: Some(&worker), ..session.context() };
        let wanted = (args.place.as_str(), request.clone());
        show(&places::submit(plan, &options, wanted, args.dry_run, &context)?, &plan.study.name)?;
    }
    Ok(())
}

/// Says what was written and submitted, and what comes next.
pub(super) fn show(submitted: &Submitted, study: &str) -> Result<(), CliError> {
    if let Some(left_out) = submitted.left_out() {
        tell(format_args!("{left_out}, and left to it"));
    }
    let Some(batch) = &submitted.batch else {
        return line(format_args!("{study}: nothing is left to submit"));
    };
    line(summary(batch))?;
    line(format_args!("threads: {} each ({})", batch.threads, submitted.why_threads))?;
    line(format_args!("folder: {}", batch.folder.display()))?;
    let Some(answer) = &submitted.answer else {
        return line(format_args!("nothing was submitted: read the folder, then run {SUBMIT_SCRIPT} in it"));
    };
    answer.lines().try_for_each(line)?;
    line(format_args!("`augtrial status {study}` shows where they are"))
}

fn summary(batch: &Batch) -> String {
    let sets = match batch.set_tasks {
        0 => String::new(),
        tasks => format!(", after {} for sets", plural(tasks, "task")),
    };
    format!(
        "{}: {} in {} for {}{sets} (batch {})",
        batch.study,
        plural(batch.trials, "trial"),
        plural(batch.trial_tasks, "task"),
        batch.place,
        batch.token
    )
}
