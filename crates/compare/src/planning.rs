//! What a contrast needs to find a difference that matters: seeds, or more test images (Cohen 1988, ch. 2).
//!
//! On this test set: the paired t test at `alpha / contrasts`, Holm's strictest step, has the asked power for a true
//! difference `effect` if the standard deviation of the differences is what was estimated. An estimate from few seeds may be
//! far off: the range comes from the chi-squared interval of the standard deviation.
//!
//! For new images: the variance of the mean is `seeds/n + images/m + rest/(n m)`. Where the images' part alone is more than
//! the power allows, no number of seeds is enough. By the normal approximation, since its parts are estimates anyway.
//!
//! The difference to plan for is the declared margin, not the observed one: power at the observed difference says no more
//! than its p value does (Hoenig and Heisey 2001), and favors whoever looks for large ones.

use serde::Serialize;

use super::verdict::Unscoped;
use super::{Comparison, ContrastResult, Measured};
use augtrial_plan::file::Contrast;
use augtrial_stats::{self as stats, Crossed, Degenerate, Estimate};

/// What one contrast needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedPlan {
    pub contrast: Contrast,
    /// Complete pairs at hand.
    pub pairs: usize,
    /// True difference that is to be found.
    pub effect: f64,
    /// Level of the test.
    pub alpha: f64,
    pub power: f64,
    /// On this test set.
    pub here: Measured<SeedNeed>,
    /// For new images like these.
    pub beyond: Result<ImageNeed, Unscoped>,
}

/// Pairs in all, those at hand included.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedNeed {
    /// Standard deviation of the differences with its interval, at one less the study's alpha.
    pub sd: Estimate,
    /// If the standard deviation is as estimated.
    pub pairs: Measured<u64>,
    /// If it is at the lower and at the upper end of its interval.
    pub range: (Measured<u64>, Measured<u64>),
}

/// What new images ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageNeed {
    /// The test images at hand are enough for this many pairs in all.
    Seeds { pairs: u64 },
    /// They are too few, however many seeds there are: about this many test images, and then this many pairs in all.
    Images { have: u64, images: u64, pairs: u64 },
}

impl SeedNeed {
    /// Pairs beyond those at hand, if the standard deviation is as estimated.
    ///
    /// # Errors
    /// If no feasible number of pairs reaches the power.
    pub fn more(&self, have: usize) -> Measured<u64> {
        self.pairs.clone().map(|pairs| pairs.saturating_sub(have as u64))
    }
}

/// What every contrast of a comparison needs to find `effect` (on the scale of the metric; the study's margin if absent)
/// with `power`.
///
/// # Errors
/// If `power` is not within (0, 1), or `effect` is not a positive number.
pub fn plan_seeds(comparison: &Comparison, power: f64, effect: Option<f64>) -> Measured<Vec<SeedPlan>> {
    let effect = effect.unwrap_or(comparison.delta);
    if !(power > 0.0 && power < 1.0) {
        return Err(Degenerate::OutOfRange { name: "power", value: power });
    }
    if !(effect.is_finite() && effect > 0.0) {
        return Err(Degenerate::OutOfRange { name: "effect", value: effect });
    }
    let alpha = comparison.alpha / comparison.contrasts.len().max(1) as f64;
    let plan = |result: &ContrastResult| SeedPlan {
        contrast: result.contrast.clone(),
        pairs: result.pairs.len(),
        effect,
        alpha,
        power,
        here: seed_need(result, effect, alpha, power, 1.0 - comparison.alpha),
        beyond: match result.judged().map(|judged| &judged.effect.crossed) {
            None => Err(Unscoped::NoPredictions),
            Some(Err(reason)) => Err(reason.clone()),
            Some(Ok(crossed)) => image_need(crossed, effect, alpha, power).map_err(Unscoped::Undefined),
        },
    };
    Ok(comparison.contrasts.iter().map(plan).collect())
}

fn seed_need(result: &ContrastResult, effect: f64, alpha: f64, power: f64, level: f64) -> Measured<SeedNeed> {
    if result.judged().is_some_and(|judged| judged.effect.test_share.is_some()) {
        return Err(Degenerate::Redrawn);
    }
    let differences: Vec<f64> = result.pairs.iter().map(super::Pair::difference).collect();
    let sd = stats::sd_interval(&differences, level)?;
    let pairs = |sd: f64| Ok(stats::sample_size(effect / sd, alpha, power)?.ceil().max(2.0) as u64);
    Ok(SeedNeed { sd, pairs: pairs(sd.point), range: (pairs(sd.interval.0), pairs(sd.interval.1)) })
}

fn image_need(crossed: &Crossed, effect: f64, alpha: f64, power: f64) -> Measured<ImageNeed> {
    let z = stats::normal_quantile(1.0 - alpha / 2.0)? + stats::normal_quantile(power)?;
    // The largest variance of the mean that this power allows.
    let allowed = (effect / z).powi(2);
    let have = crossed.images as f64;
    let per_seed = |images: f64| crossed.seed_variance + crossed.rest_variance / images;
    let pairs = |variance: f64, images: f64| (per_seed(images) / variance).ceil().clamp(2.0, 1e15) as u64;
    let of_images = crossed.image_variance / have;
    if of_images < allowed {
        return Ok(ImageNeed::Seeds { pairs: pairs(allowed - of_images, have) });
    }
    // Half of what is allowed for the images, half for the seeds.
    let images = (2.0 * crossed.image_variance / allowed).ceil();
    Ok(ImageNeed::Images {
        have: crossed.images as u64,
        images: images.min(1e15) as u64,
        pairs: pairs(allowed / 2.0, images),
    })
}
