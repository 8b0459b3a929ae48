//! `gaussian_blur`.
//!
//! Reference: torchvision v2 `gaussian_blur` on uint8 tensors. Its kernel is a product of two one-dimensional ones, so
//! the convolution is done along rows, then along columns; edges are reflected without repeating the edge pixel.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::uniform;
use crate::kernels::{Lanes, Work, vectorized};
use crate::parameters::too_long;
use crate::raster::to_byte;
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

const CHANNELS: usize = 3;

/// Convolves with a normal kernel whose sigma is drawn uniformly; edges are reflected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlur {
    /// Side of the kernel, px; odd.
    pub kernel_px: u32,
    /// Standard deviation, px.
    pub sigma: Range,
}

impl Default for GaussianBlur {
    fn default() -> Self {
        Self { kernel_px: 5, sigma: [0.1, 2.0] }
    }
}

impl Described for GaussianBlur {
    const SOURCE: &str = "torchvision `GaussianBlur`";

    fn limits(&self) -> Vec<Limit> {
        let fits = self.kernel_px % 2 == 1 && self.kernel_px <= 255;
        let message = || format!("`kernel_px` must be an odd number up to 255, not {}", self.kernel_px);
        vec![
            Limit::rule("kernel_px", "odd, 1 to 255", fits, message).unit("px"),
            Limit::interval("sigma", self.sigma, 1e-3, 100.0).unit("px"),
        ]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let advice = "details are lost; choose a smaller `sigma`";
        let what = "`gaussian_blur` has a standard deviation of up to";
        too_long(what, self.sigma[1], width_px.min(height_px), 0.1, advice).into_iter().collect()
    }
}

impl Augmenter for GaussianBlur {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let sigma = uniform(self.sigma, rng);
        trace::note(|| format!("blur {sigma:.2} px"));
        gaussian_blur(&mut image, self.kernel_px, sigma);
        image
    }
}

/// Convolves with a normal kernel of side `kernel_px` (odd) and standard deviation `sigma_px`.
pub fn gaussian_blur(image: &mut RgbImage, kernel_px: u32, sigma_px: f64) {
    let width = image.width() as usize;
    convolve(image, width, CHANNELS, &kernel(kernel_px, sigma_px), to_byte);
}

/// [`gaussian_blur`] of numbers, `[H, width, channels]`.
pub(crate) fn smooth(values: &mut [f32], width: usize, channels: usize, kernel_px: u32, sigma_px: f64) {
    convolve(values, width, channels, &kernel(kernel_px, sigma_px), |value| value);
}

/// Convolves `[H, width, channels]` with a kernel along rows, then along columns.
fn convolve<T>(values: &mut [T], width: usize, channels: usize, kernel: &[f32], finish: impl Fn(f32) -> T)
where
    T: Copy + Into<f32>,
{
    vectorized(Convolution { values, width, channels, kernel, finish });
}

/// Work of [`convolve`].
struct Convolution<'a, T, F> {
    values: &'a mut [T],
    width: usize,
    channels: usize,
    kernel: &'a [f32],
    finish: F,
}

impl<T: Copy + Into<f32>, F: Fn(f32) -> T> Work for Convolution<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, _: L) {
        let Self { values, width, channels, kernel, finish } = self;
        let row_len = width * channels;
        if values.is_empty() {
            return;
        }
        let height = values.len() / row_len;
        let radius = kernel.len() / 2;

        // Rows that are convolved along themselves: as many as one row of the result reads. A new one takes the oldest one's place.
        let kept = kernel.len().min(height);
        let mut rows = vec![0.0f32; row_len * kept];
        let mut padded = vec![0.0f32; (width + 2 * radius) * channels];
        // Where each tap reads: along a padded row, and in the rows that are kept.
        let taps: Vec<usize> = (0..kernel.len()).map(|tap| tap * channels).collect();
        let mut around = taps.clone();
        let mut next = 0;
        for row in 0..height {
            while next < height.min(row + radius + 1) {
                pad(&mut padded, &values[next * row_len..][..row_len], radius, channels);
                let convolved = &mut rows[next % kept * row_len..][..row_len];
                weighted_sums(convolved, kernel, &padded, &taps, |sum| sum);
                next += 1;
            }
            for (tap, start) in around.iter_mut().enumerate() {
                *start = reflect(row as i64 + tap as i64 - radius as i64, height) % kept * row_len;
            }
            weighted_sums(&mut values[row * row_len..][..row_len], kernel, &rows, &around, &finish);
        }
    }
}

