//! `manifold_mixup` (Verma et al. 2019). Reference: the authors' code (`github.com/vikasverma1077/manifold_mixup`), done anew in
//! `crates/torch/fixtures/resnet/make_manifold.py`.

use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, Each, HiddenMix, Pairs, Rule, blend};
use super::mixup::mixup;
use crate::Described;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Deepest stage that can be named: no network of the table has as many.
const DEEPEST: u32 = 16;

/// As `mixup`, of what a stage of the network gives: images, or hidden values after a stage drawn for each batch.
///
/// Stage 0 is the input. A `ResNet` has four stages, `EfficientNet-Lite0` seven, with the features as the eighth; of a network from a
/// file, stage 1 is the features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ManifoldMixup {
    /// lambda is drawn from Beta(alpha, alpha), once a batch or once an image.
    pub alpha: f64,
    /// Probability that a batch, or an image, is mixed at all.
    pub p: f64,
    /// Stages after which may be mixed, each equally likely; 0 is the input.
    pub stages: Vec<u32>,
    /// Whether lambda is one for the batch or one for each image.
    #[serde(skip_serializing_if = "Each::is_batch")]
    pub each: Each,
    /// Which images are mixed with one another.
    #[serde(skip_serializing_if = "Pairs::is_any")]
    pub pairs: Pairs,
}

impl Default for ManifoldMixup {
    fn default() -> Self {
        Self { alpha: 2.0, p: 1.0, stages: vec![0, 1, 2], each: Each::Batch, pairs: Pairs::Any }
    }
}

impl Described for ManifoldMixup {
    const SOURCE: &str = "Verma et al. 2019, and the authors' code (github.com/vikasverma1077/manifold_mixup)";
    const WORKS: &[Work] = &[Work {
        key: "verma2019",
        kind: "inproceedings",
        authors: "Verma, Vikas and Lamb, Alex and Beckham, Christopher and Najafi, Amir and Mitliagkas, Ioannis and Lopez-Paz, David and Bengio, Yoshua",
        title: "Manifold Mixup: Better Representations by Interpolating Hidden States",
        venue: "International Conference on Machine Learning",
        year: 2019,
    }];

    fn limits(&self) -> Vec<Limit> {
        let stages = &self.stages;
        let known = stages.iter().all(|&stage| stage <= DEEPEST);
        vec![
            Limit::positive("alpha", self.alpha),
            Limit::number("p", self.p, 0.0, 1.0),
            Limit::rule("stages", "0 to the last of the network; one at least", !stages.is_empty(), || {
                "`stages` needs at least one stage; 0 is the input".to_owned()
            })
            .and(known, || format!("no network has more than {DEEPEST} stages")),
        ]
    }
}

impl BatchMixer for ManifoldMixup {
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        let Self { alpha, p, ref stages, each, pairs } = *self;
        let layer = stages[rng.random_range(0..stages.len())] as usize;
        let pairs = (Rule { alpha, p, each, pairs }).draw(batch, rng)?;
        if layer == 0 {
            mixup(batch, &pairs);
            return None;
        }
        batch.check();
        blend(batch.targets, &pairs);
        Some(HiddenMix { layer, pairs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    #[test]
    fn a_stage_is_drawn_for_each_batch_and_images_change_at_stage_0_alone() {
        let mix = ManifoldMixup { stages: vec![0, 2, 3], ..ManifoldMixup::default() };
        let mut counts = [0; 4];
        for index in 0..3000 {
            let (mut images, mut targets) = ([1.0, 2.0, 4.0, 8.0], [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
            let mut batch = Batch { images: &mut images, targets: &mut targets, len: 4, width_px: 1, height_px: 1 };
            let hidden = mix.mix(&mut batch, &mut StudySeed(1).stream(Purpose::Gallery, index));
            counts[hidden.as_ref().map_or(0, |hidden| hidden.layer)] += 1;
            assert!(hidden.is_none_or(|hidden| hidden.pairs.len() == 4 && images == [1.0, 2.0, 4.0, 8.0]));
            assert!(targets.chunks_exact(2).all(|row| (row[0] + row[1] - 1.0).abs() < 1e-6));
        }
        // Four standard errors of a third of 3000.
        assert!(counts[1] == 0 && [0, 2, 3].iter().all(|&stage| (897..=1103).contains(&counts[stage])), "{counts:?}");
    }
}
