//! `augtrial plan`.

use super::CliError;
use super::args::{Global, PlanArgs};
use super::output::line;
use super::session::Session;
use super::table::table;
use crate::plan::Plan;
use crate::plan::arm::Role;
use crate::plan::dataset::Protocol;
use crate::progress::{human_bytes, human_duration};
use crate::stats::{pairs_to_reach, smallest_reachable_p};
use crate::study::{Choice, Crew, Options, Preview, TimeBasis, TrialStatus, preview};

pub(super) fn plan(args: &PlanArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::open(&args.experiment, global)?;
    show(&session, &Options { arms: args.arms.clone(), jobs: args.jobs, ..Options::default() })
}

/// Prints what a run with these options would do.
pub(super) fn show(session: &Session, options: &Options) -> Result<(), CliError> {
    let preview = preview(&session.plan, options, &session.context())?;
    let plan = &session.plan;
    heading(plan)?;
    classes(&preview)?;
    arms(&preview)?;
    sets(&preview)?;
    trials(&preview)?;
    costs(&preview)?;
    line(reachable(plan))
}

fn heading(plan: &Plan) -> Result<(), CliError> {
    line(format_args!("study {}: {}", plan.study.name, plan.study.title.as_deref().unwrap_or("")))?;
    if plan.study.protocol == Protocol::AsPublished {
        line("protocol as-published: augmented before the split, so test images have siblings in training")?;
    }
    Ok(())
}

fn classes(preview: &Preview) -> Result<(), CliError> {
    let mut header = vec!["class", "read", "declared", "difference", "quarantined"];
    if preview.parts.is_some() {
        header.extend(["train", "validation", "test"]);
    }
    for arm in &preview.arms {
        header.push(&arm.name);
    }
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let rows = preview.classes.rows.iter().chain([&preview.classes.total]).enumerate();
    let rows: Vec<Vec<String>> = rows
        .map(|(index, row)| {
            let count = |counts: &[u64]| counts.get(index).copied().unwrap_or_else(|| counts.iter().sum()).to_string();
            let mut cells = vec![
                row.class.clone(),
                row.read.to_string(),
                optional(row.declared.map(|n| n.to_string())),
                optional(row.difference().map(|n| format!("{n:+}"))),
                row.quarantined.to_string(),
            ];
            cells.extend(preview.parts.iter().flatten().map(|counts| count(counts)));
            cells.extend(preview.arms.iter().map(|arm| count(&arm.counts)));
            cells
        })
        .collect();
    line(table(&header, &rows))
}

fn arms(preview: &Preview) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = preview
        .arms
        .iter()
        .map(|arm| {
            vec![
                arm.name.clone(),
                if arm.role == Role::Control { "control" } else { "treatment" }.to_owned(),
                arm.counts.iter().sum::<u64>().to_string(),
                arm.epochs.to_string(),
                arm.updates.to_string(),
                arm.samples.to_string(),
            ]
        })
        .collect();
    line(table(&["arm", "role", "training images", "epochs", "updates", "samples seen"], &rows))
}

fn sets(preview: &Preview) -> Result<(), CliError> {
    for arm in &preview.arms {
        for set in &arm.sets {
            let state = match (&set.digest, &set.problem) {
                (Some(digest), _) if set.cached => format!("{}, made before", digest.short()),
                (Some(digest), _) => format!("{}, to be made", digest.short()),
                (None, problem) => format!("cannot be made: {}", problem.as_deref().unwrap_or("unknown")),
            };
            line(format_args!("set of {}: {} images, {state}", arm.name, set.images))?;
        }
    }
    Ok(())
}

fn trials(preview: &Preview) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = preview
        .trials
        .iter()
        .map(|trial| {
            let (what, why) = match &trial.status {
                TrialStatus::New => ("run", "not run before".to_owned()),
                TrialStatus::Resumable(run) => ("continue", format!("run {run} was interrupted")),
                TrialStatus::Finished(run) => ("keep", format!("run {run} has finished")),
                TrialStatus::Running(run) => ("leave", format!("run {run} of another process is at it")),
                TrialStatus::Failed(reason) => ("leave", format!("failed: {reason}; --retry-failed tries again")),
            };
            vec![trial.seed.to_string(), trial.arm.clone(), what.to_owned(), why]
        })
        .collect();
    line(table(&["seed", "arm", "trial", "why"], &rows))
}

fn costs(preview: &Preview) -> Result<(), CliError> {
    let basis = match preview.time_basis {
        TimeBasis::Same(runs) => format!("from {runs} past runs of this kind on this machine"),
        TimeBasis::Similar(runs) => format!("from {runs} past runs on this machine, scaled by the input's area"),
        TimeBasis::Operations => "from the network's operations, within a factor of a few".to_owned(),
    };
    line(format_args!("training left: about {} ({basis})", human_duration(preview.time)))?;
    let Choice { crew: Crew { jobs, threads }, why, warning } = &preview.choice;
    line(format_args!("jobs: {jobs} at once, {threads} thread(s) each ({why})"))?;
    warning.iter().try_for_each(line)?;
    line(format_args!("disk for sets and decoded pixels: about {}", human_bytes(preview.disk_bytes)))
}

/// What the design can show at all, said before compute is spent.
fn reachable(plan: &Plan) -> String {
    let (seeds, contrasts) = (plan.study.seeds.len(), plan.contrasts.len());
    if contrasts == 0 {
        return "no contrast is declared: the study describes, and tests nothing".to_owned();
    }
    let reachable = smallest_reachable_p(seeds, contrasts);
    let verdict = if reachable <= plan.study.alpha {
        String::new()
    } else {
        pairs_to_reach(plan.study.alpha, contrasts).map_or_else(
            |_| String::new(),
            |n| format!("; the exact test needs {n} seeds, until then look at the intervals"),
        )
    };
    format!(
        "smallest reachable p: {reachable:.4} two-sided, exact sign-flip, {seeds} seeds, Holm over {contrasts} \
         contrast(s), against alpha {}{verdict}",
        plan.study.alpha
    )
}
