//! `trivial_augment_wide` (Müller and Hutter 2021). Reference: torchvision v2 `TrivialAugmentWide` on uint8 tensors.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::up_to;
use crate::parameters::too_long;
use crate::policy::{FOURTEEN, Posterize, Space, Translate, signed};
use crate::{Augmenter, Described, Fill, Interpolation, Sampling};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// One of fourteen operations with a random strength: nothing to tune, so the fair default of a comparison.
///
/// As published, an image is translated by up to 32 px whatever its size, which is a third of one of 96 px. With
/// `relative = true` it is by up to a seventh of the side, the same share as 32 px of 224.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrivialAugmentWide {
    /// Number of strengths.
    pub bins: u32,
    /// Translations are shares of the side: up to 1/7, not up to 32 px.
    pub relative: bool,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for TrivialAugmentWide {
    fn default() -> Self {
        Self { bins: 31, relative: false, interpolation: Interpolation::Nearest, fill: Fill::default() }
    }
}

impl Described for TrivialAugmentWide {
    const SOURCE: &str = "torchvision `TrivialAugmentWide`; Müller and Hutter 2021, table 1";
    const WORKS: &[Work] = &[Work {
        key: "muller2021",
        kind: "inproceedings",
        authors: "Müller, Samuel G. and Hutter, Frank",
        title: "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
        venue: "IEEE/CVF International Conference on Computer Vision",
        year: 2021,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("bins", self.bins, 2.0, 1000.0)]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let advice = "`relative = true` translates by a share of the side, as 32 px of 224";
        let what = "`trivial_augment_wide` translates by up to";
        let fixed = (!self.relative).then(|| too_long(what, TRANSLATE_PX, width_px.min(height_px), 0.2, advice));
        fixed.flatten().into_iter().collect()
    }
}

/// The longest translation as published, px.
const TRANSLATE_PX: f64 = 32.0;
/// The side of the images that most policies are made for, px.
const USUAL_SIDE_PX: f64 = 224.0;

impl TrivialAugmentWide {
    pub(crate) fn space(&self) -> Space {
        let translate = if self.relative {
            Translate::Share(TRANSLATE_PX / USUAL_SIDE_PX)
        } else {
            Translate::Pixels(TRANSLATE_PX)
        };
        Space {
            operations: FOURTEEN,
            shear: 0.99,
            translate,
            degrees: 135.0,
            enhance: 0.99,
            posterize: Posterize { from: 8.0, less: 6.0 },
        }
    }
}

impl Augmenter for TrivialAugmentWide {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let space = self.space();
        let operation = space.draw(rng);
        let index = up_to(self.bins - 1, rng) as usize;
        let magnitude = space.magnitude(operation, index, self.bins as usize, image.dimensions());
        let sampling = Sampling::of_policy(self.interpolation, &self.fill);
        operation.apply(image, signed(operation, magnitude, rng), sampling)
    }
}
