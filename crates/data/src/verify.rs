//! Whether the files on disk are still those of a manifest.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

use super::ingest::{IngestError, walk};
use super::manifest::{ImageRecord, LeftOut, Manifest};
use augtrial_base::digest::Digest;

/// What became of the files of a manifest. Paths are below the root, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Files whose content is the recorded one.
    pub unchanged: u64,
    /// Files of another content.
    pub changed: Vec<String>,
    /// Files that are gone, or cannot be read, with the reason.
    pub missing: Vec<LeftOut>,
    /// Files named like images that the manifest does not mention.
    pub new: Vec<String>,
}

impl Verification {
    /// Whether the data set is as it was recorded.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.new.is_empty()
    }
}

enum State {
    Unchanged,
    Changed,
    Missing(String),
}

/// Hashes every recorded file again, and looks for files that were not there.
///
/// # Errors
/// If a folder below `root` cannot be read.
pub fn verify(manifest: &Manifest, root: &Path) -> Result<Verification, IngestError> {
    let found = walk(root, "")?;
    let left_out = manifest.quarantined.iter().chain(&manifest.ignored).map(|file| &file.path);
    let mentioned: BTreeSet<&String> = manifest.images.iter().map(|image| &image.path).chain(left_out).collect();
    let new = found.images.into_iter().filter(|path| !mentioned.contains(path)).collect();
    let mut result = Verification { new, ..Verification::default() };
    let states: Vec<State> = manifest.images.par_iter().map(|image| state(image, root)).collect();
    for (image, state) in manifest.images.iter().zip(states) {
        let path = image.path.clone();
        match state {
            State::Unchanged => result.unchanged += 1,
            State::Changed => result.changed.push(path),
            State::Missing(reason) => result.missing.push(LeftOut { path, reason, class: Some(image.class) }),
        }
    }
    Ok(result)
}

fn state(image: &ImageRecord, root: &Path) -> State {
    match Digest::of_file(&root.join(&image.path)) {
        Ok(digest) if digest == image.digest => State::Unchanged,
        Ok(_) => State::Changed,
        Err(error) => State::Missing(error.to_string()),
    }
}
