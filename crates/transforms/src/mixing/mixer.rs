//! A batch that is mixed with a permutation of itself.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_distr::Beta;

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
}

/// A way of mixing batches.
pub trait BatchMixer: Send + Sync {
    /// Mixes a batch, or leaves it alone; whatever is random comes from `rng`.
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream);
}

/// With probability `p`, one lambda from Beta(alpha, alpha) and one permutation for the whole batch.
///
/// # Panics
/// If alpha is not a positive number.
pub(super) fn draw(alpha: f64, p: f64, len: usize, rng: &mut Stream) -> Option<(f64, Vec<usize>)> {
    if !chance(p, rng) {
        return None;
    }
    let lambda = rng.sample(Beta::new(alpha, alpha).expect("alpha of a mix is positive"));
    let mut partners: Vec<usize> = (0..len).collect();
    partners.shuffle(rng);
    Some((lambda, partners))
}

/// Every item becomes `lambda` of itself and the rest of its partner.
pub(super) fn blend(values: &mut [f32], len: usize, partners: &[usize], lambda: f64) {
    let (own, other) = (lambda as f32, (1.0 - lambda) as f32);
    with_partners(values, len, partners, |item, partner| {
        for (value, partner) in item.iter_mut().zip(partner) {
            *value = *partner * other + *value * own;
        }
    });
}

/// Calls `update(item, partner)` for every item, where the partner is as it was before any update.
///
/// Walks the cycles of the permutation: an item is updated right before its successor in the cycle, so that only the
/// first item of a cycle must be kept aside, not the whole batch.
pub(super) fn with_partners(
    values: &mut [f32],
    len: usize,
    partners: &[usize],
    mut update: impl FnMut(&mut [f32], &[f32]),
) {
    let mut waiting = vec![false; len];
    for &partner in partners {
        waiting[partner] = true;
    }
    assert!(partners.len() == len && waiting.iter().all(|&seen| seen), "partners are a permutation of the batch");
    let item_len = values.len() / len;
    let mut first = vec![0.0; item_len];
    for start in 0..len {
        if !waiting[start] {
            continue;
        }
        first.copy_from_slice(&values[start * item_len..][..item_len]);
        let mut item = start;
        loop {
            waiting[item] = false;
            let partner = partners[item];
            if partner == start {
                update(&mut values[item * item_len..][..item_len], &first);
                break;
            }
            let [item_values, partner_values] = values
                .get_disjoint_mut([
                    item * item_len..(item + 1) * item_len,
                    partner * item_len..(partner + 1) * item_len,
                ])
                .expect("two items of a cycle are distinct");
            update(item_values, partner_values);
            item = partner;
        }
    }
}
