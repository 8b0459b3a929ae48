//! `smote` (Chawla et al. 2002). Reference: imbalanced-learn 0.14 `SMOTE` (`fixtures/features/make_features.py`).

use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FeatureMaker, FeatureSpace};
use crate::Described;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Adds samples to the smaller classes, each on the line between the features of a sample and of one of its nearest neighbors.
///
/// Neighbors are of the same class and of the training part. They are added once, before training; a class with a single sample repeats
/// it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Smote {
    /// Nearest neighbors among which one is drawn.
    pub k: u32,
    /// Size that smaller classes grow to, as a share of the largest class.
    pub size: f64,
}

impl Default for Smote {
    fn default() -> Self {
        Self { k: 5, size: 1.0 }
    }
}

impl Described for Smote {
    const SOURCE: &str = "imbalanced-learn `SMOTE`; Chawla et al. 2002";
    const WORKS: &[Work] = &[Work {
        key: "chawla2002",
        kind: "article",
        authors: "Chawla, Nitesh V. and Bowyer, Kevin W. and Hall, Lawrence O. and Kegelmeyer, W. Philip",
        title: "SMOTE: Synthetic Minority Over-sampling Technique",
        venue: "Journal of Artificial Intelligence Research 16",
        year: 2002,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("k", self.k, 1.0, 1000.0),
            Limit::number("size", self.size, 0.0, 1.0).unit("of the largest class"),
        ]
    }
}

impl FeatureMaker for Smote {
    fn neighbors(&self) -> usize {
        self.k as usize
    }

    fn added(&self, counts: &[usize]) -> Vec<usize> {
        let wanted = (counts.iter().copied().max().unwrap_or(0) as f64 * self.size).round() as usize;
        counts.iter().map(|&count| if count == 0 { 0 } else { wanted.saturating_sub(count) }).collect()
    }

    fn make(&self, space: &FeatureSpace, base: usize, made: &mut [f32], rng: &mut Stream) {
        let neighbors = space.neighbors(base);
        let neighbor = if neighbors.is_empty() { base } else { neighbors[rng.random_range(0..neighbors.len())] };
        between(space.row(base), space.row(neighbor), rng.random::<f64>(), made);
    }
}

/// `base + step (neighbor - base)`, which is `base` at 0 and `neighbor` at 1; all `[F]`.
pub(super) fn between(base: &[f32], neighbor: &[f32], step: f64, made: &mut [f32]) {
    let step = step as f32;
    for (made, (base, neighbor)) in made.iter_mut().zip(base.iter().zip(neighbor)) {
        *made = base + step * (neighbor - base);
    }
}
