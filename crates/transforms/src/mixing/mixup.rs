//! `mixup` (Zhang et al. 2018). Reference: torchvision v2 `MixUp`, which permutes by rolling; the permutation is drawn here, as
//! in the authors' code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, blend, draw};
use crate::Described;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Convex combination of each image with another of the batch, and of their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mixup {
    /// lambda is drawn from Beta(alpha, alpha), once a batch.
    pub alpha: f64,
    /// Probability that a batch is mixed at all.
    pub p: f64,
}

impl Default for Mixup {
    fn default() -> Self {
        Self { alpha: 1.0, p: 1.0 }
    }
}

impl Described for Mixup {
    const SOURCE: &str = "torchvision `MixUp`; Zhang et al. 2018";
    const WORKS: &[Work] = &[Work {
        key: "zhang2018",
        kind: "inproceedings",
        authors: "Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David",
        title: "mixup: Beyond Empirical Risk Minimization",
        venue: "International Conference on Learning Representations",
        year: 2018,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::positive("alpha", self.alpha), Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl BatchMixer for Mixup {
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) {
        if let Some((lambda, partners)) = draw(self.alpha, self.p, batch.len, rng) {
            mixup(batch, &partners, lambda);
        }
    }
}

/// Image `i` becomes `lambda x_i + (1 - lambda) x_partners[i]`, and its target alike.
///
/// # Panics
/// If the slices do not fit the shape, or `partners` is not a permutation of the batch.
pub fn mixup(batch: &mut Batch<'_>, partners: &[usize], lambda: f64) {
    batch.check();
    blend(batch.images, batch.len, partners, lambda);
    blend(batch.targets, batch.len, partners, lambda);
}
