//! What can go wrong in a command, and the exit code it ends with.

use std::io;
use std::path::PathBuf;

use crate::plan::PlanError;

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{0}")]
    Arguments(String),
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

impl CliError {
    /// 1 internal, 2 experiment file or arguments, 3 data, 4 some trials failed, 5 registry.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) | Self::Arguments(_) => 2,
            Self::Write { .. } | Self::Output(_) => 1,
        }
    }
}
