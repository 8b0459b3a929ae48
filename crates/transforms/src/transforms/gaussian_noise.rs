//! `gaussian_noise`. Reference: torchvision v2 `gaussian_noise` on uint8 tensors.

use image::RgbImage;
use rand::RngExt as _;
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::uniform;
use crate::raster::{floor, to_byte};
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

const WHITE: u8 = u8::MAX;

/// Adds independent normal noise to every channel, and clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianNoise {
    /// Standard deviation, on the scale where white is 1; drawn uniformly.
    pub sigma: Range,
}

impl Default for GaussianNoise {
    fn default() -> Self {
        Self { sigma: [0.02, 0.1] }
    }
}

impl Described for GaussianNoise {
    const SOURCE: &str = "torchvision `GaussianNoise`, clipped";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::interval("sigma", self.sigma, 0.0, 1.0).unit("of white")]
    }
}

impl Augmenter for GaussianNoise {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let sigma = uniform(self.sigma, rng);
        trace::note(|| format!("noise {sigma:.3}"));
        add_noise(&mut image, sigma, || rng.sample(StandardNormal));
        image
    }
}

/// Adds `sigma` times a standard normal value to every channel, in the order of the bytes, `[H, W, 3]`.
///
/// `sigma` is on the scale where white is 1. As in torchvision the noise is truncated to a whole number, then added.
pub fn add_noise(image: &mut RgbImage, sigma: f64, mut standard_normal: impl FnMut() -> f32) {
    /// Bytes that are drawn for, then changed together.
    const LANES: usize = 48;
    let scale = (sigma * f64::from(WHITE)) as f32;
    for bytes in image.chunks_mut(LANES) {
        let mut noise = [0.0; LANES];
        noise[..bytes.len()].fill_with(&mut standard_normal);
        for (byte, noise) in bytes.iter_mut().zip(noise) {
            let noise = noise * scale;
            *byte = to_byte(f32::from(*byte) + floor(noise.abs()).copysign(noise));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

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
