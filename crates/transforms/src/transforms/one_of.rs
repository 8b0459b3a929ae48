//! `one_of`: one of several transforms. Reference of the choice: torchvision `RandomChoice`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Transform;
use crate::branches::{self, Branch, branches};
use crate::{Augmenter, Described};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Applies one of several transforms. Another branch changes no number that the others draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneOf {
    /// The transforms.
    pub of: Vec<Transform>,
    /// How likely each is, in relation to the others; without them, each is equally likely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
}

impl Default for OneOf {
    fn default() -> Self {
        Self { of: branches::example(), weights: Vec::new() }
    }
}

impl Described for OneOf {
    const SOURCE: &str = "torchvision `RandomChoice`; albumentations `OneOf`";

    fn limits(&self) -> Vec<Limit> {
        let mut limits = branches::limits_of(&self.of);
        limits.push(branches::weights_limit(&self.weights, self.of.len(), "transform"));
        limits
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        self.of.iter().flat_map(|transform| transform.doubts(width_px, height_px)).collect()
    }
}

impl Augmenter for OneOf {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        match branches(&self.of, &self.weights, rng).into_iter().min_by(Branch::race) {
            Some(winner) => winner.apply(image),
            None => image,
        }
    }
}
