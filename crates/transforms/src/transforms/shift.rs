//! `shift`: translation by whole pixels. Reference: torchvision v2 `affine` with such a translation. Moves pixels, and is
//! exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{round, uniform};
use crate::kernels::through_window;
use crate::{Augmenter, Described, Fill, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Translates by whole pixels drawn uniformly up to a share of each side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shift {
    /// Largest horizontal shift, as a share of the width.
    pub x: f64,
    /// Largest vertical shift, as a share of the height.
    pub y: f64,
    /// What is seen beyond the edge.
    pub fill: Fill,
}

impl Default for Shift {
    fn default() -> Self {
        Self { x: 0.1, y: 0.1, fill: Fill::default() }
    }
}

impl Described for Shift {
    const SOURCE: &str = "torchvision `RandomAffine(translate=...)`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("x", self.x, 0.0, 1.0), Limit::number("y", self.y, 0.0, 1.0)]
    }
}

impl Augmenter for Shift {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let mut offset = |share: f64, side: u32| {
            let largest = share * f64::from(side);
            round(uniform([-largest, largest], rng)) as i64
        };
        let (right, down) = (offset(self.x, image.width()), offset(self.y, image.height()));
        trace::note(|| format!("shift {right} {down} px"));
        through_window(image, -right, -down, &self.fill)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernels::moved_to;

    #[test]
    fn a_shift_reaches_every_offset_up_to_its_share_of_each_side() {
        let shift = Shift { x: 0.1, y: 0.25, fill: Fill::default() };
        let seen: BTreeSet<_> = (0..1000).filter_map(|index| moved_to(&shift, index)).collect();
        let expected = (8..=12).flat_map(|x| (3..=9).map(move |y| (x, y))).collect();
        assert_eq!(seen, expected);
    }
}
