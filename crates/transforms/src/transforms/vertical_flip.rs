//! `vertical_flip`: Mirrors top and bottom. Moves pixels, and is exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::raster::pixels_mut;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Mirrors top and bottom with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerticalFlip {
    /// Probability.
    pub p: f64,
}

impl Default for VerticalFlip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Described for VerticalFlip {
    const SOURCE: &str = "torchvision `RandomVerticalFlip`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl Augmenter for VerticalFlip {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| "flip top and bottom".to_owned());
            flip_vertically(&mut image);
        }
        image
    }
}

/// Mirrors top and bottom.
pub fn flip_vertically(image: &mut RgbImage) {
    let width = image.width() as usize;
    let mut rest = pixels_mut(image);
    while rest.len() > width {
        let (top, below) = rest.split_at_mut(width);
        let (middle, bottom) = below.split_at_mut(below.len() - width);
        top.swap_with_slice(bottom);
        rest = middle;
    }
}
