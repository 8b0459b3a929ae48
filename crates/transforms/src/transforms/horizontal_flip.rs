//! `horizontal_flip`: Mirrors left and right. Moves pixels, and is exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::kernels::{Lanes, PIXELS, Work, reversed, vectorized};
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
    vectorized(Mirroring { pixels: pixels_mut(image), width });
}

/// Work of [`flip_horizontally`].
struct Mirroring<'a> {
    pixels: &'a mut [Rgb8],
    width: usize,
}

impl Work for Mirroring<'_> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, lanes: L) {
        for row in self.pixels.chunks_exact_mut(self.width.max(1)) {
            // Blocks from both ends change places; what is left is in the middle.
            let moved = row.len() / (2 * PIXELS) * PIXELS;
            let (left, rest) = row.split_at_mut(moved);
            let (middle, right) = rest.split_at_mut(rest.len() - moved);
            for (left, right) in left.as_chunks_mut().0.iter_mut().zip(right.as_chunks_mut().0.iter_mut().rev()) {
                (*left, *right) = (reversed(lanes, right), reversed(lanes, left));
            }
            middle.reverse();
        }
    }
}
