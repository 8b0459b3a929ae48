//! `hsv_scale`: scales hue, saturation and value. Reference: scikit-image's `rgb2hsv` and `hsv2rgb`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::uniform;
use crate::kernels::{WHITE, hsv_to_rgb, rgb_to_hsv};
use crate::raster::{pixels_mut, to_byte};
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Multiplies the components of HSV, each by a factor drawn from its interval; hue wraps, the others clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HsvScale {
    /// Factor of the hue.
    pub hue: Range,
    /// Factor of the saturation.
    pub saturation: Range,
    /// Factor of the value.
    pub value: Range,
}

impl Default for HsvScale {
    fn default() -> Self {
        Self { hue: [1.0, 1.0], saturation: [0.8, 1.2], value: [0.8, 1.2] }
    }
}

impl Described for HsvScale {
    const SOURCE: &str = "scikit-image `rgb2hsv`";

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::interval("hue", self.hue, 0.0, 10.0),
            Limit::interval("saturation", self.saturation, 0.0, 10.0),
            Limit::interval("value", self.value, 0.0, 10.0),
        ]
    }
}

impl Augmenter for HsvScale {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let factors = [uniform(self.hue, rng), uniform(self.saturation, rng), uniform(self.value, rng)];
        trace::note(|| format!("HSV x{:.2} x{:.2} x{:.2}", factors[0], factors[1], factors[2]));
        scale_hsv(&mut image, factors);
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
