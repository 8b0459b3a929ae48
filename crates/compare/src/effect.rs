//! Everything that is computed of one contrast's pairs by itself, before the family of contrasts is known.

use serde::Serialize;

use super::contrast::Pair;
use super::scope::{beyond, bounded, crossed, resampled};
use super::verdict::{Unadjusted, Unscoped};
use super::{Measured, Metric, RunResult, StudyResults};
use augtrial_base::seed::Stream;
use augtrial_stats::{self as stats, Crossed, Degenerate, PairedT};

/// Power that sample sizes and detectable differences are stated for.
const POWER: f64 = 0.8;

/// Random sign assignments behind the sign-flip p where there are too many to enumerate.
pub const SIGN_FLIP_DRAWS: u32 = 20_000;

/// What is said of a contrast's differences, over seeds unless another unit is named.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Mean difference of the metric, treatment less control.
    pub difference: f64,
    /// Of the differences, with `n - 1`.
    pub sd: f64,
    /// Pearson's r of treatment and control.
    pub correlation: Measured<f64>,
    pub t: Measured<PairedT>,
    pub sign_flip: Measured<SignFlip>,
    /// Smallest p that the exact tests can give for this many pairs.
    pub exact_floor: f64,
    pub wilcoxon_p: Measured<f64>,
    pub dz: Measured<f64>,
    pub gz: Measured<f64>,
    /// Seeds for which the treatment is above the control.
    pub wins: usize,
    pub a12: Measured<f64>,
    /// Pairs needed for 80 % power at a true difference of the margin and `alpha / contrasts`, Holm's strictest step.
    pub pairs_needed: Measured<f64>,
    /// Difference that this many pairs find with 80 % power, likewise.
    pub minimum_detectable: Measured<f64>,
    /// Over seeds and images.
    pub crossed: Result<Crossed, Unscoped>,
    /// Test images over training images, where the split is redrawn for every seed; `t` is the corrected one then.
    pub test_share: Option<f64>,
}

/// The sign-flip test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SignFlip {
    pub p: f64,
    /// Random assignments that it was computed from; absent if all were enumerated.
    pub draws: Option<u32>,
}

/// The effect and both of its scopes.
pub(super) struct Raw {
    pub effect: Effect,
    pub here: Result<Unadjusted, Unscoped>,
    pub beyond: Result<Unadjusted, Unscoped>,
}

pub(super) fn measure(
    pairs: &[Pair],
    runs: &[(&RunResult, &RunResult)],
    input: &StudyResults,
    signs: &mut Stream,
) -> Measured<Raw> {
    let study = &input.study;
    let treatment: Vec<f64> = pairs.iter().map(|pair| pair.treatment).collect();
    let control: Vec<f64> = pairs.iter().map(|pair| pair.control).collect();
    let d = stats::differences(&treatment, &control)?;
    let strictest = study.alpha / input.contrasts.len().max(1) as f64;
    let sd = stats::sd(&d)?;
    let sign_flip = sign_flip(&d, signs);
    let test_share = input.conduct.test_share;
    // Tests and sample sizes that take the seeds for independent of one another.
    let independent = if test_share.is_some() { Err(Degenerate::Redrawn) } else { Ok(()) };
    let Scopes { here, beyond, t, crossed } = scopes(&d, runs, input, || Ok(sign_flip.clone()?.p))?;
    let spread = independent.clone().and(if sd > 0.0 { Ok(sd) } else { Err(Degenerate::ZeroVariance) });
    let effect = Effect {
        difference: stats::mean(&d)?,
        sd,
        correlation: stats::pearson_r(&treatment, &control),
        t,
        sign_flip: independent.clone().and(sign_flip),
        exact_floor: stats::exact_floor(d.len()),
        wilcoxon_p: independent.clone().and_then(|()| stats::wilcoxon_p(&d)),
        dz: stats::cohen_dz(&d),
        gz: stats::hedges_gz(&d),
        wins: stats::paired_wins(&d),
        a12: stats::a12(&treatment, &control),
        pairs_needed: spread.clone().and_then(|sd| stats::sample_size(study.delta / sd, strictest, POWER)),
        minimum_detectable: spread.and_then(|sd| detectable(d.len(), sd, strictest, input.metric())),
        crossed,
        test_share,
    };
    Ok(Raw { effect, here, beyond })
}

/// What verdicts rest on.
pub(super) struct Scopes {
    pub here: Result<Unadjusted, Unscoped>,
    pub beyond: Result<Unadjusted, Unscoped>,
    t: Measured<PairedT>,
    crossed: Result<Crossed, Unscoped>,
}

/// Both scopes of the differences `d`. `sign_flip_p` is asked where all differences are equal: then there is no t, but there are
/// the signs.
pub(super) fn scopes(
    d: &[f64],
    runs: &[(&RunResult, &RunResult)],
    input: &StudyResults,
    sign_flip_p: impl FnOnce() -> Measured<f64>,
) -> Measured<Scopes> {
    let (alpha, delta, look) = (input.study.alpha, input.study.delta, input.conduct.look.as_ref());
    let level = look.map_or(1.0 - alpha, |look| look.level(alpha));
    let adjust = |found: Unadjusted| look.map_or(found, |look| look.adjust(found, alpha));
    let difference = bounded(stats::mean_interval(d, level)?, input.metric());
    let t = stats::paired_t(d, level);
    let p = match &t {
        Ok(t) => t.p,
        Err(_) => sign_flip_p().unwrap_or(1.0),
    };
    let here = Unadjusted { difference, p, tost_p: equivalence_p(d, difference.point, delta) };
    let crossed = crossed(runs, difference.point, input);
    if let Some(share) = input.conduct.test_share {
        let (found, t) = resampled(d, share, here, input);
        return Ok(Scopes { here: Err(Unscoped::Redrawn), beyond: Ok(adjust(found)), t, crossed });
    }
    Ok(Scopes { beyond: beyond(here, &crossed, input).map(adjust), here: Ok(adjust(here)), t, crossed })
}

fn sign_flip(d: &[f64], signs: &mut Stream) -> Measured<SignFlip> {
    match stats::sign_flip_p(d) {
        Err(Degenerate::TooMany { .. }) => {
            let p = stats::sampled_sign_flip_p(d, SIGN_FLIP_DRAWS, signs)?;
            Ok(SignFlip { p, draws: Some(SIGN_FLIP_DRAWS) })
        }
        p => Ok(SignFlip { p: p?, draws: None }),
    }
}

/// No two values differ by more than the metric's range: two shares by one.
fn detectable(pairs: usize, sd: f64, alpha: f64, metric: &Metric) -> Measured<f64> {
    let difference = sd * stats::minimum_detectable_dz(pairs, alpha, POWER)?;
    if difference <= metric.width() { Ok(difference) } else { Err(Degenerate::NoSuchDifference) }
}

/// One where no margin is declared. Where all differences are equal and inside the margin, each of the two one-sided sign-flip tests gives `1 / 2^n`.
fn equivalence_p(d: &[f64], mean: f64, delta: f64) -> f64 {
    match stats::tost_p(d, delta) {
        Ok(p) => p,
        Err(Degenerate::ZeroVariance) if mean.abs() < delta => stats::exact_floor(d.len()) / 2.0,
        Err(_) => 1.0,
    }
}
