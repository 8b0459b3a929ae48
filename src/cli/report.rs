//! `augtrial report`.

use super::CliError;
use super::args::{Global, ReportArgs};
use super::output::line;
use super::session::workspace;
use super::study_name::open_study;
use crate::study::{Pictures, verify_report_of, write_report_of};

pub(super) fn report(args: &ReportArgs, global: &Global) -> Result<(), CliError> {
    let (registry, plan) = open_study(&args.study, global)?;
    let workspace = workspace(global);
    let pictures = if args.without_pictures { Pictures::LeftOut } else { Pictures::Shown };
    if !args.verify {
        let written = write_report_of(&plan, &registry, &workspace, pictures)?;
        return line(format_args!("report: {}", written.display()));
    }
    let found = verify_report_of(&plan, &registry, &workspace, pictures)?;
    let folder = workspace.reports.join(&plan.study.name);
    for (what, paths) in [("differs", &found.differing), ("missing", &found.missing), ("extra", &found.extra)] {
        paths.iter().try_for_each(|path| line(format_args!("{what}: {path}")))?;
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
