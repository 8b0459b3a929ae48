//! Where and by what a run is made.

use std::collections::BTreeMap;
use std::path::Path;

use super::jobs::Crew;
use super::key::TRAINER_VERSION;
use super::{Context, StudyError};
use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::classifier::Device;
use crate::registry::{ExperimentSource, Making, Provenance};
use crate::train::Setup;

/// How `--seeds` is recorded among the overrides.
const SEEDS_OVERRIDE: &str = "study.seeds=";

/// What trains in this build, as label and value, for people.
#[must_use]
pub fn training_setup() -> Vec<[String; 2]> {
    match Setup::of(Device::Auto) {
        Ok(setup) => vec![
            ["LibTorch".to_owned(), setup.libtorch],
            ["device".to_owned(), setup.device],
            ["CPU kernels".to_owned(), setup.cpu_capability],
            ["bit-identical reruns".to_owned(), if setup.bit_identical { "yes" } else { "not promised" }.to_owned()],
        ],
        Err(error) => vec![["LibTorch".to_owned(), format!("unusable: {error}")]],
    }
}

/// What can be told of this process and machine. Call it after the number of threads was set.
pub(super) fn collect(plan: &Plan, crew: Crew, context: &Context<'_>) -> Result<Provenance, StudyError> {
    let setup = Setup::of(plan.classifier.device)?;
    let experiment = context.experiment.map(|path| {
        let read = |source| StudyError::Read { path: path.to_owned(), source };
        let digest = Digest::of_file(path).map_err(read)?;
        let seeds = declared_seeds(path, context.overrides);
        Ok::<_, StudyError>(ExperimentSource { path: path.display().to_string(), digest, seeds })
    });
    let making = Making {
        backend: BTreeMap::from([
            ("libtorch".to_owned(), setup.libtorch),
            ("cpu_capability".to_owned(), setup.cpu_capability),
            ("trainer".to_owned(), TRAINER_VERSION.to_string()),
        ]),
        threads: crew.threads,
        jobs: Some(crew.jobs),
        device: setup.device,
        determinism: BTreeMap::from([
            ("bit_identical".to_owned(), setup.bit_identical.to_string()),
            ("omp_wait_policy".to_owned(), std::env::var("OMP_WAIT_POLICY").unwrap_or_else(|_| "unset".to_owned())),
        ]),
        command_line: context.command_line.to_vec(),
        experiment: experiment.transpose()?,
        overrides: context.overrides.to_vec(),
    };
    let here = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
    Ok(Provenance::collect(making, &here))
}

/// Seeds of the experiment file itself: a run of some of them is not a declaration of fewer. None if the file cannot be
/// read as it was any more.
fn declared_seeds(path: &Path, overrides: &[String]) -> Vec<u64> {
    let others: Vec<String> = overrides.iter().filter(|set| !set.starts_with(SEEDS_OVERRIDE)).cloned().collect();
    Plan::load(path, &others).map(|plan| plan.study.seeds).unwrap_or_default()
}
