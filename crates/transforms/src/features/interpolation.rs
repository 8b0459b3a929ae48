//! `interpolation` (`DeVries` and Taylor 2017). Reference: the paper, equations 2 and 3; done anew in
//! `fixtures/features/make_features.py`.

use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::smote::between;
use super::{FeatureMaker, FeatureSpace};
use crate::draw::{chance, uniform};
use crate::{Described, Range};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Shows, instead of a sample, a point on the line through its features and those of a near sample of its class; drawn anew in every
/// pass.
///
/// With a positive `lambda` the point lies toward the neighbor, with a negative one away from it, which is the paper's extrapolation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureInterpolation {
    /// Nearest neighbors among which one is drawn.
    pub k: u32,
    /// How far toward the neighbor, as a share of the distance; drawn uniformly.
    pub lambda: Range,
    /// Probability.
    pub p: f64,
}

impl Default for FeatureInterpolation {
    fn default() -> Self {
        Self { k: 10, lambda: [0.5, 0.5], p: 0.5 }
    }
}

/// Where `interpolation` and `noise` come from.
pub(super) const DEVRIES: &[Work] = &[Work {
    key: "devries2017features",
    kind: "misc",
    authors: "DeVries, Terrance and Taylor, Graham W.",
    title: "Dataset Augmentation in Feature Space",
    venue: "arXiv:1702.05538",
    year: 2017,
}];

impl Described for FeatureInterpolation {
    const SOURCE: &str = "DeVries and Taylor 2017, equations 2 and 3";
    const WORKS: &[Work] = DEVRIES;

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("k", self.k, 1.0, 1000.0),
            Limit::interval("lambda", self.lambda, -1.0, 1.0).unit("of the distance"),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }
}

impl FeatureMaker for FeatureInterpolation {
    fn neighbors(&self) -> usize {
        self.k as usize
    }

    fn added(&self, counts: &[usize]) -> Vec<usize> {
        vec![0; counts.len()]
    }

    fn make(&self, space: &FeatureSpace, base: usize, made: &mut [f32], rng: &mut Stream) {
        let neighbors = space.neighbors(base);
        if neighbors.is_empty() || !chance(self.p, rng) {
            return made.copy_from_slice(space.row(base));
        }
        let neighbor = neighbors[rng.random_range(0..neighbors.len())];
        between(space.row(base), space.row(neighbor), uniform(self.lambda, rng), made);
    }
}
