//! The trait of a transform of one image, the one table of its implementations, and their sequence.

use image::RgbImage;

use super::geometric::{HorizontalFlip, VerticalFlip};
use crate::plan::transform::Transform;
use crate::seed::Stream;

/// A random transform of one image.
///
/// Implemented on the parameter types of [`crate::plan::transform`]. Each implementation first draws its parameters,
/// with torchvision's distributions where it has the operation, then hands them to a deterministic kernel.
pub trait Augmenter: Send + Sync {
    /// Transforms an image; whatever is random comes from `rng`.
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage;
}

/// The implementation of each transform that a recipe may name.
#[must_use]
pub fn augmenter(transform: &Transform) -> Box<dyn Augmenter> {
    match transform.clone() {
        Transform::HorizontalFlip(flip) => Box::new(HorizontalFlip(flip)),
        Transform::VerticalFlip(flip) => Box::new(VerticalFlip(flip)),
        Transform::Rotation(rotation) => Box::new(rotation),
        Transform::QuarterTurns(turns) => Box::new(turns),
        Transform::RandomResizedCrop(crop) => Box::new(crop),
        Transform::RandomCrop(crop) => Box::new(crop),
        Transform::Shift(shift) => Box::new(shift),
        Transform::ColorJitter(jitter) => Box::new(jitter),
        Transform::HsvScale(scale) => Box::new(scale),
        Transform::LabScale(scale) => Box::new(scale),
        Transform::GaussianNoise(noise) => Box::new(noise),
        Transform::SaltAndPepper(noise) => Box::new(noise),
        Transform::GaussianBlur(blur) => Box::new(blur),
        Transform::RandomErasing(erasing) => Box::new(erasing),
        Transform::Cutout(cutout) => Box::new(cutout),
    }
}

/// Transforms applied one after the other, drawing from one stream.
pub struct Pipeline(Vec<Box<dyn Augmenter>>);

impl Pipeline {
    /// The transforms in the order of the recipe.
    #[must_use]
    pub fn new(transforms: &[Transform]) -> Self {
        Self(transforms.iter().map(augmenter).collect())
    }

    /// Whether there is nothing to apply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Augmenter for Pipeline {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        self.0.iter().fold(image, |image, augmenter| augmenter.apply(image, rng))
    }
}
