//! `horizontal_flip`: Mirrors left and right. Moves pixels, and is exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::raster::{Rgb8, pixels_mut};
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Mirrors left and right with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HorizontalFlip {
    /// Probability.
    pub p: f64,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Described for HorizontalFlip {
    const SOURCE: &str = "torchvision `RandomHorizontalFlip`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl Augmenter for HorizontalFlip {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| "flip left and right".to_owned());
            flip_horizontally(&mut image);
        }
        image
    }
}

/// Mirrors left and right.
pub fn flip_horizontally(image: &mut RgbImage) {
    let width = image.width() as usize;
    if width > 0 {
        pixels_mut(image).chunks_exact_mut(width).for_each(<[Rgb8]>::reverse);
    }
}
