//! The trait of a transform of one image, and transforms in a sequence.

use image::RgbImage;

use crate::Transform;
use augtrial_base::seed::Stream;

/// A random transform of one image.
///
/// Each implementation first draws its parameters, with torchvision's distributions where it has the operation, then hands
/// them to a deterministic kernel.
pub trait Augmenter: Send + Sync {
    /// Transforms an image; whatever is random comes from `rng`.
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage;
}

/// The implementation of a transform that a recipe names.
#[must_use]
pub fn augmenter(transform: &Transform) -> Box<dyn Augmenter> {
    transform.implementation()
}

/// Transforms applied one after the other, drawing from one stream.
pub struct Pipeline(Vec<Box<dyn Augmenter>>);

impl Pipeline {
    /// The transforms in the order of the recipe.
    #[must_use]
    pub fn new(transforms: &[Transform]) -> Self {
        Self::of(transforms.iter().map(augmenter))
    }

    /// Transforms that need not stand in the table.
    #[must_use]
    pub fn of(augmenters: impl IntoIterator<Item = Box<dyn Augmenter>>) -> Self {
        Self(augmenters.into_iter().collect())
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
