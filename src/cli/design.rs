//! `augtrial run` and `augtrial plan` of a file that declares factors: its cells, one study after another.

use clap::Args;

use super::CliError;
use super::output::{json, line, paragraph, tell};
use super::session::Session;
use super::table::table;
use augtrial_base::progress::{human_bytes, human_duration};
use augtrial_base::words::plural;
use augtrial_plan::design::{Cell, Design, LevelChoice};
use augtrial_study::{Options, preview_cells, run_cells};

/// Which cells of a design are meant.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct CellArgs {
    /// Of a file with factors: only these cells, by the names that `augtrial plan` lists.
    #[arg(long = "cell", value_name = "NAME")]
    cells: Vec<String>,
    /// Of a file with factors: only cells with this level of a factor.
    #[arg(long = "factor", value_name = "FACTOR=LEVEL")]
    levels: Vec<LevelChoice>,
}

impl CellArgs {
    /// # Errors
    /// If cells are chosen of a file without factors.
    pub(super) fn none(&self) -> Result<(), CliError> {
        if self.cells.is_empty() && self.levels.is_empty() {
            return Ok(());
        }
        Err(CliError::Arguments("the experiment file declares no factors, so it has no cells to choose".to_owned()))
    }

    /// The cells that are meant.
    ///
    /// # Errors
    /// If there is none such.
    pub(super) fn choose<'a>(&self, design: &'a Design) -> Result<Vec<&'a Cell>, CliError> {
        let chosen = design.choose(&self.cells, &self.levels).map_err(CliError::Arguments)?;
        if chosen.is_empty() {
            Err(CliError::Arguments("no cell has all of these levels".to_owned()))
        } else {
            Ok(chosen)
        }
    }
}

pub(super) fn run(design: &Design, cells: &CellArgs, options: &Options, session: &Session) -> Result<(), CliError> {
    let outcome = run_cells(design, &cells.choose(design)?, options, &session.context())?;
    for (arm, seed, reason) in &outcome.failed {
        tell(format_args!("no result: {arm}, seed {seed}: {reason}"));
    }
    line(format_args!(
        "{}: {} trained, {} reused, {} failed",
        design.name,
        plural(outcome.finished, "trial"),
        outcome.reused,
        outcome.failed.len()
    ))?;
    paragraph("`augtrial explain` on the same file shows every cell, and where a published difference comes from")?;
    if outcome.failed.is_empty() {
        return Ok(());
    }
    let planned = outcome.finished + outcome.reused + outcome.failed.len();
    Err(CliError::TrialsFailed { failed: outcome.failed.len(), planned })
}

/// Prints what a run of these cells would do.
pub(super) fn show(
    design: &Design,
    cells: &CellArgs,
    options: &Options,
    session: &Session,
    as_json: bool,
) -> Result<(), CliError> {
    let chosen = cells.choose(design)?;
    let preview = preview_cells(design, &chosen, options, &session.context())?;
    if as_json {
        return json(&serde_json::json!({
            "design": design.name,
            "cells": chosen.iter().map(|cell| design.cell_name(cell)).collect::<Vec<_>>(),
            "trials": preview.trials,
            "distinct": preview.distinct,
            "left": preview.left,
        }));
    }
    line(format_args!(
        "design {}: {}, {} of {}",
        design.name,
        plural(design.factors.len(), "factor"),
        chosen.len(),
        plural(design.cells.len(), "cell")
    ))?;
    let rows: Vec<Vec<String>> = chosen
        .iter()
        .map(|cell| {
            let of_plan = preview.plans.iter().find(|plan| plan.study == cell.plan.study.name);
            let trials = of_plan.map_or(0, |plan| plan.trials.len());
            let left = of_plan.map_or(0, |plan| plan.trials.iter().filter(|trial| trial.standing.is_left()).count());
            vec![design.cell_name(cell), trials.to_string(), left.to_string()]
        })
        .collect();
    line(table(&["cell", "trials", "left"], &rows))?;
    line(format_args!(
        "{} in all, {} distinct (equal trials are run once), {} left to train",
        plural(preview.trials, "trial"),
        preview.distinct,
        preview.left
    ))?;
    let time =
        preview.plans.iter().map(|plan| plan.time).fold(std::time::Duration::ZERO, std::time::Duration::saturating_add);
    let disk = preview.plans.iter().map(|plan| plan.disk_bytes).max().unwrap_or(0);
    line(format_args!(
        "training left: at most about {}; disk: from about {}",
        human_duration(time),
        human_bytes(disk)
    ))?;
    let mut warnings: Vec<&String> = preview.plans.iter().flat_map(|plan| &plan.warnings).collect();
    warnings.sort();
    warnings.dedup();
    warnings.into_iter().try_for_each(line)
}
