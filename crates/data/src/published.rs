//! The as-published protocol: augment everything, then divide file by file.
//!
//! Many published studies did this. Evaluation images then have siblings, images of the same source, in training, and
//! accuracy is inflated. It exists to measure by how much, and only a plan that names it can reach it.

use std::collections::BTreeSet;

use super::manifest::{ImageRecord, Manifest};
use super::parts::Sources;
use super::pixels::PixelStore;
use super::samples::{EvaluationSet, Sample, TrainingSet};
use super::sets::{Derived, PixelIndex, SetError, derived, original};
use super::split::{Shares, SplitError, Unit, assign};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_base::seed::StudySeed;
use augtrial_plan::dataset::Protocol;

/// Streams of the file-by-file division start here; those of the division by source start at 0.
const FIRST_STREAM: u64 = 1 << 32;

/// Proof that the experiment asks, by name, for the as-published protocol.
#[derive(Clone, Copy, Debug)]
pub struct AsPublished(());

impl AsPublished {
    /// The consent of a plan with this protocol; nothing under any other.
    #[must_use]
    pub fn from_protocol(protocol: Protocol) -> Option<Self> {
        (protocol == Protocol::AsPublished).then_some(Self(()))
    }
}

/// Every image of the data set, for augmentation before the split.
#[must_use]
pub fn everything(manifest: &Manifest, _consent: AsPublished) -> Sources<'_> {
    Sources::new(&manifest.images)
}

/// What is divided file by file.
#[derive(Debug)]
pub struct Mixture<'a> {
    pub manifest: &'a Manifest,
    pub derived: Vec<Derived>,
    /// Holds the originals and the derived images.
    pub pixels: PixelStore,
    pub originals: &'a PixelIndex,
    /// How often the training part lists each of its originals; repeats never reach an evaluation part.
    pub repeat: u32,
}

/// Sets that mix originals and derived images.
#[derive(Clone, Debug)]
pub struct MixedSets {
    pub train: TrainingSet,
    pub validation: EvaluationSet,
    pub test: EvaluationSet,
}

/// The mixture cannot be divided.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MixError {
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(transparent)]
    Set(#[from] SetError),
}

/// Divides originals and derived images alike, at random within each class, whatever their sources.
///
/// # Errors
/// If a class is too small for the parts or an image has no pixels in the store.
pub fn split_mixed(
    mixture: Mixture<'_>,
    shares: Shares,
    seed: StudySeed,
    _consent: AsPublished,
) -> Result<MixedSets, MixError> {
    let Mixture { manifest, derived: derived_images, pixels, originals, repeat } = mixture;
    let mut samples = Vec::with_capacity(manifest.images.len() + derived_images.len());
    for image in &manifest.images {
        samples.push(original(image, &pixels, originals)?);
    }
    for image in derived_images {
        samples.push(derived(image, &pixels)?);
    }
    // By content, so that the order in which files were listed decides nothing.
    samples.sort_by(|a, b| (a.image, &a.path).cmp(&(b.image, &b.path)));
    let files: Vec<Unit> = samples.iter().enumerate().map(|(i, sample)| Unit::single(i, sample.label)).collect();
    let parts = assign(&files, &manifest.classes, shares, seed, FIRST_STREAM)?;
    let of = |part: Split| -> Vec<Sample> {
        let mut samples: Vec<Sample> =
            samples.iter().zip(&parts).filter(|&(_, &split)| split == part).map(|(sample, _)| sample.clone()).collect();
        samples.sort_by(|a, b| (a.derived, &a.path).cmp(&(b.derived, &b.path)));
        samples
    };
    Ok(MixedSets {
        train: training(of(Split::Train), &manifest.images, repeat, pixels.clone()),
        validation: EvaluationSet::new(Split::Validation, of(Split::Validation), pixels.clone()),
        test: EvaluationSet::new(Split::Test, of(Split::Test), pixels),
    })
}

fn training(once: Vec<Sample>, images: &[ImageRecord], repeat: u32, pixels: PixelStore) -> TrainingSet {
    let sources: BTreeSet<Digest> = once.iter().map(|sample| sample.source).collect();
    let originals = images.iter().filter(|image| sources.contains(&image.digest)).count();
    let (derived, real): (Vec<Sample>, Vec<Sample>) = once.into_iter().partition(|sample| sample.derived);
    let mut samples = Vec::with_capacity(real.len() * repeat as usize + derived.len());
    for _ in 0..repeat {
        samples.extend_from_slice(&real);
    }
    samples.extend(derived);
    TrainingSet::from_parts(samples, pixels, originals)
}

#[cfg(test)]
mod tests;
