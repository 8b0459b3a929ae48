//! From this program to the one that is linked with LibTorch, and the environment that LibTorch computes best in.
//!
//! The environment is read when the libraries are loaded, before `main`, so a program that needs it starts itself again where
//! something is missing. What the user has set is left alone, unless the plan pins its kernels.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use augtrial_plan::Plan;
use augtrial_plan::arm::Edit;
use augtrial_plan::classifier::Kernels;
use augtrial_study::{StudyError, WorkerProgram};
use augtrial_trial::{Engine, kernels};

use super::{CliError, libtorch};

/// Name of the program beside this one.
const PROGRAM: &str = "augtrial-torch";

/// Variables and the values they get if they are not set.
///
/// - Threads of OpenMP sleep while they wait: spinning on shared cores costs a factor of several.
/// - cuBLAS gets workspaces with which its sums run in one order (NVIDIA's manual, "Results Reproducibility"), for
///   `classifier.deterministic`.
/// - glibc keeps freed blocks of up to 32 MiB instead of giving them back after every operation: without, an edit by Stable
///   Diffusion 1.5's networks spends a tenth of its time on fresh pages (docs/ip2p-speed.md). Other C libraries ignore these.
const DEFAULTS: [(&str, &str); 4] = [
    ("OMP_WAIT_POLICY", "PASSIVE"),
    ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
];

/// The program that trains and edits.
///
/// # Errors
/// If it is not beside this program, or would not find its LibTorch.
pub(super) fn worker() -> Result<WorkerProgram, CliError> {
    let path = here()?.with_file_name(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        return Err(CliError::NoTorch { path });
    }
    let mut environment = missing();
    environment.extend(libtorch::environment(&path)?);
    Ok(WorkerProgram { path, environment, without_torch: false })
}

/// The program that works on this plan: this one, where a command trains and no arm needs the networks of an editor.
///
/// # Errors
/// As [`worker`].
pub(super) fn worker_for(plan: &Plan) -> Result<WorkerProgram, CliError> {
    let edits = plan.arms.iter().any(|arm| matches!(arm.edit, Some(Edit::Ip2p(_))));
    if plan.classifier.command.is_none() || edits {
        return worker();
    }
    Ok(WorkerProgram { path: here()?, environment: Vec::new(), without_torch: true })
}

/// The same for the scripts of a place, which run elsewhere: with every variable that it computes best with.
///
/// # Errors
/// As [`worker`].
pub(super) fn worker_elsewhere(plan: &Plan) -> Result<WorkerProgram, CliError> {
    let worker = worker_for(plan)?;
    if worker.without_torch {
        return Ok(worker);
    }
    let mut environment = owned(DEFAULTS.into_iter());
    environment.extend(libtorch::environment(&worker.path)?);
    Ok(WorkerProgram { environment, ..worker })
}

/// The engine of this process, in the environment that it computes best in, with these kernels. Without an engine, this process
/// becomes `augtrial-torch` with the same arguments; without that environment, it starts again.
///
/// # Errors
/// If this processor does not have the kernels, or the other program is missing or cannot be started.
pub(super) fn engine(engine: Option<&'static dyn Engine>, kernels: Kernels) -> Result<&'static dyn Engine, CliError> {
    kernels::check_processor(kernels).map_err(StudyError::from)?;
    let missing = missing();
    let (path, environment) = match engine {
        Some(engine) if kernels::in_force(kernels) && (missing.is_empty() || cfg!(not(unix))) => return Ok(engine),
        Some(_) => (here()?, missing),
        None => worker().map(|worker| (worker.path, worker.environment))?,
    };
    let mut command = Command::new(path);
    kernels::pin(command.envs(environment), kernels);
    Err(become_program(&mut command))
}

/// The defaults that are not set.
fn missing() -> Vec<(&'static str, String)> {
    owned(DEFAULTS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()))
}

fn owned(variables: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<(&'static str, String)> {
    variables.map(|(name, value)| (name, value.to_owned())).collect()
}

fn here() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|source| CliError::System { action: "find this program", source })
}

/// Replaces this process, its arguments kept. Returns only if that fails.
fn become_program(command: &mut Command) -> CliError {
    command.args(std::env::args_os().skip(1));
    CliError::System { action: "start the program that trains", source: replace(command) }
}

#[cfg(unix)]
fn replace(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

#[cfg(not(unix))]
fn replace(command: &mut Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
