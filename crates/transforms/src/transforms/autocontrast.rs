//! `autocontrast`: each channel stretched to the whole range. Reference: torchvision v2 `RandomAutocontrast`, in
//! its single-precision steps. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::kernels::{Table, WHITE, extremes, look_up_channels, table};
use crate::raster::pixels;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Stretches every channel, so that its smallest value becomes 0 and its largest 255, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Autocontrast {
    /// Probability.
    pub p: f64,
}

impl Default for Autocontrast {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Described for Autocontrast {
    const SOURCE: &str = "torchvision `RandomAutocontrast`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl Augmenter for Autocontrast {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| "autocontrast".to_owned());
            autocontrast(&mut image);
        }
        image
    }
}

/// Stretches every channel to 0 to 255. A channel of one value stays as it is.
pub fn autocontrast(image: &mut RgbImage) {
    let (least, most) = extremes(pixels(image));
    let stretched = |channel: usize| -> Table {
        let (least, most) = (least[channel], most[channel]);
        if least == most {
            return table(|value| value);
        }
        let scale = f32::from(most - least) * (1.0 / WHITE);
        // Values outside the extremes do not occur.
        table(|value| (f32::from(value.saturating_sub(least)) / scale) as u8)
    };
    let tables = std::array::from_fn(stretched);
    look_up_channels(image, &tables);
}
