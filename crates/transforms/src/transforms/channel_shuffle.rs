//! `channel_shuffle`: red, green and blue in another order. Reference: torchvision v2 `RandomChannelPermutation`.
//! Exact.

use image::RgbImage;
use rand::seq::SliceRandom as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use crate::raster::pixels_mut;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Puts the channels into a random order, each equally likely, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelShuffle {
    /// Probability.
    pub p: f64,
}

impl Default for ChannelShuffle {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Described for ChannelShuffle {
    const SOURCE: &str = "torchvision `RandomChannelPermutation`; albumentations `ChannelShuffle`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }

    fn example() -> Self {
        Self { p: 1.0 }
    }
}

impl Augmenter for ChannelShuffle {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            let mut order = [0, 1, 2];
            order.shuffle(rng);
            trace::note(|| format!("channels {}", order.map(|channel| ["R", "G", "B"][channel]).concat()));
            permute_channels(&mut image, order);
        }
        image
    }
}

/// Channel `i` of the result is channel `order[i]`.
pub fn permute_channels(image: &mut RgbImage, order: [usize; 3]) {
    for pixel in pixels_mut(image) {
        *pixel = order.map(|channel| pixel[channel]);
    }
}
