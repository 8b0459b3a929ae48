//! Training and evaluation sets made of the parts without leaks: a derived image is accepted only if its source is in
//! the training part, and evaluation is on originals.

use std::collections::BTreeMap;

use super::manifest::ImageRecord;
use super::parts::{EvaluationPart, TrainPart};
use super::pixels::PixelStore;
use super::samples::{EvaluationSet, Sample, TrainingSet};
use super::stand_ins::StandIns;
use augtrial_base::digest::Digest;
use augtrial_plan::replace::Replace;

/// Where the pixels of originals are, by the digest of their files.
#[derive(Clone, Debug, Default)]
pub struct PixelIndex(BTreeMap<Digest, usize>);

impl PixelIndex {
    /// For a block whose first image has the running index `first` and whose images have these digests, in order.
    #[must_use]
    pub fn new(first: usize, digests: impl IntoIterator<Item = Digest>) -> Self {
        Self(digests.into_iter().enumerate().map(|(i, digest)| (digest, first + i)).collect())
    }

    fn find(&self, image: &ImageRecord, pixels: &PixelStore) -> Result<usize, SetError> {
        let missing = || SetError::NoPixels { path: image.path.clone(), image: image.digest };
        self.0.get(&image.digest).copied().filter(|&index| index < pixels.len()).ok_or_else(missing)
    }
}

/// A derived image as a candidate for training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Digest of the original's file, from the lineage.
    pub source: Digest,
    /// Index of the class.
    pub class: u32,
    /// Digest of the image's own file.
    pub image: Digest,
    /// Path below the set's folder.
    pub path: String,
    /// Index into the pixel store.
    pub pixels: usize,
}

/// A set cannot be made of these images.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SetError {
    #[error(
        "derived image {path} comes from {source_digest}, which is not in the training part: training on it would leak; \
         make the set again from the training part"
    )]
    Leak { path: String, source_digest: Digest },
    #[error("extra image {path} is an image of the validation or test part: training on it would leak; leave it out")]
    Judged { path: String },
    #[error("there are no pixels for {path} ({image}): decode it into the store first")]
    NoPixels { path: String, image: Digest },
}

pub(super) fn original(image: &ImageRecord, pixels: &PixelStore, index: &PixelIndex) -> Result<Sample, SetError> {
    Ok(Sample {
        pixels: index.find(image, pixels)?,
        label: image.class,
        image: image.digest,
        source: image.digest,
        path: image.path.clone(),
        derived: false,
    })
}

pub(super) fn derived(image: Derived, pixels: &PixelStore) -> Result<Sample, SetError> {
    if image.pixels >= pixels.len() {
        return Err(SetError::NoPixels { path: image.path, image: image.image });
    }
    Ok(Sample {
        pixels: image.pixels,
        label: image.class,
        image: image.image,
        source: image.source,
        path: image.path,
        derived: true,
    })
}

/// Derived images whose sources are all in the part.
fn derived_of(
    part: &TrainPart,
    pixels: &PixelStore,
    images: impl IntoIterator<Item = Derived>,
) -> Result<Vec<Sample>, SetError> {
    let checked = |image: Derived| {
        if !part.contains(image.source) {
            return Err(SetError::Leak { path: image.path, source_digest: image.source });
        }
        derived(image, pixels)
    };
    images.into_iter().map(checked).collect()
}

impl TrainingSet {
    /// The originals of `part`, each `repeat` times, then the derived images in their order.
    ///
    /// # Errors
    /// If a derived image's source is not in the part, or an image has no pixels in the store.
    pub fn leak_free(
        part: &TrainPart,
        pixels: PixelStore,
        originals: &PixelIndex,
        repeat: u32,
        derived_images: impl IntoIterator<Item = Derived>,
    ) -> Result<Self, SetError> {
        let once: Vec<Sample> =
            part.sources().iter().map(|image| original(image, &pixels, originals)).collect::<Result<_, _>>()?;
        let mut samples = Vec::with_capacity(once.len() * repeat as usize);
        for _ in 0..repeat {
            samples.extend_from_slice(&once);
        }
        samples.extend(derived_of(part, &pixels, derived_images)?);
        Ok(Self::from_parts(samples, pixels, once.len()))
    }

    /// The originals of `part`, each `repeat` times, for which derived images stand in by `rule`.
    ///
    /// # Errors
    /// As [`leak_free`](Self::leak_free).
    pub fn replacing(
        part: &TrainPart,
        pixels: PixelStore,
        originals: &PixelIndex,
        repeat: u32,
        derived_images: impl IntoIterator<Item = Derived>,
        rule: Replace,
    ) -> Result<Self, SetError> {
        let stand_ins = StandIns::new(rule, derived_of(part, &pixels, derived_images)?);
        Ok(Self::leak_free(part, pixels, originals, repeat, [])?.with_stand_ins(stand_ins))
    }
}

impl TrainingSet {
    /// Adds labelled images that have no source in the data set. None of them may be an image that the arm is judged by.
    ///
    /// # Errors
    /// If one is, or has no pixels in the store.
    pub fn with_extra(self, extra: Vec<Sample>, judged: [&EvaluationPart; 2]) -> Result<Self, SetError> {
        for sample in &extra {
            if judged.iter().any(|part| part.images().iter().any(|image| image.digest == sample.image)) {
                return Err(SetError::Judged { path: sample.path.clone() });
            }
            if sample.pixels >= self.pixels().len() {
                return Err(SetError::NoPixels { path: sample.path.clone(), image: sample.image });
            }
        }
        Ok(self.with_more(extra))
    }
}

impl EvaluationSet {
    /// The originals of `part`, and nothing else.
    ///
    /// # Errors
    /// If an image has no pixels in the store.
    pub fn of_originals(part: &EvaluationPart, pixels: PixelStore, originals: &PixelIndex) -> Result<Self, SetError> {
        let samples =
            part.images().iter().map(|image| original(image, &pixels, originals)).collect::<Result<_, _>>()?;
        Ok(Self::new(part.split(), samples, pixels))
    }
}

#[cfg(test)]
mod tests;
