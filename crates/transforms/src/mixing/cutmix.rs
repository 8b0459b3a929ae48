//! `cutmix` (Yun et al. 2019). Reference: torchvision v2 `CutMix`, which permutes by rolling; the permutation is drawn here, as
//! in the authors' code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, Each, HiddenMix, Pair, Pairs, Rule, blend, with_partners};
use crate::{Described, draw::up_to};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// A rectangle of each image is pasted over from another of the batch; labels are mixed by the area.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cutmix {
    /// lambda is drawn from Beta(alpha, alpha), once a batch or once an image.
    pub alpha: f64,
    /// Probability that a batch, or an image, is mixed at all.
    pub p: f64,
    /// Whether the rectangle is one for the batch or one for each image.
    #[serde(skip_serializing_if = "Each::is_batch")]
    pub each: Each,
    /// Which images are mixed with one another.
    #[serde(skip_serializing_if = "Pairs::is_any")]
    pub pairs: Pairs,
}

impl Default for Cutmix {
    fn default() -> Self {
        Self { alpha: 1.0, p: 1.0, each: Each::Batch, pairs: Pairs::Any }
    }
}

impl Described for Cutmix {
    const SOURCE: &str = "torchvision `CutMix`; Yun et al. 2019";
    const WORKS: &[Work] = &[Work {
        key: "yun2019",
        kind: "inproceedings",
        authors: "Yun, Sangdoo and Han, Dongyoon and Oh, Seong Joon and Chun, Sanghyuk and Choe, Junsuk and Yoo, Youngjoon",
        title: "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
        venue: "IEEE/CVF International Conference on Computer Vision",
        year: 2019,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::positive("alpha", self.alpha), Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl BatchMixer for Cutmix {
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        let Self { alpha, p, each, pairs } = *self;
        let pairs = (Rule { alpha, p, each, pairs }).draw(batch, rng)?;
        let (width, height) = (batch.width_px, batch.height_px);
        let mut center = || (up_to(width as u32 - 1, rng) as usize, up_to(height as u32 - 1, rng) as usize);
        let shared = each.is_batch().then(&mut center);
        let cut = |pair: &Pair| {
            let (x, y) = shared.unwrap_or_else(&mut center);
            CutBox::new(pair.lambda, x, y, width, height)
        };
        let cuts: Vec<CutBox> = pairs.iter().map(cut).collect();
        cutmix(batch, &pairs, &cuts);
        None
    }
}

/// Image `i` shows its partner inside box `i`; targets are mixed by the area that remains.
///
/// # Panics
/// If the slices do not fit the shape, a box does not fit the image, or there is not one pair and one box for each image.
pub fn cutmix(batch: &mut Batch<'_>, pairs: &[Pair], cuts: &[CutBox]) {
    batch.check();
    assert!(pairs.len() == batch.len && cuts.len() == batch.len, "one pair and one box for each image");
    let (width, height, channels) = (batch.width_px, batch.height_px, batch.channels());
    assert!(cuts.iter().all(|cut| cut.right <= width && cut.bottom <= height), "the box is inside the image");
    with_partners(batch.images, pairs, |image, item, partner| {
        let cut = cuts[image];
        for row in cut.top..cut.bottom {
            let span = (row * width + cut.left) * channels..(row * width + cut.right) * channels;
            item[span.clone()].copy_from_slice(&partner[span]);
        }
    });
    let kept = |(pair, cut): (&Pair, &CutBox)| Pair { lambda: cut.kept_share(width, height), ..*pair };
    blend(batch.targets, &pairs.iter().zip(cuts).map(kept).collect::<Vec<_>>());
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
    /// Sides are `sqrt(1 - lambda)` of the image's, centered at `(x, y)` and clipped (Yun et al. 2019, equation 2).
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
