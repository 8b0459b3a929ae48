//! `equalize`: an even histogram. Reference: torchvision v2 `RandomEqualize`, whose whole-number rule is
//! Pillow's. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::kernels::{Table, histograms, look_up_channels, table};
use crate::raster::pixels;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Maps the values of every channel so that all are about equally frequent, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Equalize {
    /// Probability.
    pub p: f64,
}

impl Default for Equalize {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Described for Equalize {
    const SOURCE: &str = "torchvision `RandomEqualize`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl Augmenter for Equalize {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            trace::note(|| "equalize".to_owned());
            equalize(&mut image);
        }
        image
    }
}

/// Makes the histogram of every channel as even as whole values can be.
pub fn equalize(image: &mut RgbImage) {
    let tables = histograms(pixels(image)).map(|counts| evened(&counts));
    look_up_channels(image, &tables);
}

/// With the step `s`, a 255th of the pixels below the largest value that occurs, a value becomes `(n + s / 2) / s` of the
/// `n` pixels that are smaller. Where the step is zero, nothing changes.
fn evened(counts: &[u32; 256]) -> Table {
    let pixels: u32 = counts.iter().sum();
    let of_largest = counts.iter().rev().find(|&&count| count > 0).copied().unwrap_or_default();
    let step = (pixels - of_largest) / 255;
    if step == 0 {
        return table(|value| value);
    }
    let mut smaller = 0;
    counts.map(|count| {
        let value = (smaller + step / 2) / step;
        smaller += count;
        value.min(255) as u8
    })
}
