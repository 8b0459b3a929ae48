//! Noise: normal (torchvision v2 `gaussian_noise` on uint8 tensors) and salt and pepper.

use image::RgbImage;
use rand::RngExt as _;
use rand_distr::StandardNormal;

use super::augmenter::Augmenter;
use super::draw::{chance, uniform};
use super::raster::pixels_mut;
use crate::plan::transform::{GaussianNoise, SaltAndPepper};
use crate::seed::Stream;

const WHITE: u8 = u8::MAX;

impl Augmenter for GaussianNoise {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let sigma = uniform(self.sigma, rng);
        add_noise(&mut image, sigma, || rng.sample(StandardNormal));
        image
    }
}

impl Augmenter for SaltAndPepper {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let speckles = draw_speckles(self, image.width(), image.height(), rng);
        set_speckles(&mut image, self.block_px, &speckles);
        image
    }
}

/// Adds `sigma` times a standard normal value to every channel, in the order of the bytes, `[H, W, 3]`.
///
/// `sigma` is on the scale where white is 1. As in torchvision the noise is truncated to a whole number, then added.
pub fn add_noise(image: &mut RgbImage, sigma: f64, mut standard_normal: impl FnMut() -> f32) {
    let scale = (sigma * f64::from(WHITE)) as f32;
    for byte in image.iter_mut() {
        let noise = (standard_normal() * scale) as i16;
        *byte = i16::from(*byte).saturating_add(noise).clamp(0, i16::from(WHITE)) as u8;
    }
}

/// A block that turns black or white, at its column and row in the grid of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speckle {
    pub column: u32,
    pub row: u32,
    pub white: bool,
}

/// Every block of the grid is replaced independently with the drawn probability.
fn draw_speckles(of: &SaltAndPepper, width_px: u32, height_px: u32, rng: &mut Stream) -> Vec<Speckle> {
    let amount = uniform(of.amount, rng);
    let block_px = of.block_px.max(1);
    let mut speckles = Vec::new();
    for row in 0..height_px.div_ceil(block_px) {
        for column in 0..width_px.div_ceil(block_px) {
            if chance(amount, rng) {
                speckles.push(Speckle { column, row, white: chance(of.salt, rng) });
            }
        }
    }
    speckles
}

/// Paints the blocks; those at the right and lower edge may be cut.
pub fn set_speckles(image: &mut RgbImage, block_px: u32, speckles: &[Speckle]) {
    let (width, height, block) = (image.width() as usize, image.height() as usize, block_px.max(1) as usize);
    let pixels = pixels_mut(image);
    for speckle in speckles {
        let colour = if speckle.white { [WHITE; 3] } else { [0; 3] };
        let (left, top) = (speckle.column as usize * block, speckle.row as usize * block);
        for y in top..(top + block).min(height) {
            pixels[y * width + left..y * width + (left + block).min(width)].fill(colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, StudySeed};

    #[test]
    fn blocks_are_painted_whole_and_cut_at_the_edge() {
        let mut image = RgbImage::from_pixel(5, 3, image::Rgb([9; 3]));
        let speckles = [Speckle { column: 2, row: 1, white: true }, Speckle { column: 0, row: 0, white: false }];
        set_speckles(&mut image, 2, &speckles);
        let shown: Vec<u8> = image.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(shown, [0, 0, 9, 9, 9, 0, 0, 9, 9, 9, 9, 9, 9, 9, 255]);
    }

    #[test]
    fn shares_of_replaced_blocks_and_of_salt_are_as_asked() {
        let noise = SaltAndPepper { amount: [0.2, 0.2], salt: 0.75, block_px: 1 };
        let mut rng = StudySeed(1).stream(Purpose::Gallery, 0);
        let speckles = draw_speckles(&noise, 200, 200, &mut rng);
        let (count, white) = (speckles.len() as f64, speckles.iter().filter(|speckle| speckle.white).count() as f64);
        // Four standard errors of a binomial share.
        assert!((count / 40_000.0 - 0.2).abs() < 0.008, "{count}");
        assert!((white / count - 0.75).abs() < 0.02, "{white}");
    }

    #[test]
    fn normal_noise_has_the_asked_standard_deviation() {
        let noise = GaussianNoise { sigma: [0.1, 0.1] };
        let mut rng = StudySeed(1).stream(Purpose::Gallery, 0);
        let noisy = noise.apply(RgbImage::from_pixel(200, 200, image::Rgb([128; 3])), &mut rng);
        let deviations: Vec<f64> = noisy.iter().map(|&byte| f64::from(byte) - 128.0).collect();
        let n = deviations.len() as f64;
        let mean = deviations.iter().sum::<f64>() / n;
        let sd = (deviations.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!(mean.abs() < 0.3, "{mean}");
        // Truncation towards zero takes about half a step from 25.5.
        assert!((24.5..25.6).contains(&sd), "{sd}");
    }
}
