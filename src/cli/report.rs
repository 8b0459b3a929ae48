//! `augtrial report`.

use std::sync::atomic::Ordering;

use clap::Args;

use super::CliError;
use super::args::{Global, STUDY_HELP};
use super::output::{line, tell};
use super::screen::link;
use super::session::{Signals, workspace};
use super::study_name::open_study;
use augtrial_base::words::chain;
use augtrial_registry::{Filter, Registry, SetAside};
use augtrial_study::{Pictures, moved_note, report_folder, verify_report_of, write_report_of};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[arg(default_value = "latest", help = STUDY_HELP)]
    pub(super) study: String,
    /// Write nothing: make the report again in memory, list every file that differs, is missing or is extra, and fail if any
    /// does.
    #[arg(long)]
    pub(super) verify: bool,
    /// Leave the gallery out: for data whose pictures may not be passed on.
    #[arg(long)]
    pub(super) without_pictures: bool,
}

pub(super) fn report(args: &ReportArgs, global: &Global) -> Result<(), CliError> {
    let (registry, plan) = open_study(&args.study, global)?;
    let workspace = workspace(global);
    let pictures = if args.without_pictures { Pictures::LeftOut } else { Pictures::Shown };
    if !args.verify {
        let signals = Signals::default();
        signals.listen()?;
        let written = write_report_of(&plan, &registry, &workspace, pictures, &signals.stop)?;
        if let Some(folder) = &written.moved {
            tell(moved_note(folder));
        }
        line(format_args!("page: {}", link(&written.page)))?;
        if signals.stop.load(Ordering::Relaxed) && !written.missing_figures.is_empty() {
            return Err(CliError::ReportInterrupted { figures: written.missing_figures.len() });
        }
        return written
            .missing_figures
            .iter()
            .try_for_each(|figure| line(format_args!("figure {figure} is missing: the report says why")));
    }
    let damaged = records_that_differ(&registry, &plan.study.name)?;
    let found = verify_report_of(&plan, &registry, &workspace, pictures)?;
    let folder = report_folder(&plan, &workspace);
    for (what, paths) in [("differs", &found.differing), ("missing", &found.missing), ("extra", &found.extra)] {
        paths.iter().try_for_each(|path| line(format_args!("{what}: {path}")))?;
    }
    if damaged > 0 {
        return Err(CliError::RecordsDiffer { damaged });
    }
    if found.matches() {
        return line(format_args!("ok: {} files of {} are what the registry gives", found.files, folder.display()));
    }
    Err(CliError::ReportDiffers {
        folder,
        differing: found.differing.len(),
        missing: found.missing.len(),
        extra: found.extra.len(),
    })
}

/// Compares the records that the report rests on with what they were when their runs ended, and lists those that differ.
fn records_that_differ(registry: &Registry, study: &str) -> Result<usize, CliError> {
    let mut damaged = registry.set_aside()?;
    for run in registry.list(&Filter { study: Some(study.to_owned()), ..Filter::default() })? {
        if let Err(error) = registry.verify(run.run) {
            damaged.push(SetAside { run: run.run, problem: chain(&error) });
        }
    }
    for SetAside { run, problem } in &damaged {
        line(format_args!("record of run {run}: {problem}"))?;
    }
    Ok(damaged.len())
}
