//! `color_jitter`: brightness, contrast, saturation and hue.
//!
//! Reference: torchvision v2 `functional` on uint8 tensors, including its gray (`0.2989 R + 0.587 G + 0.114 B`, floored)
//! and its truncation towards zero after blending. Gray is computed in whole numbers here, so that it does not depend
//! on whether a machine fuses multiplication and addition.

use image::RgbImage;
use rand::seq::SliceRandom as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::uniform;
use crate::kernels::{Lanes, PIXELS, PixelFunction, Work, apart, map_bytes, map_pixels, turned, vectorized};
use crate::raster::{Rgb8, pixels, round, round_to_int};
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Brightness, contrast, saturation and hue in a random order.
///
/// A strength `s` draws the factor from `[max(0, 1 - s), 1 + s]`; hue draws a shift from `[-hue, hue]` turns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// Strength; 0 leaves it as it is.
    pub brightness: f64,
    /// Strength; 0 leaves it as it is.
    pub contrast: f64,
    /// Strength; 0 leaves it as it is.
    pub saturation: f64,
    /// Largest shift, turns.
    pub hue: f64,
}

impl Described for ColorJitter {
    const SOURCE: &str = "torchvision `ColorJitter`";

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("brightness", self.brightness, 0.0, 10.0),
            Limit::number("contrast", self.contrast, 0.0, 10.0),
            Limit::number("saturation", self.saturation, 0.0, 10.0),
            Limit::number("hue", self.hue, 0.0, 0.5).unit("turns"),
        ]
    }

    fn example() -> Self {
        Self { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 }
    }
}

/// One of the four adjustments, with its factor or shift.
#[derive(Clone, Copy, Debug)]
enum Adjustment {
    Brightness(f64),
    Contrast(f64),
    Saturation(f64),
    Hue(f64),
}

impl Adjustment {
    fn text(self) -> String {
        match self {
            Self::Brightness(factor) => format!("brightness x{factor:.2}"),
            Self::Contrast(factor) => format!("contrast x{factor:.2}"),
            Self::Saturation(factor) => format!("saturation x{factor:.2}"),
            Self::Hue(turns) => format!("hue {turns:+.3} turns"),
        }
    }
}

impl Augmenter for ColorJitter {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        for adjustment in draw(self, rng).into_iter().flatten() {
            trace::note(|| adjustment.text());
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
    map_bytes(image, factor as f32, 0.0);
}

/// Blends with the mean gray: 0 is all gray, 1 the image itself.
pub fn adjust_contrast(image: &mut RgbImage, factor: f64) {
    let total = vectorized(Grays(pixels(image)));
    let mean = (total as f64 / pixels(image).len() as f64) as f32;
    map_bytes(image, factor as f32, mean * (1.0 - factor) as f32);
}

/// The sum of all grays.
struct Grays<'a>(&'a [Rgb8]);

impl Work for Grays<'_> {
    type Output = u64;

    #[inline(always)]
    fn call<L: Lanes>(self, lanes: L) -> u64 {
        let (blocks, rest) = self.0.as_chunks();
        let mut total = rest.iter().map(|&pixel| u64::from(gray_of(pixel))).sum();
        for block in blocks {
            let [reds, greens, blues] = apart(lanes, block);
            let mut sum = 0;
            for lane in 0..PIXELS {
                let pixel = [f32::from(reds[lane]), f32::from(greens[lane]), f32::from(blues[lane])];
                sum += round_to_int(gray(pixel));
            }
            total += sum as u64;
        }
        total
    }
}

/// Blends every pixel with its gray: 0 is black and white, 1 the image itself.
pub fn adjust_saturation(image: &mut RgbImage, factor: f64) {
    map_pixels(image, Blend { own: factor as f32, other: (1.0 - factor) as f32 });
}

/// A pixel blended with its gray. A cast from float to byte truncates and saturates, which is torchvision's clamp and conversion
/// in one.
struct Blend {
    own: f32,
    other: f32,
}

impl PixelFunction for Blend {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        let gray = gray(pixel) * self.other;
        [pixel[0] * self.own + gray, pixel[1] * self.own + gray, pixel[2] * self.own + gray]
    }
}

/// Replaces every color by its gray, `0.2989 R + 0.587 G + 0.114 B`, floored.
pub fn grayscale(image: &mut RgbImage) {
    map_pixels(image, Gray);
}

/// A pixel's gray.
struct Gray;

impl PixelFunction for Gray {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        [gray(pixel); 3]
    }
}

/// Turns the hue by `turns` of the whole circle, -0.5 to 0.5.
pub fn adjust_hue(image: &mut RgbImage, turns: f64) {
    map_pixels(image, Turn(turns as f32));
}

/// A pixel whose hue is turned.
struct Turn(f32);

impl PixelFunction for Turn {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        turned(pixel, self.0)
    }
}

/// torchvision's gray, floored. The weights are exact in ten-thousandths, and so are the sums: whole numbers below 2^24. A sum
/// is never nearer to the next whole gray than a ten-thousandth, so that rounding what is half less, and half a ten-thousandth
/// more, is flooring.
#[inline(always)]
fn gray([red, green, blue]: [f32; 3]) -> f32 {
    round((2989.0 * red + 5870.0 * green + 1140.0 * blue) * 1e-4 - 0.499_95)
}

/// [`gray`] of a pixel, in whole numbers.
pub(crate) fn gray_of([red, green, blue]: Rgb8) -> u8 {
    ((2989 * u32::from(red) + 5870 * u32::from(green) + 1140 * u32::from(blue)) / 10_000) as u8
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

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
    fn gray_is_the_same_in_whole_numbers_and_in_floats() {
        for red in 0..=255 {
            for green in 0..=255 {
                for blue in (0..=255).step_by(5) {
                    let pixel = [red, green, blue];
                    assert_eq!(gray(pixel.map(f32::from)), f32::from(gray_of(pixel)), "{pixel:?}");
                }
            }
        }
    }

    #[test]
    fn a_jitter_without_strength_does_nothing() {
        let drawn = draw(&ColorJitter::default(), &mut StudySeed(1).stream(Purpose::Gallery, 0));
        assert!(drawn.iter().all(Option::is_none));
    }
}
