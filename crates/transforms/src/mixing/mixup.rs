//! `mixup` (Zhang et al. 2018). Reference: torchvision v2 `MixUp`, which permutes by rolling; the permutation is drawn here, as
//! in the authors' code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, Each, HiddenMix, Pair, Pairs, Rule, blend};
use crate::Described;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Convex combination of each image with another of the batch, and of their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mixup {
    /// lambda is drawn from Beta(alpha, alpha), once a batch or once an image.
    pub alpha: f64,
    /// Probability that a batch, or an image, is mixed at all.
    pub p: f64,
    /// Whether lambda is one for the batch or one for each image.
    #[serde(skip_serializing_if = "Each::is_batch")]
    pub each: Each,
    /// Which images are mixed with one another.
    #[serde(skip_serializing_if = "Pairs::is_any")]
    pub pairs: Pairs,
}

impl Default for Mixup {
    fn default() -> Self {
        Self { alpha: 1.0, p: 1.0, each: Each::Batch, pairs: Pairs::Any }
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
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        let Self { alpha, p, each, pairs } = *self;
        if let Some(pairs) = (Rule { alpha, p, each, pairs }).draw(batch, rng) {
            mixup(batch, &pairs);
        }
        None
    }
}

/// Image `i` becomes `lambda x_i + (1 - lambda) x_partner`, and its target alike, with the lambda and the partner of
/// `pairs[i]`.
///
/// # Panics
/// If the slices do not fit the shape, or there is not one pair for each image.
pub fn mixup(batch: &mut Batch<'_>, pairs: &[Pair]) {
    batch.check();
    assert_eq!(pairs.len(), batch.len, "one pair for each image");
    blend(batch.images, pairs);
    blend(batch.targets, pairs);
}
