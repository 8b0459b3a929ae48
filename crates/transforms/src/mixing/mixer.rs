//! A batch that is mixed with images of itself: who is mixed with whom, and by how much.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_distr::Beta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::chance;
use augtrial_base::seed::Stream;

/// A batch that is mixed in place.
#[derive(Debug)]
pub struct Batch<'a> {
    /// `[N, H, W, C]`, any range.
    pub images: &'a mut [f32],
    /// `[N, K]`: per image the probability of each of `K` classes.
    pub targets: &'a mut [f32],
    /// `N`
    pub len: usize,
    pub width_px: usize,
    pub height_px: usize,
}

impl Batch<'_> {
    pub(super) fn check(&self) {
        let plane = self.width_px * self.height_px;
        assert!(self.len > 0 && plane > 0, "a batch has images, and they have pixels");
        assert_eq!(self.images.len() % (self.len * plane), 0, "images are [N, H, W, C]");
        assert_eq!(self.targets.len() % self.len, 0, "targets are [N, K]");
    }

    /// `C`
    pub(super) fn channels(&self) -> usize {
        self.images.len() / (self.len * self.width_px * self.height_px)
    }

    /// The class of each image before it is mixed: the first of the largest probability.
    fn classes(&self) -> Vec<usize> {
        let class = |row: &[f32]| {
            let larger = |best: usize, index: usize| if row[index] > row[best] { index } else { best };
            (0..row.len()).reduce(larger).unwrap_or(0)
        };
        self.targets.chunks_exact(self.targets.len() / self.len).map(class).collect()
    }
}

/// A way of mixing batches.
pub trait BatchMixer: Send + Sync {
    /// Mixes a batch, or leaves it alone; whatever is random comes from `rng`. Where the network itself is to mix hidden values,
    /// images stay as they are, labels are mixed, and what the network has to do is returned.
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix>;
}

/// Mixing of what a layer of the network gives, `[N, ...]`: each image's values with those of its partner.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenMix {
    /// Stage of the network after which values are mixed, from 1 on.
    pub layer: usize,
    /// One for each image of the batch.
    pub pairs: Vec<Pair>,
}

/// What an image is mixed with: it becomes `lambda` of itself and the rest of image `partner` of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub partner: usize,
    /// 0 to 1; at 1 the image stays as it is.
    pub lambda: f64,
}

impl Pair {
    /// One lambda for all.
    #[must_use]
    pub fn all(partners: &[usize], lambda: f64) -> Vec<Self> {
        partners.iter().map(|&partner| Self { partner, lambda }).collect()
    }

    /// An image that stays as it is.
    fn alone(image: usize) -> Self {
        Self { partner: image, lambda: 1.0 }
    }
}

/// What shares a draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    /// The whole batch.
    #[default]
    Batch,
    /// Nothing: every image has a draw of its own.
    Element,
}

/// Which images of a batch are mixed with one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pairs {
    /// Any: the batch is permuted.
    #[default]
    Any,
    /// Images of different classes. An image whose batch has no other class stays as it is.
    CrossClass,
    /// Images of one class. An image that is alone with its class stays as it is.
    SameClass,
}

impl Each {
    /// Whether the batch shares its draws.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        *self == Self::Batch
    }
}

impl Pairs {
    /// Whether any two images may be mixed.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

/// How often, with whom and by how much images are mixed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// lambda is drawn from Beta(alpha, alpha).
    pub(super) alpha: f64,
    /// Probability that a batch, or an image, is mixed at all.
    pub(super) p: f64,
    pub(super) each: Each,
    pub(super) pairs: Pairs,
}

impl Rule {
    /// The pair of each image; none where nothing is mixed.
    ///
    /// # Panics
    /// If alpha is not a positive number.
    pub(super) fn draw(&self, batch: &Batch<'_>, rng: &mut Stream) -> Option<Vec<Pair>> {
        let law = Beta::new(self.alpha, self.alpha).expect("alpha of a mix is positive");
        let lambdas: Vec<Option<f64>> = match self.each {
            Each::Batch if !chance(self.p, rng) => return None,
            Each::Batch => vec![Some(rng.sample(law)); batch.len],
            Each::Element => (0..batch.len).map(|_| chance(self.p, rng).then(|| rng.sample(law))).collect(),
        };
        let partners = self.pairs.draw(batch, rng);
        let pair = |(image, (lambda, partner)): (usize, (&Option<f64>, Option<usize>))| match (*lambda, partner) {
            (Some(lambda), Some(partner)) => Pair { partner, lambda },
            _ => Pair::alone(image),
        };
        Some(lambdas.iter().zip(partners).enumerate().map(pair).collect())
    }
}

impl Pairs {
    /// The partner of each image; none where the batch has none for it.
    pub(super) fn draw(self, batch: &Batch<'_>, rng: &mut Stream) -> Vec<Option<usize>> {
        if self == Self::Any {
            return permutation(batch.len, rng).into_iter().map(Some).collect();
        }
        let classes = batch.classes();
        let same = self == Self::SameClass;
        let partner = |image: usize| {
            let suits = |&other: &usize| other != image && (classes[other] == classes[image]) == same;
            let suitable: Vec<usize> = (0..batch.len).filter(suits).collect();
            (!suitable.is_empty()).then(|| suitable[rng.random_range(0..suitable.len())])
        };
        (0..batch.len).map(partner).collect()
    }
}

/// The images of a batch in a random order.
pub(super) fn permutation(len: usize, rng: &mut Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(rng);
    order
}

/// Every item becomes `lambda` of itself and the rest of its partner.
pub(super) fn blend(values: &mut [f32], pairs: &[Pair]) {
    with_partners(values, pairs, |image, item, partner| {
        let lambda = pairs[image].lambda;
        let (own, other) = (lambda as f32, (1.0 - lambda) as f32);
        for (value, partner) in item.iter_mut().zip(partner) {
            *value = *partner * other + *value * own;
        }
    });
}

/// Calls `update(number, item, partner)` for every item, where the partner is as it was before any update.
///
/// Where partners are a permutation it walks the cycles: an item is updated right before its successor in the cycle, so that
/// only the first item of a cycle must be kept aside, not the whole batch.
pub(super) fn with_partners(values: &mut [f32], pairs: &[Pair], mut update: impl FnMut(usize, &mut [f32], &[f32])) {
    let len = pairs.len();
    let item_len = values.len() / len;
    let mut waiting = vec![false; len];
    for pair in pairs {
        waiting[pair.partner] = true;
    }
    if !waiting.iter().all(|&seen| seen) {
        let before = values.to_vec();
        for (item, pair) in pairs.iter().enumerate() {
            let partner = &before[pair.partner * item_len..][..item_len];
            update(item, &mut values[item * item_len..][..item_len], partner);
        }
        return;
    }
    let mut first = vec![0.0; item_len];
    for start in 0..len {
        if !waiting[start] {
            continue;
        }
        first.copy_from_slice(&values[start * item_len..][..item_len]);
        let mut item = start;
        loop {
            waiting[item] = false;
            let partner = pairs[item].partner;
            if partner == start {
                update(item, &mut values[item * item_len..][..item_len], &first);
                break;
            }
            let [item_values, partner_values] = values
                .get_disjoint_mut([
                    item * item_len..(item + 1) * item_len,
                    partner * item_len..(partner + 1) * item_len,
                ])
                .expect("two items of a cycle are distinct");
            update(item, item_values, partner_values);
            item = partner;
        }
    }
}
