//! `quarter_turns`: rotation by right angles. Reference: `torch.rot90`. Moves pixels, and is exact where the sides are equal.

use image::{RgbImage, imageops};
use rand::seq::IndexedRandom as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernels::resize;
use crate::raster::pixels_mut;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Rotates by a right angle drawn uniformly from `turns` (counter-clockwise quarter turns), resized back if sides swap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuarterTurns {
    /// Numbers of quarter turns to draw from.
    pub turns: Vec<u8>,
}

impl Default for QuarterTurns {
    fn default() -> Self {
        Self { turns: vec![0, 1, 2, 3] }
    }
}

impl Described for QuarterTurns {
    const SOURCE: &str = "`torch.rot90`";

    fn limits(&self) -> Vec<Limit> {
        let fits = !self.turns.is_empty() && self.turns.iter().all(|turn| *turn <= 3);
        let message = || "`turns` must list numbers from 0 to 3".to_owned();
        vec![Limit::rule("turns", "at least one, each 0 to 3", fits, message)]
    }
}

impl Augmenter for QuarterTurns {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        let turns = self.turns.choose(rng).copied().unwrap_or(0);
        trace::note(|| format!("turn {}°", 90 * u32::from(turns)));
        resize(quarter_turns(image, turns), width_px, height_px)
    }
}

/// Rotates by `turns` right angles counter-clockwise; the sides swap if `turns` is odd (`torch.rot90`).
#[must_use]
pub fn quarter_turns(mut image: RgbImage, turns: u8) -> RgbImage {
    match turns % 4 {
        1 => imageops::rotate270(&image),
        2 => {
            pixels_mut(&mut image).reverse();
            image
        }
        3 => imageops::rotate90(&image),
        _ => image,
    }
}
