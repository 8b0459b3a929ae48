//! `rand_augment` (Cubuk et al. 2020). Reference: torchvision v2 `RandAugment` on uint8 tensors.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{FOURTEEN, Posterize, Space, Translate, signed};
use crate::{Augmenter, Described, Fill, Interpolation, Sampling};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Torchvision's `RandAugment`: a few of fourteen operations in turn, all with the same strength.
///
/// The operation may be the identity, and the same may come twice. timm's `RandAugment` is another algorithm:
/// `timm_rand_augment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// Operations for each image.
    pub operations: u32,
    /// Strength, from 0 to `bins - 1`.
    pub magnitude: u32,
    /// Number of strengths.
    pub bins: u32,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { operations: 2, magnitude: 9, bins: 31, interpolation: Interpolation::Nearest, fill: Fill::default() }
    }
}

impl Described for RandAugment {
    const SOURCE: &str = "torchvision `RandAugment`; Cubuk et al. 2020, figure 2";
    const WORKS: &[Work] = &[RAND_AUGMENT];

    fn limits(&self) -> Vec<Limit> {
        let Self { magnitude, bins, .. } = *self;
        vec![
            Limit::number("operations", self.operations, 1.0, 14.0),
            Limit::rule("magnitude", "0 to `bins - 1`", magnitude < bins.max(1), || {
                format!("`magnitude` must be below `bins`, which is {bins}, not {magnitude}")
            }),
            Limit::number("bins", bins, 2.0, 1000.0),
        ]
    }
}

/// The paper, for every variant.
pub(crate) const RAND_AUGMENT: Work = Work {
    key: "cubuk2020",
    kind: "inproceedings",
    authors: "Cubuk, Ekin D. and Zoph, Barret and Shlens, Jonathon and Le, Quoc V.",
    title: "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
    venue: "Advances in Neural Information Processing Systems",
    year: 2020,
};

/// The strengths, which are those of torchvision's `AutoAugment` too.
pub(crate) const SPACE: Space = Space {
    operations: FOURTEEN,
    shear: 0.3,
    translate: Translate::Share(150.0 / 331.0),
    degrees: 30.0,
    enhance: 0.9,
    posterize: Posterize { from: 8.0, less: 4.0 },
};

impl Augmenter for RandAugment {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let sampling = Sampling::of_policy(self.interpolation, &self.fill);
        for _ in 0..self.operations {
            let operation = SPACE.draw(rng);
            let (index, bins) = (self.magnitude as usize, self.bins as usize);
            let magnitude = SPACE.magnitude(operation, index, bins, image.dimensions());
            image = operation.apply(image, signed(operation, magnitude, rng), sampling);
        }
        image
    }
}
