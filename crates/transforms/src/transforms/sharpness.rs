//! `sharpness`: blended with its blur. Reference: torchvision v2 `RandomAdjustSharpness`. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::kernels::{Lanes, Work, vectorized};
use crate::raster::{Rgb8, cut_to_byte, remade};
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Sharpens, or blurs where the factor is below 1, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sharpness {
    /// 0 is the blurred image, 1 the image itself, 2 twice as sharp.
    pub factor: f64,
    /// Probability.
    pub p: f64,
}

impl Default for Sharpness {
    fn default() -> Self {
        Self { factor: 2.0, p: 0.5 }
    }
}

impl Described for Sharpness {
    const SOURCE: &str = "torchvision `RandomAdjustSharpness`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("factor", self.factor, 0.0, 100.0), Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl Augmenter for Sharpness {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        if !chance(self.p, rng) {
            return image;
        }
        trace::note(|| format!("sharpness x{}", self.factor));
        adjust_sharpness(image, self.factor)
    }
}

/// Blends with the mean of the nine pixels around, where the middle one counts five times. Pixels at the edge stay.
#[must_use]
pub fn adjust_sharpness(image: RgbImage, factor: f64) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width <= 2 || height <= 2 {
        return image;
    }
    let other = f64::from((1.0 - factor) as f32);
    remade(image, |pixels, made| vectorized(Sharpening { pixels, made, width, height, other }))
}

/// Work of [`adjust_sharpness`].
struct Sharpening<'a> {
    pixels: &'a [Rgb8],
    made: &'a mut [Rgb8],
    width: usize,
    height: usize,
    other: f64,
}

impl Work for Sharpening<'_> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, _: L) {
        let Self { pixels, made, width, height, other } = self;
        let row = |of: usize| pixels[of * width..][..width].as_flattened();
        made[..width].copy_from_slice(&pixels[..width]);
        for (y, made) in made.chunks_exact_mut(width).enumerate().skip(1).take(height - 2) {
            let around = [row(y - 1), row(y), row(y + 1)];
            (made[0], made[width - 1]) = (pixels[y * width], pixels[(y + 1) * width - 1]);
            blend_row(around, other, made[1..width - 1].as_flattened_mut());
        }
        made[(height - 1) * width..].copy_from_slice(&pixels[(height - 1) * width..]);
    }
}

/// The inner pixels of a row, from it and the rows above and below.
#[inline(always)]
fn blend_row([above, here, below]: [&[u8]; 3], other: f64, made: &mut [u8]) {
    const NEXT: usize = size_of::<Rgb8>();
    let inner = made.len();
    let length = inner + 2 * NEXT;
    // Slices of a known length need no check of bounds in the loop.
    let (above, here, below) = (&above[..length], &here[..length], &below[..length]);
    for index in 0..inner {
        let mut sum = 0;
        for row in [above, here, below] {
            sum += i32::from(row[index]) + i32::from(row[index + NEXT]) + i32::from(row[index + 2 * NEXT]);
        }
        let middle = i32::from(here[index + NEXT]);
        // (sum + 4 middle) / 13, rounded: a tie does not occur.
        let blurred = (2 * (sum + 4 * middle) + 13) / 26;
        // In double precision the product is exact, so that this rounds once, as torch's fused operation does.
        let blended = (f64::from(middle) + f64::from(blurred - middle) * other) as f32;
        made[index] = cut_to_byte(blended);
    }
}
