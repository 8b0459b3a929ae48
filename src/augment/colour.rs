//! Brightness, contrast, saturation and hue.
//!
//! Reference: torchvision v2 `functional` on uint8 tensors, including its grey (`0.2989 R + 0.587 G + 0.114 B`, floored)
//! and its truncation towards zero after blending. Grey is computed in whole numbers here, so that it does not depend
//! on whether a machine fuses multiplication and addition.

use image::RgbImage;
use rand::seq::SliceRandom as _;

use super::augmenter::Augmenter;
use super::colour_space::{hsv_to_rgb, rgb_to_hsv, unit_to_byte};
use super::draw::uniform;
use super::raster::{Rgb8, pixels, pixels_mut};
use crate::plan::transform::ColorJitter;
use crate::seed::Stream;

/// One of the four adjustments, with its factor or shift.
#[derive(Clone, Copy, Debug)]
enum Adjustment {
    Brightness(f64),
    Contrast(f64),
    Saturation(f64),
    Hue(f64),
}

impl Augmenter for ColorJitter {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        for adjustment in draw(self, rng).into_iter().flatten() {
            match adjustment {
                Adjustment::Brightness(factor) => adjust_brightness(&mut image, factor),
                Adjustment::Contrast(factor) => adjust_contrast(&mut image, factor),
                Adjustment::Saturation(factor) => adjust_saturation(&mut image, factor),
                Adjustment::Hue(turns) => adjust_hue(&mut image, turns),
            }
        }
        image
    }
}

/// The adjustments in a random order; absent where the strength is zero, though it is drawn all the same.
fn draw(jitter: &ColorJitter, rng: &mut Stream) -> [Option<Adjustment>; 4] {
    let mut factor = |strength: f64| uniform([(1.0 - strength).max(0.0), 1.0 + strength], rng);
    let factors = [factor(jitter.brightness), factor(jitter.contrast), factor(jitter.saturation)];
    let turns = uniform([-jitter.hue, jitter.hue], rng);
    let mut order = [
        (jitter.brightness > 0.0).then_some(Adjustment::Brightness(factors[0])),
        (jitter.contrast > 0.0).then_some(Adjustment::Contrast(factors[1])),
        (jitter.saturation > 0.0).then_some(Adjustment::Saturation(factors[2])),
        (jitter.hue > 0.0).then_some(Adjustment::Hue(turns)),
    ];
    order.shuffle(rng);
    order
}

/// Multiplies every channel by `factor`, at least 0.
pub fn adjust_brightness(image: &mut RgbImage, factor: f64) {
    let factor = factor as f32;
    look_up(image, |value| value * factor);
}

/// Blends with the mean grey: 0 is all grey, 1 the image itself.
pub fn adjust_contrast(image: &mut RgbImage, factor: f64) {
    let total: u64 = pixels(image).iter().map(|&pixel| u64::from(grey(pixel))).sum();
    let mean = (total as f64 / pixels(image).len() as f64) as f32;
    let (own, other) = (factor as f32, (1.0 - factor) as f32);
    look_up(image, |value| value * own + mean * other);
}

/// Blends every pixel with its grey: 0 is black and white, 1 the image itself.
pub fn adjust_saturation(image: &mut RgbImage, factor: f64) {
    let (own, other) = (factor as f32, (1.0 - factor) as f32);
    for pixel in pixels_mut(image) {
        let grey = f32::from(grey(*pixel)) * other;
        // A cast from float to byte truncates and saturates, which is torchvision's clamp and conversion in one.
        *pixel = pixel.map(|value| (f32::from(value) * own + grey) as u8);
    }
}

/// Turns the hue by `turns` of the whole circle, -0.5 to 0.5.
pub fn adjust_hue(image: &mut RgbImage, turns: f64) {
    let turns = turns as f32;
    for pixel in pixels_mut(image) {
        let [hue, saturation, value] = rgb_to_hsv(*pixel);
        *pixel = hsv_to_rgb([(hue + turns).rem_euclid(1.0), saturation, value]).map(unit_to_byte);
    }
}

/// Replaces every channel value by a function of itself alone, truncated to a byte.
fn look_up(image: &mut RgbImage, function: impl Fn(f32) -> f32) {
    let table: [u8; 256] = std::array::from_fn(|value| function(value as f32) as u8);
    for byte in image.iter_mut() {
        *byte = table[usize::from(*byte)];
    }
}

/// torchvision's grey, floored. The weights are exact in ten-thousandths.
fn grey([red, green, blue]: Rgb8) -> u8 {
    ((2989 * u32::from(red) + 5870 * u32::from(green) + 1140 * u32::from(blue)) / 10_000) as u8
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::seed::{Purpose, StudySeed};

    #[test]
    fn a_jitter_draws_within_its_strengths_and_in_every_order() {
        let jitter = ColorJitter { brightness: 0.4, contrast: 1.5, saturation: 0.2, hue: 0.1 };
        let mut orders = BTreeSet::new();
        for index in 0..1000 {
            let drawn = draw(&jitter, &mut StudySeed(1).stream(Purpose::Gallery, index));
            let order = drawn.map(|adjustment| match adjustment.expect("no strength is zero") {
                Adjustment::Brightness(factor) => (0, (0.6..=1.4).contains(&factor)),
                Adjustment::Contrast(factor) => (1, (0.0..=2.5).contains(&factor)),
                Adjustment::Saturation(factor) => (2, (0.8..=1.2).contains(&factor)),
                Adjustment::Hue(turns) => (3, (-0.1..=0.1).contains(&turns)),
            });
            assert!(order.iter().all(|(_, within)| *within), "{drawn:?}");
            orders.insert(order.map(|(which, _)| which));
        }
        assert_eq!(orders.len(), 24);
    }

    #[test]
    fn a_jitter_without_strength_does_nothing() {
        let drawn = draw(&ColorJitter::default(), &mut StudySeed(1).stream(Purpose::Gallery, 0));
        assert!(drawn.iter().all(Option::is_none));
    }
}
