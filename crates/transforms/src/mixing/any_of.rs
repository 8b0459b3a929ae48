//! `any_of`: one of several ways of mixing. Reference: timm's `Mixup` with `switch_prob`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, Each, HiddenMix};
use super::{Cutmix, Mix, Mixup};
use crate::Described;
use crate::branches::{arrival, limits, weights_limit};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::{Fork, Stream};

/// Mixes each batch, or each image, in one of several ways. Another way changes no number that the others draw.
///
/// Where every image has a way of its own, its partner may be any image of the batch, as it was before mixing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnyOf {
    /// The ways of mixing.
    pub of: Vec<Mix>,
    /// How likely each is, in relation to the others; without them, each is equally likely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
    /// Whether a way is chosen for the batch or for each image.
    #[serde(default, skip_serializing_if = "Each::is_batch")]
    pub each: Each,
}

impl Default for AnyOf {
    fn default() -> Self {
        let of = vec![Mix::Mixup(Mixup::default()), Mix::Cutmix(Cutmix::default())];
        Self { of, weights: Vec::new(), each: Each::Batch }
    }
}

impl Described for AnyOf {
    const SOURCE: &str = "timm `Mixup` with `switch_prob`; torchvision `RandomChoice`";

    fn limits(&self) -> Vec<Limit> {
        let mut found = limits(self.of.iter().map(|mix| (mix.name(), mix.limits())), "method");
        found.push(weights_limit(&self.weights, self.of.len(), "method"));
        let hidden = self.of.iter().flat_map(Mix::with_ways).any(|mix| matches!(mix, Mix::ManifoldMixup(_)));
        found.push(Limit::rule("each", "", self.each.is_batch() || !hidden, || {
            "`manifold_mixup` mixes the whole batch at one stage, so it cannot be chosen for each image: leave `each` out".to_owned()
        }));
        found
    }
}

impl BatchMixer for AnyOf {
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        let fork = Fork::new(rng);
        let choices = if self.each.is_batch() { 1 } else { batch.len };
        let mut ways: Vec<(Stream, Vec<f64>)> = Vec::with_capacity(self.of.len());
        for (index, way) in self.of.iter().enumerate() {
            let twins = self.of[..index].iter().filter(|other| other.name() == way.name()).count();
            let mut stream = fork.stream(way.name(), twins as u64);
            let weight = self.weights.get(index).copied().unwrap_or(1.0);
            let arrivals = (0..choices).map(|_| arrival(weight, &mut stream)).collect();
            ways.push((stream, arrivals));
        }
        let winner = |choice: usize| {
            let order = |&a: &usize, &b: &usize| ways[a].1[choice].total_cmp(&ways[b].1[choice]);
            (0..ways.len()).min_by(order)
        };
        let chosen: Vec<usize> = (0..choices).filter_map(winner).collect();
        if self.each.is_batch() {
            let way = *chosen.first()?;
            return self.of[way].behavior().mix(batch, &mut ways[way].0);
        }
        let (images, targets) = (batch.images.to_vec(), batch.targets.to_vec());
        let (pixels, classes) = (images.len() / batch.len, targets.len() / batch.len);
        for (way, (stream, _)) in ways.iter_mut().enumerate() {
            let (mut own_images, mut own_targets) = (images.clone(), targets.clone());
            let mut own = Batch { images: &mut own_images, targets: &mut own_targets, ..*batch };
            self.of[way].behavior().mix(&mut own, stream);
            for image in (0..batch.len).filter(|&image| chosen[image] == way) {
                let (pixels, classes) = (image * pixels..(image + 1) * pixels, image * classes..(image + 1) * classes);
                batch.images[pixels.clone()].copy_from_slice(&own_images[pixels]);
                batch.targets[classes.clone()].copy_from_slice(&own_targets[classes]);
            }
        }
        None
    }
}
