//! `lab_scale`: scales the components of CIE L*a*b*.
//!
//! As in scikit-image's `rgb2lab` and `lab2rgb`: sRGB (IEC 61966-2-1), illuminant D65, 2 degree observer.

use std::sync::LazyLock;

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::uniform;
use crate::kernels::WHITE;
use crate::raster::{Rgb8, pixels_mut, to_byte};
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Multiplies the components of CIE L*a*b* (D65), each by a factor drawn from its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LabScale {
    /// Factor of L*.
    pub lightness: Range,
    /// Factor of a*, green to red.
    pub a: Range,
    /// Factor of b*, blue to yellow.
    pub b: Range,
}

impl Default for LabScale {
    fn default() -> Self {
        Self { lightness: [0.8, 1.2], a: [0.8, 1.2], b: [0.8, 1.2] }
    }
}

impl Described for LabScale {
    const SOURCE: &str = "scikit-image `rgb2lab`";

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::interval("lightness", self.lightness, 0.0, 10.0),
            Limit::interval("a", self.a, 0.0, 10.0),
            Limit::interval("b", self.b, 0.0, 10.0),
        ]
    }
}

impl Augmenter for LabScale {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let factors = [uniform(self.lightness, rng), uniform(self.a, rng), uniform(self.b, rng)];
        trace::note(|| format!("L*a*b* x{:.2} x{:.2} x{:.2}", factors[0], factors[1], factors[2]));
        scale_lab(&mut image, factors);
        image
    }
}

/// Multiplies L*, a* and b* by factors; L* stops at 100, and colors outside sRGB are clipped channel by channel.
pub fn scale_lab(image: &mut RgbImage, factors: [f64; 3]) {
    let factors = factors.map(|factor| factor as f32);
    for pixel in pixels_mut(image) {
        let lab = rgb_to_lab(*pixel);
        let mut scaled: [f32; 3] = std::array::from_fn(|component| lab[component] * factors[component]);
        scaled[0] = scaled[0].clamp(0.0, LARGEST_LIGHTNESS);
        *pixel = lab_to_rgb(scaled).map(|channel| to_byte(channel * WHITE));
    }
}

const LARGEST_LIGHTNESS: f32 = 100.0;

/// Tristimulus values of D65 for the 2 degree observer (CIE 15; ASTM E308).
const D65: [f32; 3] = [0.950_47, 1.0, 1.088_83];

/// Linear sRGB to CIE XYZ, with scikit-image's digits.
const XYZ_FROM_RGB: [[f32; 3]; 3] =
    [[0.412_453, 0.357_58, 0.180_423], [0.212_671, 0.715_16, 0.072_169], [0.019_334, 0.119_193, 0.950_227]];

/// The inverse of [`XYZ_FROM_RGB`].
const RGB_FROM_XYZ: [[f32; 3]; 3] = [
    [3.240_481_3, -1.537_151_5, -0.498_536_33],
    [-0.969_255, 1.875_99, 0.041_555_93],
    [0.055_646_64, -0.204_041_34, 1.057_311],
];

/// Below this the cube root of L*a*b* gives way to a line of slope 7.787.
const LINEAR_BELOW: f32 = 0.008_856;
const LINEAR_SLOPE: f32 = 7.787;
const LINEAR_OFFSET: f32 = 16.0 / 116.0;

/// Linear light of each sRGB byte.
static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let encoded = byte as f32 / WHITE;
        if encoded > 0.040_45 { ((encoded + 0.055) / 1.055).powf(2.4) } else { encoded / 12.92 }
    })
});

fn multiply(matrix: &[[f32; 3]; 3], [a, b, c]: [f32; 3]) -> [f32; 3] {
    matrix.map(|[x, y, z]| x * a + y * b + z * c)
}

fn rgb_to_lab(pixel: Rgb8) -> [f32; 3] {
    let xyz = multiply(&XYZ_FROM_RGB, pixel.map(|channel| LINEAR[usize::from(channel)]));
    let [x, y, z] = std::array::from_fn(|axis| {
        let share = xyz[axis] / D65[axis];
        if share > LINEAR_BELOW { share.cbrt() } else { LINEAR_SLOPE * share + LINEAR_OFFSET }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Channels from 0 to 1.
fn lab_to_rgb([lightness, a, b]: [f32; 3]) -> [f32; 3] {
    let y = (lightness + 16.0) / 116.0;
    let axes = [y + a / 500.0, y, (y - b / 200.0).max(0.0)];
    let xyz = std::array::from_fn(|axis| {
        let root: f32 = axes[axis];
        let share = if root > 0.206_896_6 { root.powi(3) } else { (root - LINEAR_OFFSET) / LINEAR_SLOPE };
        share * D65[axis]
    });
    multiply(&RGB_FROM_XYZ, xyz).map(|linear| {
        let encoded = if linear > 0.003_130_8 { 1.055 * linear.powf(1.0 / 2.4) - 0.055 } else { 12.92 * linear };
        encoded.clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_color_comes_back_from_lab() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(15) {
                    let pixel = [red, green, blue];
                    assert_eq!(lab_to_rgb(rgb_to_lab(pixel)).map(|c| to_byte(c * WHITE)), pixel);
                }
            }
        }
    }
}
