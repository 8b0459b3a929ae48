//! The environment that LibTorch computes best in. It is read when the libraries are loaded, before `main`, so the program
//! starts itself again where something is missing. What the user has set is left alone.

use super::CliError;

/// Variables and the values they get if they are not set.
///
/// - Threads of OpenMP sleep while they wait: spinning on shared cores costs a factor of several.
/// - glibc keeps freed blocks of up to 32 MiB instead of giving them back after every operation: without, an edit by Stable
///   Diffusion 1.5's networks spends a tenth of its time on fresh pages (docs/ip2p-speed.md). Other C libraries ignore these.
#[cfg(unix)]
const DEFAULTS: [(&str, &str); 3] =
    [("OMP_WAIT_POLICY", "PASSIVE"), ("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "1073741824")];

/// Starts the program again unless every variable is set.
///
/// # Errors
/// If the program cannot be started again.
#[cfg(unix)]
pub(super) fn prepare() -> Result<(), CliError> {
    use std::os::unix::process::CommandExt as _;

    let missing: Vec<_> = DEFAULTS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let failed = |source| CliError::System { action: "start the program again", source };
    let program = std::env::current_exe().map_err(failed)?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    Err(failed(std::process::Command::new(program).args(arguments).envs(missing).exec()))
}

/// Elsewhere the environment is as it is.
#[cfg(not(unix))]
pub(super) fn prepare() -> Result<(), CliError> {
    Ok(())
}
