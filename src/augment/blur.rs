//! Gaussian blur.
//!
//! Reference: torchvision v2 `gaussian_blur` on uint8 tensors. Its kernel is a product of two one-dimensional ones, so
//! the convolution is done along rows, then along columns; edges are reflected without repeating the edge pixel.

use image::RgbImage;

use super::augmenter::Augmenter;
use super::draw::uniform;
use super::raster::to_byte;
use crate::plan::transform::GaussianBlur;
use crate::seed::Stream;

const CHANNELS: usize = 3;

impl Augmenter for GaussianBlur {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        gaussian_blur(&mut image, self.kernel_px, uniform(self.sigma, rng));
        image
    }
}

/// Convolves with a normal kernel of side `kernel_px` (odd) and standard deviation `sigma_px`.
pub fn gaussian_blur(image: &mut RgbImage, kernel_px: u32, sigma_px: f64) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width == 0 || height == 0 {
        return;
    }
    let kernel = kernel(kernel_px, sigma_px);
    let radius = kernel.len() / 2;
    let row_len = width * CHANNELS;

    let mut rows = vec![0.0f32; row_len * height];
    let mut padded = vec![0.0f32; (width + 2 * radius) * CHANNELS];
    for (source, blurred) in image.chunks_exact(row_len).zip(rows.chunks_exact_mut(row_len)) {
        for (at, pixel) in padded.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
            let column = reflect(at as i64 - radius as i64, width) * CHANNELS;
            *pixel = std::array::from_fn(|channel| f32::from(source[column + channel]));
        }
        for (tap, &weight) in kernel.iter().enumerate() {
            accumulate(blurred, &padded[tap * CHANNELS..][..row_len], weight);
        }
    }

    let mut sum = vec![0.0f32; row_len];
    for (row, blurred) in image.chunks_exact_mut(row_len).enumerate() {
        sum.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            let from = reflect(row as i64 + tap as i64 - radius as i64, height);
            accumulate(&mut sum, &rows[from * row_len..][..row_len], weight);
        }
        for (byte, &value) in blurred.iter_mut().zip(&sum) {
            *byte = to_byte(value);
        }
    }
}

/// `sum += weight * values`, element by element.
fn accumulate(sum: &mut [f32], values: &[f32], weight: f32) {
    for (total, value) in sum.iter_mut().zip(values) {
        *total += weight * value;
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
fn reflect(at: i64, length: usize) -> usize {
    let last = length as i64 - 1;
    if last == 0 {
        return 0;
    }
    let folded = at.rem_euclid(2 * last);
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
