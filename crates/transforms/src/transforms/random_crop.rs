//! `random_crop`: padding, then a crop. Reference: torchvision v2 `pad` then `crop`. Moves pixels, and is exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::up_to;
use crate::kernels::through_window;
use crate::parameters::too_long;
use crate::{Augmenter, Described, Fill, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Pads every side and crops the original size at a random place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCrop {
    /// Width of the padding on each side, px.
    pub padding_px: u32,
    /// What the padding shows.
    pub fill: Fill,
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self { padding_px: 4, fill: Fill::default() }
    }
}

impl Described for RandomCrop {
    const SOURCE: &str = "torchvision `RandomCrop` with `padding`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("padding_px", self.padding_px, 0.0, 4096.0).unit("px")]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let advice = "choose a smaller `padding_px`";
        let what = "`random_crop` moves by up to";
        too_long(what, f64::from(self.padding_px), width_px.min(height_px), 0.4, advice).into_iter().collect()
    }
}

impl Augmenter for RandomCrop {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let padding = i64::from(self.padding_px);
        let mut start = || i64::from(up_to(2 * self.padding_px, rng)) - padding;
        let (top, left) = (start(), start());
        trace::note(|| format!("crop from {left} {top} px"));
        through_window(image, left, top, &self.fill)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernels::moved_to;

    #[test]
    fn a_padded_crop_reaches_every_place() {
        let crop = RandomCrop { padding_px: 2, fill: Fill::default() };
        let seen: BTreeSet<_> = (0..1000).filter_map(|index| moved_to(&crop, index)).collect();
        let expected = (8..=12).flat_map(|x| (4..=8).map(move |y| (x, y))).collect();
        assert_eq!(seen, expected);
    }
}
