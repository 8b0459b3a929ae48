//! Which recorded study an argument means.

use std::path::{Path, PathBuf};

use super::CliError;
use super::args::{Experiment, Global};
use super::session::{Session, is_experiment_file};
use augtrial_base::clock::Clock;
use augtrial_plan::Plan;
use augtrial_registry::Registry;
use augtrial_study::as_tuned;

/// The registry, and the plan of the study that was named: an experiment file, a study's name, the beginning of a plan's
/// digest, or `latest`.
pub(super) fn open_study(argument: &str, global: &Global) -> Result<(Registry, Plan), CliError> {
    let registry = Registry::open(&global.runs, Clock::System)?;
    let file = Path::new(argument);
    let plan = if is_experiment_file(file) {
        Session::open(&Experiment::unchanged(file), global)?.plan
    } else {
        let found = registry.find_study(argument)?;
        Plan::parse(&found.study, &found.plan_toml, PathBuf::new(), &[])?
    };
    let plan = as_tuned(&plan, &registry).map_err(CliError::from)?.into_owned();
    Ok((registry, plan))
}
