//! `rgb_shift`: a level added to each channel. Reference: albumentations 2.0.8 `RGBShift`. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{chance, uniform};
use crate::kernels::{look_up_channels, table};
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Adds to each channel a level of its own, and clips, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RgbShift {
    /// Largest level added to or taken from red; drawn uniformly and truncated to a whole number.
    pub red: f64,
    /// The same of green.
    pub green: f64,
    /// The same of blue.
    pub blue: f64,
    /// Probability.
    pub p: f64,
}

impl Default for RgbShift {
    fn default() -> Self {
        Self { red: 20.0, green: 20.0, blue: 20.0, p: 0.5 }
    }
}

impl Described for RgbShift {
    const SOURCE: &str = "albumentations `RGBShift`";

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("red", self.red, 0.0, 255.0).unit("levels"),
            Limit::number("green", self.green, 0.0, 255.0).unit("levels"),
            Limit::number("blue", self.blue, 0.0, 255.0).unit("levels"),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }

    fn example() -> Self {
        Self { p: 1.0, ..Self::default() }
    }
}

impl Augmenter for RgbShift {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            let levels = [self.red, self.green, self.blue].map(|most| uniform([-most, most], rng) as i16);
            trace::note(|| format!("add {} {} {}", levels[0], levels[1], levels[2]));
            shift_rgb(&mut image, levels);
        }
        image
    }
}

/// Adds levels to red, green and blue, and clips.
pub fn shift_rgb(image: &mut RgbImage, levels: [i16; 3]) {
    look_up_channels(image, &levels.map(|level| table(|value| (i16::from(value) + level).clamp(0, 255) as u8)));
}
