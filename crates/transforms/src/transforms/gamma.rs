//! `gamma`: a power of every channel. Reference: torchvision v2 `adjust_gamma`; the draw is that of
//! albumentations `RandomGamma`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::uniform;
use crate::kernels::{WHITE, look_up, table, unit_to_byte};
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Raises every channel, from 0 to 1, to a power drawn from an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gamma {
    /// Power; below 1 is brighter.
    pub gamma: Range,
}

impl Default for Gamma {
    fn default() -> Self {
        Self { gamma: [0.8, 1.2] }
    }
}

impl Described for Gamma {
    const SOURCE: &str = "albumentations `RandomGamma`; torchvision `adjust_gamma`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::interval("gamma", self.gamma, 0.01, 100.0)]
    }
}

impl Augmenter for Gamma {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let gamma = uniform(self.gamma, rng);
        trace::note(|| format!("gamma {gamma:.2}"));
        adjust_gamma(&mut image, gamma);
        image
    }
}

/// Raises every channel, from 0 to 1, to the power `gamma`.
pub fn adjust_gamma(image: &mut RgbImage, gamma: f64) {
    let gamma = gamma as f32;
    look_up(image, &table(|value| unit_to_byte((f32::from(value) / WHITE).powf(gamma))));
}
