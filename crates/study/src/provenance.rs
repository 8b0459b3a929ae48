//! Where and by what a run is made.

use std::collections::BTreeMap;
use std::path::Path;

use super::jobs::Crew;
use super::key::TRAINER_VERSION;
use super::{Context, StudyError};
use augtrial_base::digest::Digest;
use augtrial_external::PROTOCOL_VERSION;
use augtrial_plan::{Override, Plan};
use augtrial_registry::{ExperimentSource, Making, Provenance};
use augtrial_trial::kernels;

/// Name of the pinned kernels among what trains.
pub(super) const KERNELS_ENTRY: &str = "kernels";

/// What can be told of this process and machine. Call it after the number of threads was set.
pub(super) fn collect(plan: &Plan, crew: Crew, context: &Context<'_>) -> Result<Provenance, StudyError> {
    let setup = context.engine()?.setup(plan.classifier.device)?;
    let experiment = context.experiment.map(|path| {
        let read = |source| StudyError::Read { path: path.to_owned(), source };
        let digest = Digest::of_file(path).map_err(read)?;
        let seeds = declared_seeds(path, context.overrides);
        Ok::<_, StudyError>(ExperimentSource { path: path.display().to_string(), digest, seeds })
    });
    let mut backend = match &plan.classifier.command {
        Some(command) => BTreeMap::from([
            ("command".to_owned(), command.shown()),
            ("protocol".to_owned(), PROTOCOL_VERSION.to_string()),
        ]),
        None => BTreeMap::from([
            ("libtorch".to_owned(), setup.libtorch),
            ("cpu_capability".to_owned(), setup.cpu_capability),
            ("trainer".to_owned(), TRAINER_VERSION.to_string()),
        ]),
    };
    backend.extend(setup.gpu_name.map(|name| ("gpu".to_owned(), name)));
    // Left out where native, as it was before there was a choice.
    if !plan.classifier.kernels.is_native() {
        backend.insert(KERNELS_ENTRY.to_owned(), plan.classifier.kernels.name().to_owned());
    }
    if let Some(file) = plan.network_file()? {
        let source = &file.manifest().source;
        backend
            .insert("network".to_owned(), format!("{} by {}, digest {}", source.name, source.made_by, file.digest()));
    }
    let mut determinism = BTreeMap::from([
        ("bit_identical".to_owned(), setup.bit_identical.to_string()),
        ("omp_wait_policy".to_owned(), std::env::var("OMP_WAIT_POLICY").unwrap_or_else(|_| "unset".to_owned())),
    ]);
    determinism.extend(kernels::set_here().into_iter().map(|(name, value)| (format!("environment.{name}"), value)));
    let making = Making {
        backend,
        threads: crew.threads,
        jobs: Some(crew.jobs),
        device: setup.device,
        determinism,
        command_line: context.command_line.to_vec(),
        experiment: experiment.transpose()?,
        overrides: context.overrides.to_vec(),
    };
    let here = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
    Ok(Provenance::collect(making, &here))
}

/// Seeds of the experiment file itself: a run of some of them is not a declaration of fewer. None if the file cannot be
/// read as it was any more.
fn declared_seeds(path: &Path, overrides: &[Override]) -> Vec<u64> {
    let others: Vec<Override> =
        overrides.iter().filter(|change| !matches!(change, Override::Seeds(_))).cloned().collect();
    Plan::load(path, &others).map(|plan| plan.study.seeds).unwrap_or_default()
}
