//! `random_order`: all of several transforms. Reference: torchvision `RandomOrder`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Transform;
use crate::branches::{self, Branch, branches};
use crate::{Augmenter, Described};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Applies all of several transforms in a random order, each equally likely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomOrder {
    /// The transforms.
    pub of: Vec<Transform>,
}

impl Default for RandomOrder {
    fn default() -> Self {
        Self { of: branches::example() }
    }
}

impl Described for RandomOrder {
    const SOURCE: &str = "torchvision `RandomOrder`";

    fn limits(&self) -> Vec<Limit> {
        branches::limits_of(&self.of)
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        self.of.iter().flat_map(|transform| transform.doubts(width_px, height_px)).collect()
    }

    fn example() -> Self {
        let noise = crate::GaussianNoise { sigma: [0.05, 0.2] };
        Self { of: branches::example().into_iter().chain([Transform::GaussianNoise(noise)]).collect() }
    }
}

impl Augmenter for RandomOrder {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let mut branches = branches(&self.of, &[], rng);
        branches.sort_by(Branch::race);
        branches.into_iter().fold(image, |image, branch| branch.apply(image))
    }
}
