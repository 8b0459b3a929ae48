//! `grayscale`: no color. Reference: torchvision v2 `RandomGrayscale`, with the gray of `color_jitter`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::color_jitter::grayscale;
use crate::draw::chance;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Replaces every color by its gray, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grayscale {
    /// Probability.
    pub p: f64,
}

impl Default for Grayscale {
    fn default() -> Self {
        Self { p: 0.1 }
    }
}

impl Described for Grayscale {
    const SOURCE: &str = "torchvision `RandomGrayscale`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }

    fn example() -> Self {
        Self { p: 0.5 }
    }
}

impl Augmenter for Grayscale {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| "grayscale".to_owned());
            grayscale(&mut image);
        }
        image
    }
}
