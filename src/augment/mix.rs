//! `MixUp` (Zhang et al. 2018) and `CutMix` (Yun et al. 2019) of a batch with a permutation of itself.
//!
//! Reference: torchvision v2 `MixUp` and `CutMix`, which permute by rolling; the permutation is drawn here, as in the
//! authors' code.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_distr::Beta;

use super::draw::{chance, up_to};
use crate::plan::transform::{Mix, MixParameters};
use crate::seed::Stream;

/// A batch that is mixed in place.
#[derive(Debug)]
pub struct Batch<'a> {
    /// `[N, C, H, W]`, any range.
    pub images: &'a mut [f32],
    /// `[N, K]`: per image the probability of each of `K` classes.
    pub targets: &'a mut [f32],
    /// `N`
    pub len: usize,
    pub width_px: usize,
    pub height_px: usize,
}

impl Batch<'_> {
    fn check(&self) {
        let plane = self.width_px * self.height_px;
        assert!(self.len > 0 && plane > 0, "a batch has images, and they have pixels");
        assert_eq!(self.images.len() % (self.len * plane), 0, "images are [N, C, H, W]");
        assert_eq!(self.targets.len() % self.len, 0, "targets are [N, K]");
    }
}

/// Mixes batches as one `[mix]` of a recipe asks.
#[derive(Clone, Debug)]
pub struct Mixer {
    mix: Mix,
    lambda: Beta<f64>,
}

impl Mixer {
    /// # Panics
    /// If alpha is not a positive number.
    #[must_use]
    pub fn new(mix: &Mix) -> Self {
        let (Mix::Mixup(MixParameters { alpha, .. }) | Mix::Cutmix(MixParameters { alpha, .. })) = mix;
        Self { mix: mix.clone(), lambda: Beta::new(*alpha, *alpha).expect("alpha of a mix is positive") }
    }

    /// Mixes the batch with the recipe's probability: one lambda and one permutation for all of it.
    ///
    /// # Panics
    /// If the batch is empty or its slices do not fit its shape.
    pub fn apply(&self, batch: &mut Batch<'_>, rng: &mut Stream) {
        batch.check();
        let (Mix::Mixup(parameters) | Mix::Cutmix(parameters)) = &self.mix;
        if !chance(parameters.p, rng) {
            return;
        }
        let lambda = rng.sample(self.lambda);
        let mut partners: Vec<usize> = (0..batch.len).collect();
        partners.shuffle(rng);
        match self.mix {
            Mix::Mixup(_) => mixup(batch, &partners, lambda),
            Mix::Cutmix(_) => {
                let x = up_to(batch.width_px as u32 - 1, rng) as usize;
                let y = up_to(batch.height_px as u32 - 1, rng) as usize;
                cutmix(batch, &partners, CutBox::new(lambda, x, y, batch.width_px, batch.height_px));
            }
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

/// Image `i` shows image `partners[i]` inside the box; targets are mixed by the area that remains.
///
/// # Panics
/// If the slices do not fit the shape, the box does not fit the image, or `partners` is not a permutation of the batch.
pub fn cutmix(batch: &mut Batch<'_>, partners: &[usize], cut: CutBox) {
    batch.check();
    let (width, height) = (batch.width_px, batch.height_px);
    assert!(cut.right <= width && cut.bottom <= height, "the box is inside the image");
    with_partners(batch.images, batch.len, partners, |image, partner| {
        let planes = image.chunks_exact_mut(width * height).zip(partner.chunks_exact(width * height));
        for (plane, other) in planes {
            for row in cut.top..cut.bottom {
                let span = row * width + cut.left..row * width + cut.right;
                plane[span.clone()].copy_from_slice(&other[span]);
            }
        }
    });
    blend(batch.targets, batch.len, partners, cut.kept_share(width, height));
}

/// The rectangle that `CutMix` pastes: rows `top..bottom` and columns `left..right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutBox {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl CutBox {
    /// Sides are `sqrt(1 - lambda)` of the image's, centred at `(x, y)` and clipped (Yun et al. 2019, equation 2).
    #[must_use]
    pub fn new(lambda: f64, x: usize, y: usize, width_px: usize, height_px: usize) -> Self {
        let half = 0.5 * (1.0 - lambda).max(0.0).sqrt();
        let (half_width, half_height) = ((half * width_px as f64) as usize, (half * height_px as f64) as usize);
        Self {
            left: x.saturating_sub(half_width),
            top: y.saturating_sub(half_height),
            right: (x + half_width).min(width_px),
            bottom: (y + half_height).min(height_px),
        }
    }

    /// Share of the image outside the box: the lambda that the labels are mixed with.
    #[must_use]
    pub fn kept_share(&self, width_px: usize, height_px: usize) -> f64 {
        let pasted = (self.right - self.left) * (self.bottom - self.top);
        1.0 - pasted as f64 / (width_px * height_px) as f64
    }
}

fn blend(values: &mut [f32], len: usize, partners: &[usize], lambda: f64) {
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
fn with_partners(values: &mut [f32], len: usize, partners: &[usize], mut update: impl FnMut(&mut [f32], &[f32])) {
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
