//! The program that trains and edits: `augtrial-torch`, beside this one; or this one, where a command trains.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use augtrial_plan::classifier::{Device, Kernels};
use augtrial_plan::networks::Architecture;
use augtrial_trial::{Setup, kernels};

/// A program with the commands `worker`, which must call [`work`](super::work) on its standard input and output, `setup DEVICE`,
/// which must print a [`Setup`] as JSON, and `weights NETWORK FILE`, which must fail if the weights do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerProgram {
    pub path: PathBuf,
    /// Variables that it computes best with and that this process does not have: it would have to start itself again for them.
    pub environment: Vec<(&'static str, String)>,
    /// Whether it works without LibTorch: for studies whose trials a command trains and that edit nothing.
    pub without_torch: bool,
}

impl WorkerProgram {
    /// Starts as a worker that computes with these kernels; its standard input and output are for orders and answers.
    pub(super) fn worker(&self, kernels: Kernels) -> Command {
        let mut command = self.command();
        kernels::pin(&mut command, kernels);
        command.arg("worker");
        if self.without_torch {
            command.arg("--without-torch");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Whether the weights in `file` fit the network.
    ///
    /// # Errors
    /// Why not: layers that are missing, unknown or of another shape, or a file that is none of weights.
    pub fn check_weights(&self, architecture: Architecture, file: &Path) -> Result<(), String> {
        let output =
            self.command().args(["check-weights", architecture.name()]).arg(file).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot start {}: {error}", self.path.display()))?;
        if output.status.success() { Ok(()) } else { Err(problem(&output)) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What it computes on for `device`.
    ///
    /// # Errors
    /// Why it cannot tell: it is not there, or it cannot use the device.
    pub fn setup(&self, device: Device) -> Result<Setup, String> {
        let output = self.command().args(["setup", &device.to_string()]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot start {}: {error}", self.path.display()))?;
        if !output.status.success() {
            return Err(problem(&output));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{} is another version: {error}", self.path.display()))
    }
}

/// What the program said of its failure, in one line.
fn problem(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    let lines = told.lines().map(|line| line.trim().trim_start_matches("error: ").trim_start_matches("because: "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}
