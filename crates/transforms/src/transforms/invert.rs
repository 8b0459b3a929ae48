//! `invert`: the negative. Reference: torchvision v2 `RandomInvert`. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Inverts every channel, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Invert {
    /// Probability.
    pub p: f64,
}

impl Default for Invert {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Described for Invert {
    const SOURCE: &str = "torchvision `RandomInvert`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl Augmenter for Invert {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| "invert".to_owned());
            invert(&mut image);
        }
        image
    }
}

/// Inverts every channel.
pub fn invert(image: &mut RgbImage) {
    for byte in image.iter_mut() {
        *byte = !*byte;
    }
}
