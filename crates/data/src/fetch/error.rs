//! Why a data set cannot be fetched.

use std::io;
use std::path::PathBuf;

use augtrial_base::diagnostic::Diagnostics;
use augtrial_base::digest::Digest;

/// A data set that cannot be fetched. Nothing is left where it would have been.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("there is no data set `{name}`: {advice}")]
    Unknown { name: String, advice: String },
    #[error("the recipe has errors\n{0}")]
    Recipe(Diagnostics),
    #[error("cannot read {}: check that it exists and that you may read it", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: check its permissions and free space", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "cannot get {url}: {problem}; get it in another way, and name the file, or the folder that it is in, with --from"
    )]
    Get { url: String, problem: String },
    #[error("{from} is not what the recipe pins: its SHA-256 is {found}, and should be {expected}")]
    Hash { from: String, found: Digest, expected: Digest },
    #[error("{from} cannot be unpacked: {problem}")]
    Archive { from: String, problem: String },
    #[error(
        "what was unpacked is not what the recipe pins: its content is {found}, and should be {expected}; nothing is kept"
    )]
    Content { found: Digest, expected: Digest },
    #[error("{} is there, and is not what the recipe pins: {problem}; remove it, or name another folder with --to", folder.display())]
    Taken { folder: PathBuf, problem: String },
}
