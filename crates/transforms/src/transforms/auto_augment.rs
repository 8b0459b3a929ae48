//! `auto_augment` (Cubuk et al. 2019). Reference: torchvision v2 `AutoAugment` on uint8 tensors.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rand_augment::SPACE;
use crate::draw::{chance, up_to};
use crate::policy::{CIFAR10, IMAGENET, SVHN, Step, signed};
use crate::{Augmenter, Described, Fill, Interpolation, Sampling};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// The data that a table was searched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FoundOn {
    /// Photos of a thousand classes: mostly color.
    #[default]
    ImageNet,
    /// Small photos of ten classes.
    Cifar10,
    /// House numbers: mostly geometry, and inverted colors.
    Svhn,
}

impl FoundOn {
    /// The table's lines.
    pub(crate) fn lines(self) -> &'static [[Step; 2]] {
        match self {
            Self::ImageNet => &IMAGENET,
            Self::Cifar10 => &CIFAR10,
            Self::Svhn => &SVHN,
        }
    }
}

/// One of 25 pairs of operations that were searched for, each with its own probabilities and strengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoAugment {
    /// The table, by the data that it was searched on.
    pub policy: FoundOn,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for AutoAugment {
    fn default() -> Self {
        Self { policy: FoundOn::default(), interpolation: Interpolation::Nearest, fill: Fill::default() }
    }
}

impl Described for AutoAugment {
    const SOURCE: &str = "torchvision `AutoAugment`; Cubuk et al. 2019, tables 7 to 9";
    const WORKS: &[Work] = &[Work {
        key: "cubuk2019",
        kind: "inproceedings",
        authors: "Cubuk, Ekin D. and Zoph, Barret and Mané, Dandelion and Vasudevan, Vijay and Le, Quoc V.",
        title: "AutoAugment: Learning Augmentation Strategies from Data",
        venue: "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        year: 2019,
    }];

    fn limits(&self) -> Vec<Limit> {
        Vec::new()
    }
}

/// Strengths of the tables.
const BINS: usize = 10;

impl Augmenter for AutoAugment {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let lines = self.policy.lines();
        let sampling = Sampling::of_policy(self.interpolation, &self.fill);
        for (operation, p, index) in lines[up_to(lines.len() as u32 - 1, rng) as usize] {
            if chance(p, rng) {
                let magnitude = SPACE.magnitude(operation, index, BINS, image.dimensions());
                image = operation.apply(image, signed(operation, magnitude, rng), sampling);
            }
        }
        image
    }
}
