//! HSV and CIE L*a*b*: conversions, and the transforms that scale their components.
//!
//! HSV as in torchvision's `_rgb_to_hsv` and `_hsv_to_rgb` (after Pillow; Smith 1978), components from 0 to 1.
//! L*a*b* as in scikit-image's `rgb2lab` and `lab2rgb`: sRGB (IEC 61966-2-1), illuminant D65, 2 degree observer.

use std::sync::LazyLock;

use image::RgbImage;

use super::augmenter::Augmenter;
use super::draw::uniform;
use super::raster::{Rgb8, pixels_mut, to_byte};
use crate::plan::transform::{HsvScale, LabScale};
use crate::seed::Stream;

impl Augmenter for HsvScale {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let factors = [uniform(self.hue, rng), uniform(self.saturation, rng), uniform(self.value, rng)];
        scale_hsv(&mut image, factors);
        image
    }
}

impl Augmenter for LabScale {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let factors = [uniform(self.lightness, rng), uniform(self.a, rng), uniform(self.b, rng)];
        scale_lab(&mut image, factors);
        image
    }
}

/// Multiplies hue, saturation and value by factors; hue wraps, the others stop at 1.
pub fn scale_hsv(image: &mut RgbImage, factors: [f64; 3]) {
    let [hue_factor, saturation_factor, value_factor] = factors.map(|factor| factor as f32);
    for pixel in pixels_mut(image) {
        let [hue, saturation, value] = rgb_to_hsv(*pixel);
        let scaled = [
            (hue * hue_factor).rem_euclid(1.0),
            (saturation * saturation_factor).clamp(0.0, 1.0),
            (value * value_factor).clamp(0.0, 1.0),
        ];
        *pixel = hsv_to_rgb(scaled).map(|channel| to_byte(channel * WHITE));
    }
}

/// Multiplies L*, a* and b* by factors; L* stops at 100, and colours outside sRGB are clipped channel by channel.
pub fn scale_lab(image: &mut RgbImage, factors: [f64; 3]) {
    let factors = factors.map(|factor| factor as f32);
    for pixel in pixels_mut(image) {
        let lab = rgb_to_lab(*pixel);
        let mut scaled: [f32; 3] = std::array::from_fn(|component| lab[component] * factors[component]);
        scaled[0] = scaled[0].clamp(0.0, LARGEST_LIGHTNESS);
        *pixel = lab_to_rgb(scaled).map(|channel| to_byte(channel * WHITE));
    }
}

const WHITE: f32 = 255.0;

/// torchvision's conversion of 0 to 1 into bytes: 256 intervals of equal width (`to_dtype_image`, `eps = 1e-3`).
pub(super) fn unit_to_byte(value: f32) -> u8 {
    (value * (WHITE + 1.0 - 1e-3)) as u8
}

/// Hue in turns, saturation and value; a grey has hue 0.
pub(super) fn rgb_to_hsv(pixel: Rgb8) -> [f32; 3] {
    let [red, green, blue] = pixel.map(|channel| f32::from(channel) / WHITE);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let range = most - least;
    if range == 0.0 {
        return [0.0, 0.0, most];
    }
    let sixths = if most == red {
        (green - blue) / range
    } else if most == green {
        (blue - red) / range + 2.0
    } else {
        (red - green) / range + 4.0
    };
    [(sixths / 6.0).rem_euclid(1.0), range / most, most]
}

/// Channels from 0 to 1.
pub(super) fn hsv_to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue * 6.0;
    let sector = sixths.floor();
    let within = sixths - sector;
    let low = (1.0 - saturation) * value;
    let falling = (1.0 - saturation * within) * value;
    let rising = (1.0 - saturation * (1.0 - within)) * value;
    match sector as u32 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
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
    fn every_colour_comes_back_from_hsv_and_from_lab() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(15) {
                    let pixel = [red, green, blue];
                    assert_eq!(hsv_to_rgb(rgb_to_hsv(pixel)).map(|c| to_byte(c * WHITE)), pixel);
                    assert_eq!(lab_to_rgb(rgb_to_lab(pixel)).map(|c| to_byte(c * WHITE)), pixel);
                }
            }
        }
    }
}
