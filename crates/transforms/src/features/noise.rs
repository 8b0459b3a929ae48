//! `noise` of features (`DeVries` and Taylor 2017). Reference: the paper, equation 1; done anew in
//! `fixtures/features/make_features.py`.

use rand::RngExt as _;
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interpolation::DEVRIES;
use super::{FeatureMaker, FeatureSpace};
use crate::Described;
use crate::draw::chance;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Adds normal noise to the features of every sample, each feature by its own standard deviation in the training part; drawn anew in
/// every pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureNoise {
    /// Standard deviation of the noise, as a share of each feature's own.
    pub gamma: f64,
    /// Probability.
    pub p: f64,
}

impl Default for FeatureNoise {
    fn default() -> Self {
        Self { gamma: 0.5, p: 0.5 }
    }
}

impl Described for FeatureNoise {
    const SOURCE: &str = "DeVries and Taylor 2017, equation 1";
    const WORKS: &[Work] = DEVRIES;

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("gamma", self.gamma, 0.0, 10.0).unit("of the deviation"),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }
}

impl FeatureMaker for FeatureNoise {
    fn added(&self, counts: &[usize]) -> Vec<usize> {
        vec![0; counts.len()]
    }

    fn make(&self, space: &FeatureSpace, base: usize, made: &mut [f32], rng: &mut Stream) {
        made.copy_from_slice(space.row(base));
        if chance(self.p, rng) {
            disturb(made, space.deviations(), self.gamma, || rng.sample(StandardNormal));
        }
    }
}

/// Adds `gamma` times each feature's deviation times a standard normal value; features and deviations `[F]`.
pub(super) fn disturb(made: &mut [f32], deviations: &[f32], gamma: f64, mut normal: impl FnMut() -> f32) {
    for (value, deviation) in made.iter_mut().zip(deviations) {
        *value += gamma as f32 * normal() * deviation;
    }
}
