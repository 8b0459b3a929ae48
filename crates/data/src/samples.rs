//! Sets of samples that are ready for the trainer.
//!
//! A [`TrainingSet`] can only be made from the training part (see `split`), so that under the leak-free protocol no image
//! derived from a test source can be trained on: there is no way to write it down.

use serde::{Deserialize, Serialize};

use super::pixels::PixelStore;
use super::stand_ins::StandIns;
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;

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
    /// Absent where derived images are samples.
    stand_ins: Option<StandIns>,
    drawn_by_class: bool,
}

impl TrainingSet {
    /// Only `data::split` and its tests can vouch for the samples' part.
    pub(super) fn from_parts(samples: Vec<Sample>, pixels: PixelStore, originals: usize) -> Self {
        Self { samples, pixels, originals, stand_ins: None, drawn_by_class: false }
    }

    /// The same with images that stand in for its samples; only `data::sets` can vouch for their part.
    pub(super) fn with_stand_ins(self, stand_ins: StandIns) -> Self {
        Self { stand_ins: Some(stand_ins), ..self }
    }

    /// The same, of which every pass draws as many samples, each class equally often, with replacement.
    #[must_use]
    pub fn drawn_by_class(self) -> Self {
        Self { drawn_by_class: true, ..self }
    }

    /// The same with further samples behind it; only `data::sets` can vouch for them.
    pub(super) fn with_more(mut self, samples: Vec<Sample>) -> Self {
        self.samples.extend(samples);
        self
    }

    /// The samples, in their recorded order.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// What stands in for the samples when they are drawn, if anything does.
    #[must_use]
    pub fn stand_ins(&self) -> Option<&StandIns> {
        self.stand_ins.as_ref()
    }

    /// Whether a pass draws samples by their classes, instead of showing each once.
    #[must_use]
    pub fn is_drawn_by_class(&self) -> bool {
        self.drawn_by_class
    }

    /// Samples of each class of `classes`.
    #[must_use]
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for sample in &self.samples {
            counts[sample.label as usize] += 1;
        }
        counts
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
        let samples = content_digest("training-set-v1", &self.samples);
        let set = match &self.stand_ins {
            None => samples,
            Some(of) => {
                let images = content_digest("stand-ins-v1", of.images());
                Digest::of_value("training-set-replacing-v1", &(samples, images, of.rule()))
            }
        };
        if self.drawn_by_class { Digest::of_value("training-set-by-class-v1", &set) } else { set }
    }

    /// A set for tests of the trainer.
    #[cfg(any(test, feature = "testing"))]
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

/// A set to be judged on beside the test part, with its name.
#[derive(Clone, Debug)]
pub struct FurtherSet {
    pub name: String,
    pub set: EvaluationSet,
}

fn content_digest(domain: &str, samples: &[Sample]) -> Digest {
    let content: Vec<_> = samples.iter().map(|s| (s.image, s.label, s.derived)).collect();
    Digest::of_value(domain, &content)
}
