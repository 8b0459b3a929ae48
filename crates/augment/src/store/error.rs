//! What can go wrong with a stored set.

use std::io;
use std::path::{Path, PathBuf};

use augtrial_base::digest::Digest;

/// A set could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed: no space, no permission, no such file.
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// A finished set is not what its manifest says.
    #[error("the set {} is damaged: {problem}; the next run makes it anew", folder.display())]
    Damaged { folder: PathBuf, problem: String },
    /// A source's pixels do not fit the working size.
    #[error("source {image} has {found_bytes} bytes of pixels where {width_px} x {height_px} px need {needed_bytes}")]
    SourceSize { image: Digest, found_bytes: usize, needed_bytes: usize, width_px: u32, height_px: u32 },
    /// The recipe changes the size of images, which a set cannot.
    #[error(
        "the recipe turned copy {copy} of {image} into {} x {} px, but images of a set keep the working size of \
         {} x {} px: remove explicit sizes from the recipe", made_px.0, made_px.1, working_px.0, working_px.1
    )]
    MadeSize { image: Digest, copy: u32, made_px: (u32, u32), working_px: (u32, u32) },
    /// The maker of images failed as a whole.
    #[error("{tool} could not make images from {image} on")]
    Maker { tool: String, image: Digest, source: MakerError },
    /// Asked to stop. What was made is kept, and the next attempt continues there.
    #[error("stopped after {done} of {planned} images of set {}; run again to continue", set.short())]
    Interrupted { set: Digest, done: usize, planned: usize },
}

/// Why a maker gave up.
pub type MakerError = Box<dyn std::error::Error + Send + Sync>;

/// Names the action and the path of a failed file operation.
pub(super) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { action, path: path.to_owned(), source })
    }
}
