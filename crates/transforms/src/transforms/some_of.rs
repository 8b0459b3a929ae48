//! `some_of`: a few of several transforms. Reference of the choice: albumentations `SomeOf` without replacement.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Transform;
use crate::branches::{self, branches};
use crate::{Augmenter, Described};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Applies `n` different ones of several transforms, in the order of the list. Another branch changes no number that the
/// others draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SomeOf {
    /// The transforms.
    pub of: Vec<Transform>,
    /// How many are applied.
    pub n: u32,
}

impl Default for SomeOf {
    fn default() -> Self {
        Self { of: branches::example(), n: 2 }
    }
}

impl Described for SomeOf {
    const SOURCE: &str = "albumentations `SomeOf`";

    fn limits(&self) -> Vec<Limit> {
        let (n, count) = (self.n, self.of.len());
        let mut limits = branches::limits_of(&self.of);
        limits.push(Limit::rule("n", "1 to the number of transforms", n >= 1 && n as usize <= count, || {
            format!("`n` must lie between 1 and {count}, the number of transforms, not {n}")
        }));
        limits
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        self.of.iter().flat_map(|transform| transform.doubts(width_px, height_px)).collect()
    }
}

impl Augmenter for SomeOf {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let mut racing: Vec<_> = branches(&self.of, &[], rng).into_iter().enumerate().collect();
        racing.sort_by(|(_, one), (_, other)| one.race(other));
        racing.truncate(self.n as usize);
        racing.sort_by_key(|(place, _)| *place);
        racing.into_iter().fold(image, |image, (_, branch)| branch.apply(image))
    }
}
