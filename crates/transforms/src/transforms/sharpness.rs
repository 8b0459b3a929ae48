//! `sharpness`: blended with its blur. Reference: torchvision v2 `RandomAdjustSharpness`. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::kernels::{Anywhere, LEAST_FACTOR, Lanes, PIXELS, Work, vectorized};
use crate::raster::{Rgb8, remade};
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
    let other = (1.0 - factor) as f32;
    remade(image, |pixels, made| {
        let work = Sharpening { pixels, made, width, height, other };
        // Next to 1 the one way in double precision is the definition.
        if other.abs() < LEAST_FACTOR { work.call(Anywhere) } else { vectorized(work) }
    })
}

/// Work of [`adjust_sharpness`].
struct Sharpening<'a> {
    pixels: &'a [Rgb8],
    made: &'a mut [Rgb8],
    width: usize,
    height: usize,
    other: f32,
}

impl Work for Sharpening<'_> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, lanes: L) {
        let Self { pixels, made, width, height, other } = self;
        let row = |of: usize| pixels[of * width..][..width].as_flattened();
        made[..width].copy_from_slice(&pixels[..width]);
        for (y, made) in made.chunks_exact_mut(width).enumerate().skip(1).take(height - 2) {
            let around = [row(y - 1), row(y), row(y + 1)];
            (made[0], made[width - 1]) = (pixels[y * width], pixels[(y + 1) * width - 1]);
            blend_row(lanes, around, other, made[1..width - 1].as_flattened_mut());
        }
        made[(height - 1) * width..].copy_from_slice(&pixels[(height - 1) * width..]);
    }
}

/// From one channel of a pixel to that of the next.
const NEXT: usize = size_of::<Rgb8>();

/// The inner pixels of a row, from it and the rows above and below.
#[inline(always)]
fn blend_row(lanes: impl Lanes, around: [&[u8]; 3], other: f32, made: &mut [u8]) {
    let (blocks, rest) = made.as_chunks_mut();
    let done = blocks.len() * PIXELS;
    for (at, block) in blocks.iter_mut().enumerate() {
        *block = blend_block(lanes, around.map(|row| &row[at * PIXELS..]), other);
    }
    // What is left, with bytes behind it that do not count.
    let mut last = [[0; PIXELS + 2 * NEXT]; 3];
    for (last, row) in last.iter_mut().zip(around) {
        last[..row.len() - done].copy_from_slice(&row[done..]);
    }
    rest.copy_from_slice(&blend_block(lanes, last.each_ref().map(|row| &row[..]), other)[..rest.len()]);
}

/// Sixteen bytes, from three rows that begin one pixel to the left.
#[inline(always)]
fn blend_block(lanes: impl Lanes, around: [&[u8]; 3], other: f32) -> [u8; PIXELS] {
    let [above, here, below] =
        around.map(|row| row.first_chunk::<{ PIXELS + 2 * NEXT }>().expect("a pixel on either side"));
    let (mut middles, mut differences) = ([0.0; PIXELS], [0.0; PIXELS]);
    for lane in 0..PIXELS {
        let middle = u16::from(here[lane + NEXT]);
        let mut sum = 4 * middle;
        for row in [above, here, below] {
            sum += u16::from(row[lane]) + u16::from(row[lane + NEXT]) + u16::from(row[lane + 2 * NEXT]);
        }
        // A thirteenth, rounded: a tie does not occur.
        let blurred = (2 * sum + 13) / 26;
        middles[lane] = f32::from(middle);
        differences[lane] = f32::from(blurred.wrapping_sub(middle) as i16);
    }
    // torch's operation is fused, too.
    lanes.cut(&lanes.moved_by(&middles, &differences, other))
}
