//! `solarize`: bright values are inverted. Reference: torchvision v2 `RandomSolarize`. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Inverts every channel value from a threshold on, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Solarize {
    /// Values from here on are inverted, levels.
    pub threshold: f64,
    /// Probability.
    pub p: f64,
}

impl Default for Solarize {
    fn default() -> Self {
        Self { threshold: 128.0, p: 0.5 }
    }
}

impl Described for Solarize {
    const SOURCE: &str = "torchvision `RandomSolarize`";

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("threshold", self.threshold, 0.0, 256.0).unit("levels"),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }
}

impl Augmenter for Solarize {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| format!("solarize from {}", self.threshold));
            solarize(&mut image, self.threshold);
        }
        image
    }
}

/// Inverts every channel value of at least `threshold`.
pub fn solarize(image: &mut RgbImage, threshold: f64) {
    let threshold = threshold as f32;
    let Some(first) = (0..=u8::MAX).find(|&value| f32::from(value) >= threshold) else { return };
    for byte in image.iter_mut() {
        *byte = if *byte >= first { !*byte } else { *byte };
    }
}
