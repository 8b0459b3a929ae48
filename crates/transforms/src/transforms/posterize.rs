//! `posterize`: fewer bits a channel. Reference: torchvision v2 `RandomPosterize`. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Keeps the highest bits of every channel, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Posterize {
    /// Bits that are kept.
    pub bits: u32,
    /// Probability.
    pub p: f64,
}

impl Default for Posterize {
    fn default() -> Self {
        Self { bits: 4, p: 0.5 }
    }
}

impl Described for Posterize {
    const SOURCE: &str = "torchvision `RandomPosterize`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("bits", self.bits, 0.0, 8.0), Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl Augmenter for Posterize {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| format!("posterize to {} bits", self.bits));
            posterize(&mut image, self.bits);
        }
        image
    }
}

/// Keeps the highest `bits` of every channel.
pub fn posterize(image: &mut RgbImage, bits: u32) {
    let mask = !(0xff_u32 >> bits.min(8)) as u8;
    for byte in image.iter_mut() {
        *byte &= mask;
    }
}
