//! `augtrial report`.

use std::path::{Path, PathBuf};

use super::CliError;
use super::args::{Experiment, Global, ReportArgs};
use super::output::line;
use super::session::{Session, is_experiment_file, workspace};
use crate::clock::Clock;
use crate::plan::Plan;
use crate::registry::Registry;
use crate::study::write_report_of;

pub(super) fn report(args: &ReportArgs, global: &Global) -> Result<(), CliError> {
    let registry = Registry::open(&global.runs, Clock::System)?;
    let file = Path::new(&args.study);
    let plan = if is_experiment_file(file) {
        Session::open(&Experiment::unchanged(file), global)?.plan
    } else {
        let records = registry.study(&args.study)?;
        Plan::parse(&args.study, &records.plan_toml, PathBuf::new(), &[])?
    };
    let written = write_report_of(&plan, &registry, &workspace(global))?;
    line(format_args!("report: {}", written.display()))
}
