//! `augtrial export records` and `augtrial import`: records that travel between machines.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use super::args::Global;
use super::output::line;
use super::session::is_experiment_file;
use super::study_name::open_study;
use augtrial_base::clock::Clock;
use augtrial_base::progress::human_bytes;
use augtrial_base::words::plural;
use augtrial_plan::Plan;
use augtrial_plan::design::Design;
use augtrial_registry::Registry;
use augtrial_study::{as_tuned, runs_behind};

#[derive(Debug, Args)]
pub(super) struct RecordsArgs {
    /// An experiment file (all cells, if it is a design), a study's name, or `latest`.
    study: String,
    /// The file to write: a tar of everything but weights, compressed by Zstandard, or by gzip if its name ends in `.gz` or
    /// `.tgz`. An earlier one of this name is replaced, another file is not.
    file: PathBuf,
    /// Leave out the gallery's images, so that the file may be published where the photographs may not.
    #[arg(long)]
    without_pictures: bool,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// A file of `augtrial export records`.
    file: PathBuf,
}

pub(super) fn export(args: &RecordsArgs, global: &Global) -> Result<(), CliError> {
    let file = Path::new(&args.study);
    let design = if is_experiment_file(file) { Design::load(file, &[])? } else { None };
    let (registry, plans) = match &design {
        Some(design) => {
            let registry = Registry::open(&global.runs, Clock::System)?;
            let plans = design.plans(&design.cells).into_iter().map(|plan| Ok(as_tuned(plan, &registry)?.into_owned()));
            let plans: Vec<Plan> = plans.collect::<Result<_, CliError>>()?;
            (registry, plans)
        }
        None => open_study(&args.study, global).map(|(registry, plan)| (registry, vec![plan]))?,
    };
    let plans: Vec<&Plan> = plans.iter().collect();
    let runs = runs_behind(&plans, &registry)?;
    let searches = plans.iter().filter_map(|plan| plan.search_name());
    let studies: Vec<String> = plans.iter().map(|plan| plan.study.name.clone()).chain(searches).collect();
    let exported = registry.export_records(&studies, &runs, &args.file, !args.without_pictures)?;
    line(format_args!(
        "wrote {} of {} to {} ({}); {} that have not ended were left out",
        plural(exported.runs, "run"),
        plural(plans.len(), "plan"),
        args.file.display(),
        human_bytes(exported.bytes),
        exported.unfinished,
    ))
}

pub(super) fn import(args: &ImportArgs, global: &Global) -> Result<(), CliError> {
    let registry = Registry::lead(&global.runs, Clock::System)?;
    let imported = registry.import_records(&args.file)?;
    line(format_args!(
        "{} taken in, {} here before, unchanged; {} of studies taken in",
        plural(imported.runs, "run"),
        imported.known,
        plural(imported.studies, "folder"),
    ))
}