/// Copies a row between `radius` pixels on either side, which are those of the row, reflected.
#[inline(always)]
fn pad<T: Copy + Into<f32>>(padded: &mut [f32], row: &[T], radius: usize, channels: usize) {
    let (before, inside) = padded.split_at_mut(radius * channels);
    let (inside, after) = inside.split_at_mut(row.len());
    for (padded, &value) in inside.iter_mut().zip(row) {
        *padded = value.into();
    }
    let width = row.len() / channels;
    for (edge, first) in [(before, -(radius as i64)), (after, width as i64)] {
        for (at, pixel) in edge.chunks_exact_mut(channels).enumerate() {
            pixel.copy_from_slice(&inside[reflect(first + at as i64, width) * channels..][..channels]);
        }
    }
}

/// Elements that are summed before the next ones.
const LANES: usize = 64;

/// What `finish` makes of the sum of what stands at every tap's start, times the tap's weight, element by element and in the
/// order of the taps.
#[inline(always)]
fn weighted_sums<T>(made: &mut [T], kernel: &[f32], values: &[f32], starts: &[usize], finish: impl Fn(f32) -> T) {
    let length = made.len();
    // The last block begins within the one before it, and makes the same there again.
    for at in (0..length).step_by(LANES).map(|at| at.min(length.saturating_sub(LANES))) {
        let made = &mut made[at..];
        let Some(block) = made.first_chunk_mut::<LANES>() else {
            for (lane, made) in made.iter_mut().enumerate() {
                let terms = kernel.iter().zip(starts).map(|(weight, start)| weight * values[start + lane]);
                *made = finish(terms.fold(0.0, |sum, term| sum + term));
            }
            return;
        };
        let mut sums = [0.0; LANES];
        for (&weight, &start) in kernel.iter().zip(starts) {
            let values: &[f32; LANES] = values[start + at..].first_chunk().expect("whole rows");
            for lane in 0..LANES {
                sums[lane] += weight * values[lane];
            }
        }
        for lane in 0..LANES {
            block[lane] = finish(sums[lane]);
        }
    }
}

/// Weights proportional to `exp(-x^2 / (2 sigma^2))` at whole offsets `x`, of sum 1.
fn kernel(kernel_px: u32, sigma_px: f64) -> Vec<f32> {
    let radius = i64::from(kernel_px / 2);
    let sigma = sigma_px.max(f64::MIN_POSITIVE);
    let weights: Vec<f64> = (-radius..=radius).map(|x| (-0.5 * (x as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / total) as f32).collect()
}

/// Index into `0..length` of a place outside, mirrored at the first and last item as often as needed.
pub(super) fn reflect(at: i64, length: usize) -> usize {
    let last = length as i64 - 1;
    let at = at.abs();
    if at <= last {
        return at as usize;
    }
    if last == 0 {
        return 0;
    }
    let folded = at % (2 * last);
    folded.min(2 * last - folded) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_does_not_repeat_the_edge_and_folds_again_on_short_sides() {
        let row = |length| (-4..6).map(|at| reflect(at, length)).collect::<Vec<_>>();
        assert_eq!(row(4), [2, 3, 2, 1, 0, 1, 2, 3, 2, 1]);
        assert_eq!(row(2), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(row(1), [0; 10]);
    }

    #[test]
    fn a_vanishing_sigma_leaves_the_image_alone() {
        let image = RgbImage::from_fn(5, 4, |x, y| image::Rgb([x as u8 * 50, y as u8 * 60, 7]));
        let mut blurred = image.clone();
        gaussian_blur(&mut blurred, 5, 0.0);
        assert_eq!(blurred, image);
    }
}
