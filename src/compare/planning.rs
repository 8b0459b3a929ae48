//! How many more seeds a contrast needs (Cohen 1988, ch. 2), with the uncertainty of the variance that this rests on.
//!
//! The paired t test at `alpha / contrasts`, Holm's strictest step, has the asked power for a true difference `effect` if the
//! standard deviation of the differences is what was estimated. An estimate from few seeds may be far off: the range
//! comes from the chi-squared interval of the standard deviation.

use serde::Serialize;

use super::{Comparison, ContrastResult, Measured};
use crate::plan::file::Contrast;
use crate::stats::{self, Degenerate, Estimate};

/// What one contrast needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedPlan {
    pub contrast: Contrast,
    /// Complete pairs at hand.
    pub pairs: usize,
    /// True difference that is to be found.
    pub effect: f64,
    /// Whether the effect is the one observed: then it is an estimate too, and favours whoever looks for large ones.
    pub observed: bool,
    /// Level of the test.
    pub alpha: f64,
    pub power: f64,
    pub need: Measured<SeedNeed>,
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

impl SeedNeed {
    /// Pairs beyond those at hand, if the standard deviation is as estimated.
    ///
    /// # Errors
    /// If no feasible number of pairs reaches the power.
    pub fn more(&self, have: usize) -> Measured<u64> {
        self.pairs.clone().map(|pairs| pairs.saturating_sub(have as u64))
    }
}

/// What every contrast of a comparison needs to find `effect` (on the scale of the metric; the observed difference if
/// absent) with `power`.
///
/// # Errors
/// If `power` is not within (0, 1), or `effect` is not a positive number.
pub fn plan_seeds(comparison: &Comparison, power: f64, effect: Option<f64>) -> Measured<Vec<SeedPlan>> {
    if !(power > 0.0 && power < 1.0) {
        return Err(Degenerate::OutOfRange { name: "power", value: power });
    }
    if let Some(value) = effect.filter(|effect| !(effect.is_finite() && *effect > 0.0)) {
        return Err(Degenerate::OutOfRange { name: "effect", value });
    }
    let alpha = comparison.alpha / comparison.contrasts.len().max(1) as f64;
    let plan = |result: &ContrastResult| SeedPlan {
        contrast: result.contrast.clone(),
        pairs: result.pairs.len(),
        effect: effect.unwrap_or_else(|| result.effect.as_ref().map_or(0.0, |effect| effect.difference.point)),
        observed: effect.is_none(),
        alpha,
        power,
        need: need(result, effect, alpha, power, 1.0 - comparison.alpha),
    };
    Ok(comparison.contrasts.iter().map(plan).collect())
}

fn need(result: &ContrastResult, effect: Option<f64>, alpha: f64, power: f64, level: f64) -> Measured<SeedNeed> {
    let differences: Vec<f64> = result.pairs.iter().map(super::Pair::difference).collect();
    let sd = stats::sd_interval(&differences, level)?;
    let effect = match effect {
        Some(effect) => effect,
        None => stats::mean(&differences)?,
    };
    let pairs = |sd: f64| Ok(stats::sample_size(effect / sd, alpha, power)?.ceil().max(2.0) as u64);
    Ok(SeedNeed { sd, pairs: pairs(sd.point), range: (pairs(sd.interval.0), pairs(sd.interval.1)) })
}
