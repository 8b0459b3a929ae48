//! What makes the images of a set: the seam between the store and transforms, diffusion editors and what may come.

use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::MakerError;
use crate::{Augmenter as _, Pipeline};
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_data::cache::CacheError;
use augtrial_data::manifest::EditRecord;
use augtrial_data::pixels::Pixels;
use augtrial_plan::transform::Transform;

/// One image that others are derived from.
#[derive(Clone, Copy, Debug)]
pub struct SourceImage<'a> {
    /// Digest of the image's file.
    pub digest: Digest,
    /// Path below the data set's root. Not recorded: moving a file changes no set.
    pub path: &'a str,
    /// Index of the class.
    pub class: u32,
    /// Pixels at the working size, `[H, W, 3]`; read when an image is made of them.
    pub pixels: Pixels<'a>,
}

/// One image to make.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    pub source: &'a SourceImage<'a>,
    /// From 0.
    pub copy: u32,
    /// The working size.
    pub width_px: u32,
    pub height_px: u32,
}

impl Planned<'_> {
    /// The source's pixels as an image of its own.
    ///
    /// # Errors
    /// If the source has to be decoded for it, and cannot be.
    pub fn source_image(&self) -> Result<RgbImage, CacheError> {
        let rgb = self.source.pixels.rgb()?.into_owned();
        Ok(RgbImage::from_raw(self.width_px, self.height_px, rgb).expect("the store checks the size of every source"))
    }
}

/// Why a planned image is not in the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub reason: MissingReason,
    /// The particulars, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The kinds of reasons, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingReason {
    /// The source or the result cannot be decoded.
    Undecodable,
    /// The result is black, e.g. by a safety filter.
    Black,
    /// The result equals its source, though a change was asked for.
    Unchanged,
    /// A filter of the recipe rejected it.
    Filtered,
    /// The tool failed on this image alone.
    Failed,
    /// Nobody made it: a table of edits does not name it.
    Absent,
    /// A gate left it out: a network takes it for another class.
    GatedAgreement,
    /// A gate left it out: a network confidently takes it for another class.
    GatedMislabeled,
    /// A gate left it out: a network is confident of its class, and it is nearly its source.
    GatedTooEasy,
    /// A gate left it out: the probability of its class is out of bounds.
    GatedConfidence,
    /// A gate left it out: its pixels differ too little or too much from its source.
    GatedChangeLevels,
    /// A gate left it out: its structure is too near to its source's, or too far.
    GatedChangeSsim,
    /// A gate left it out: its features are too near to its source's, or too far.
    GatedChangeFeatures,
    /// A random gate left it out.
    GatedRandom,
}

impl MissingReason {
    /// The name used in manifests and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Black => "black",
            Self::Unchanged => "unchanged",
            Self::Filtered => "filtered",
            Self::Failed => "failed",
            Self::Absent => "absent",
            Self::GatedAgreement => "gated-agreement",
            Self::GatedMislabeled => "gated-mislabeled",
            Self::GatedTooEasy => "gated-too-easy",
            Self::GatedConfidence => "gated-confidence",
            Self::GatedChangeLevels => "gated-change-levels",
            Self::GatedChangeSsim => "gated-change-ssim",
            Self::GatedChangeFeatures => "gated-change-features",
            Self::GatedRandom => "gated-random",
        }
    }

    /// Whether the image was made, and a gate left it out.
    #[must_use]
    pub fn is_gate(self) -> bool {
        self.name().starts_with("gated-")
    }
}

/// What became of one planned image.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub result: Result<RgbImage, Missing>,
    /// For the lineage, if an editor made it.
    pub edit: Option<EditRecord>,
}

impl From<RgbImage> for Made {
    fn from(image: RgbImage) -> Self {
        Self { result: Ok(image), edit: None }
    }
}

impl From<Missing> for Made {
    fn from(missing: Missing) -> Self {
        Self { result: Err(missing), edit: None }
    }
}

/// Makes derived images, a batch at a time.
///
/// The same planned image must always give the same result: the store resumes and reuses by that promise.
pub trait DerivedImageMaker: Sync {
    /// Name and version of the tool, with everything about it that changes pixels (a model bundle's digest, too).
    fn tool(&self) -> String;

    /// The largest number of images per call. What is made in one call is recorded together: an interruption loses at
    /// most this many.
    fn batch_size(&self) -> usize;

    /// Makes the planned images, in their order: one result each, of the working size.
    ///
    /// # Errors
    /// If the tool as a whole fails, and the next image would fail too. A single image that cannot be made is
    /// [`Missing`].
    fn make_batch(&self, batch: &[Planned<'_>]) -> Result<Vec<Made>, MakerError>;
}

/// Raised whenever any transform gives other pixels for the same draws, or draws otherwise.
const TRANSFORMS_VERSION: u32 = 1;

/// Images per call of [`TransformMaker`]: enough for many cores, few enough to lose nothing that matters.
const TRANSFORM_BATCH: usize = 256;

/// Makes images by the transforms of a recipe step.
pub struct TransformMaker {
    pipeline: Pipeline,
    recipe: Digest,
    seed: StudySeed,
}

impl TransformMaker {
    /// `recipe` is the digest of the step the transforms belong to; with the study seed it decides every draw.
    #[must_use]
    pub fn new(transforms: &[Transform], recipe: Digest, seed: StudySeed) -> Self {
        Self { pipeline: Pipeline::new(transforms), recipe, seed }
    }
}

impl DerivedImageMaker for TransformMaker {
    fn tool(&self) -> String {
        format!("augtrial-transforms {TRANSFORMS_VERSION}")
    }

    fn batch_size(&self) -> usize {
        TRANSFORM_BATCH
    }

    fn make_batch(&self, batch: &[Planned<'_>]) -> Result<Vec<Made>, MakerError> {
        let make = |planned: &Planned<'_>| {
            let purpose = Purpose::Offline { recipe: self.recipe, image: planned.source.digest };
            let mut rng = self.seed.stream(purpose, u64::from(planned.copy));
            Ok(Made::from(self.pipeline.apply(planned.source_image()?, &mut rng)))
        };
        batch.par_iter().map(make).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_plan::transform::{GaussianNoise, HorizontalFlip, RandomCrop, Shift};

    /// Recorded once. If this changes, raise [`TRANSFORMS_VERSION`], or sets made before are taken for sets made now.
    #[test]
    fn draws_and_pixels_are_pinned() {
        let transforms = [
            Transform::HorizontalFlip(HorizontalFlip::default()),
            Transform::RandomCrop(RandomCrop::default()),
            Transform::Shift(Shift::default()),
            Transform::GaussianNoise(GaussianNoise::default()),
        ];
        let maker = TransformMaker::new(&transforms, Digest::of_bytes(b"recipe"), StudySeed(7));
        let rgb: Vec<u8> = (0..16 * 12 * 3).map(|i| (i * 7 % 256) as u8).collect();
        let source =
            SourceImage { digest: Digest::of_bytes(b"image"), path: "a/b.jpg", class: 0, pixels: Pixels::Bytes(&rgb) };
        let planned = Planned { source: &source, copy: 2, width_px: 16, height_px: 12 };
        let made = maker.make_batch(&[planned]).unwrap().remove(0).result.unwrap();
        assert_eq!(Digest::of_bytes(made.as_raw()).short(), "43b799125621");
    }
}
