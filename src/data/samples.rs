//! Sets of samples that are ready for the trainer.
//!
//! A [`TrainingSet`] can only be made from the training part (see `split`), so that under the leak-free protocol no image
//! derived from a test source can be trained on: there is no way to write it down.

use serde::{Deserialize, Serialize};

use super::pixels::PixelStore;
use crate::digest::Digest;
use crate::events::Split;

/// One sample: where its pixels are, what it is, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Index into the pixel store.
    pub pixels: usize,
    /// Index of the class.
    pub label: u32,
    /// Digest of the image's own file.
    pub image: Digest,
    /// Digest of the original: its own, unless derived.
    pub source: Digest,
    /// Path below the data set's root, or below the set's folder if derived.
    pub path: String,
    /// Whether a recipe made it.
    pub derived: bool,
}

/// What one arm trains on.
#[derive(Clone, Debug)]
pub struct TrainingSet {
    samples: Vec<Sample>,
    pixels: PixelStore,
    originals: usize,
}

impl TrainingSet {
    /// Only `data::split` and its tests can vouch for the samples' part.
    pub(super) fn from_parts(samples: Vec<Sample>, pixels: PixelStore, originals: usize) -> Self {
        Self { samples, pixels, originals }
    }

    /// The samples, in their recorded order.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The pixels behind the samples.
    #[must_use]
    pub fn pixels(&self) -> &PixelStore {
        &self.pixels
    }

    /// Number of distinct originals among the sources: the size of a control epoch.
    #[must_use]
    pub fn originals(&self) -> usize {
        self.originals
    }

    /// Digest of the samples' content, labels and order.
    #[must_use]
    pub fn digest(&self) -> Digest {
        content_digest("training-set-v1", &self.samples)
    }

    /// A set for tests of the trainer.
    #[cfg(test)]
    #[must_use]
    pub fn for_tests(samples: Vec<Sample>, pixels: PixelStore) -> Self {
        let originals = samples.len();
        Self::from_parts(samples, pixels, originals)
    }
}

/// What a trial is validated or tested on.
#[derive(Clone, Debug)]
pub struct EvaluationSet {
    split: Split,
    samples: Vec<Sample>,
    pixels: PixelStore,
}

impl EvaluationSet {
    /// Samples of a part that is not the training part.
    ///
    /// # Panics
    /// If `split` is the training part.
    #[must_use]
    pub fn new(split: Split, samples: Vec<Sample>, pixels: PixelStore) -> Self {
        assert_ne!(split, Split::Train, "an evaluation set is not the training part");
        Self { split, samples, pixels }
    }

    /// Which part this is.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split
    }

    /// The samples, in their recorded order.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Digest of the samples' content, labels and order.
    #[must_use]
    pub fn digest(&self) -> Digest {
        content_digest("evaluation-set-v1", &self.samples)
    }

    /// The pixels behind the samples.
    #[must_use]
    pub fn pixels(&self) -> &PixelStore {
        &self.pixels
    }
}

fn content_digest(domain: &str, samples: &[Sample]) -> Digest {
    let content: Vec<_> = samples.iter().map(|s| (s.image, s.label, s.derived)).collect();
    Digest::of_value(domain, &content)
}
