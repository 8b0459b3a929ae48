//! `apply`: several transforms in turn, or none. Reference: torchvision `RandomApply`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Transform;
use crate::branches::{self, branches};
use crate::draw::chance;
use crate::{Augmenter, Described};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Applies all of several transforms in turn with probability `p`, else none. With `p = 1` it makes one branch of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The transforms.
    pub of: Vec<Transform>,
    /// Probability of all together.
    #[serde(default = "half")]
    pub p: f64,
}

fn half() -> f64 {
    0.5
}

impl Default for Apply {
    fn default() -> Self {
        Self { of: branches::example(), p: half() }
    }
}

impl Described for Apply {
    const SOURCE: &str = "torchvision `RandomApply`";

    fn limits(&self) -> Vec<Limit> {
        let mut limits = branches::limits_of(&self.of);
        limits.push(Limit::number("p", self.p, 0.0, 1.0));
        limits
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        self.of.iter().flat_map(|transform| transform.doubts(width_px, height_px)).collect()
    }
}

impl Augmenter for Apply {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let branches = branches(&self.of, &[], rng);
        if chance(self.p, rng) { branches.into_iter().fold(image, |image, branch| branch.apply(image)) } else { image }
    }
}
