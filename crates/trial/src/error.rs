//! What can go wrong in a trial.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_data::cache::CacheError;
use augtrial_plan::networks::NetworkFileError;

/// Why a trial did not end well, or cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The stop flag was set. Nothing is lost: the same call continues where this one stopped.
    #[error("interrupted after {updates} updates, {epochs} finished epochs; the state is saved, run again to continue")]
    Interrupted { epochs: u32, updates: u64 },

    #[error("the {} set is empty: every part needs at least one image", split.name())]
    EmptySet { split: Split },

    #[error("{} image `{path}` has label {label}, but there are {classes} classes", split.name())]
    Label { split: Split, path: String, label: u32, classes: usize },

    #[error(
        "the last batch of a pass holds a single image, and at {width_px}x{height_px} px batch normalization then has one \
         value per channel: choose a batch size that does not leave a remainder of 1 for {samples} samples"
    )]
    LoneSample { samples: usize, width_px: u32, height_px: u32 },

    #[error("the budget or the batch size is zero: there is nothing to train")]
    NoBudget,

    #[error(
        "`eval_resize_px = {eval_resize_px}` makes images of {resized_width_px}x{resized_height_px} px, too small for the \
         center crop of {width_px}x{height_px} px: choose a larger value"
    )]
    CropBeyondImage {
        eval_resize_px: u32,
        resized_width_px: u32,
        resized_height_px: u32,
        width_px: u32,
        height_px: u32,
    },

    #[error("device `{device}` is not available: {reason}")]
    Device { device: String, reason: String },

    #[error(
        "{what} is not finite in epoch {epoch}, at update {update} with learning rate {learning_rate:e}: try a lower rate"
    )]
    NonFinite { what: &'static str, epoch: u32, update: u64, learning_rate: f64 },

    #[error(transparent)]
    NetworkFile(#[from] NetworkFileError),

    #[error("the network {} cannot be used: {problem}", path.display())]
    NetworkUnusable { path: PathBuf, problem: String },

    #[error("cannot read the pretrained weights {}", path.display())]
    PretrainedUnreadable { path: PathBuf, source: Box<dyn Error + Send + Sync> },

    #[error("the pretrained weights {} do not fit {architecture}: {problem}", path.display())]
    PretrainedMisfit { path: PathBuf, architecture: String, problem: String },

    #[error("cannot {action} the checkpoint {}", path.display())]
    CheckpointIo { action: &'static str, path: PathBuf, source: io::Error },

    #[error("the checkpoint {} is damaged ({problem}): delete it to train from the start", path.display())]
    CheckpointDamaged { path: PathBuf, problem: String },

    #[error(
        "the checkpoint {} is of another trial (its key is {}, this one's {}): delete it or choose another folder",
        path.display(), found.short(), expected.short()
    )]
    CheckpointForeign { path: PathBuf, found: Digest, expected: Digest },

    /// An image that is not among the decoded ones changed, or cannot be read any more.
    #[error(transparent)]
    Pixels(#[from] CacheError),

    #[error("the run's record could not be written")]
    Observer(#[source] io::Error),

    #[error("a program without LibTorch cannot look at images with a network: install `augtrial-torch` beside it")]
    NoNetworks,

    #[error("the trainer failed")]
    Trainer(#[source] Box<dyn Error + Send + Sync>),

    #[error("LibTorch refused an operation")]
    Torch(#[source] Box<dyn Error + Send + Sync>),
}

impl TrainError {
    /// The message for somebody who has taken its advice: what is wrong, without what to do.
    #[must_use]
    pub fn without_advice(&self) -> String {
        match self {
            Self::CheckpointDamaged { path, problem } => {
                format!("the checkpoint {} is damaged ({problem})", path.display())
            }
            Self::CheckpointForeign { path, .. } => format!("the checkpoint {} is of another trial", path.display()),
            other => other.to_string(),
        }
    }
}
