//! Contrasts, paired by seed: the same split, initial weights and order of samples on either side.
//!
//! The primary test is the paired t test, Holm-adjusted over the declared contrasts; equivalence is Holm-adjusted as a
//! family of its own. Where all differences are equal there is no t, and the exact sign-flip test takes its place.

use rayon::prelude::*;
use serde::Serialize;

use super::arm::{Sorted, summarise};
use super::examples::by_example;
use super::extension::extension;
use super::verdict::Evidence;
use super::{ArmSummary, ExampleComparison, Extension, Measured, Missing, Refusal, RunResult, StudyResults, Verdict};
use crate::plan::file::{Contrast, PrimaryMetric};
use crate::seed::Purpose;
use crate::stats::{self, Degenerate, Estimate, Friedman, PairedT};

/// Power that sample sizes and detectable effects are stated for.
const POWER: f64 = 0.8;

/// A study, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub metric: PrimaryMetric,
    pub alpha: f64,
    pub delta: f64,
    /// As declared.
    pub seeds: Vec<u64>,
    /// In the order of the experiment file.
    pub arms: Vec<ArmSummary>,
    /// In the order declared.
    pub contrasts: Vec<ContrastResult>,
    /// All arms at once, over the seeds that every arm has.
    pub friedman: Measured<Friedman>,
    pub reach: Reach,
    /// Set if the seeds were changed when results could be seen already.
    pub extension: Option<Extension>,
}

/// What an exact test could show at best in this design.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reach {
    pub smallest_p: f64,
    /// Seeds needed for an exact test to reach alpha.
    pub seeds_needed: Option<usize>,
}

/// One contrast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContrastResult {
    pub contrast: Contrast,
    pub pairs: Vec<Pair>,
    /// Planned seeds without a complete pair. If there are any, every number is provisional.
    pub missing: Vec<Missing>,
    /// Absent if the verdict is a refusal.
    pub effect: Option<Effect>,
    pub examples: Option<ExampleComparison>,
    pub verdict: Verdict,
}

/// Two runs of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    pub seed: u64,
    pub treatment: f64,
    pub control: f64,
}

impl Pair {
    /// Treatment less control.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.treatment - self.control
    }
}

/// Everything that is said of a contrast's differences.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Mean difference, treatment less control, with its t interval.
    pub difference: Estimate,
    pub sd: f64,
    /// Pearson's r of treatment and control over seeds.
    pub correlation: Measured<f64>,
    pub t: Measured<PairedT>,
    pub sign_flip_p: Measured<f64>,
    /// Smallest p that the exact tests can give for this many pairs.
    pub exact_floor: f64,
    pub wilcoxon_p: Measured<f64>,
    /// The primary p: of the t test, or of the sign-flip test where all differences are equal.
    pub p: f64,
    /// The primary p, adjusted over the family.
    pub holm_p: f64,
    pub dz: Measured<f64>,
    pub gz: Measured<f64>,
    /// Seeds for which the treatment is above the control.
    pub wins: usize,
    pub a12: Measured<f64>,
    /// p of a difference of delta or more.
    pub tost_p: f64,
    /// The same, adjusted over the family.
    pub tost_holm_p: f64,
    /// Pairs needed for 80 % power at the observed effect and `alpha / contrasts`, Holm's strictest step.
    pub pairs_needed: Measured<f64>,
    /// Difference that this many pairs find with 80 % power, likewise.
    pub minimum_detectable: Measured<f64>,
}

/// Summarises the arms, tests the contrasts and judges them.
#[must_use]
pub fn compare(input: &StudyResults) -> Comparison {
    let study = &input.study;
    let mut seeds = study.seeds.clone();
    seeds.sort_unstable();
    seeds.dedup();
    let mut contrasts = judged(input, &seeds);
    contrasts.par_iter_mut().for_each(|contrast| contrast.examples = examples(input, contrast));
    Comparison {
        metric: study.primary_metric,
        alpha: study.alpha,
        delta: study.delta,
        arms: input.arms.iter().map(|arm| summarise(arm, &seeds, 1.0 - study.alpha)).collect(),
        friedman: friedman(input, &seeds),
        reach: Reach {
            smallest_p: stats::smallest_reachable_p(seeds.len(), input.contrasts.len()),
            seeds_needed: stats::pairs_to_reach(study.alpha, input.contrasts.len()).ok(),
        },
        extension: extension(input),
        seeds,
        contrasts,
    }
}

/// The declared contrasts over these seeds, tested and judged as a family, without the image-by-image part.
pub(super) fn judged(input: &StudyResults, seeds: &[u64]) -> Vec<ContrastResult> {
    let mut contrasts: Vec<ContrastResult> =
        input.contrasts.par_iter().map(|contrast| contrast_result(input, contrast, seeds)).collect();
    judge(&mut contrasts, input.study.alpha, input.study.delta);
    contrasts
}

/// The contrast image by image, over the pairs that count.
fn examples(input: &StudyResults, result: &ContrastResult) -> Option<ExampleComparison> {
    result.effect.as_ref()?;
    let Contrast { treatment, control } = &result.contrast;
    let run = |name: &str, seed: u64| {
        let arm = input.arms.iter().find(|arm| arm.name == name)?;
        arm.runs.iter().find(|run| run.seed == seed)
    };
    let runs: Vec<(&RunResult, &RunResult)> =
        result.pairs.iter().filter_map(|pair| Some((run(treatment, pair.seed)?, run(control, pair.seed)?))).collect();
    let label = format!("{treatment}-{control}");
    let mut rng = input.study.seed.stream(Purpose::Bootstrap { contrast: &label }, 0);
    by_example(&runs, 1.0 - input.study.alpha, &mut rng)
}

fn contrast_result(input: &StudyResults, contrast: &Contrast, seeds: &[u64]) -> ContrastResult {
    let mut result = ContrastResult {
        contrast: contrast.clone(),
        pairs: Vec::new(),
        missing: Vec::new(),
        effect: None,
        examples: None,
        verdict: Verdict::Inconclusive { more_seeds: None },
    };
    let find = |name: &str| {
        let arm = input.arms.iter().find(|arm| arm.name == name);
        arm.map(|arm| Sorted::new(arm, seeds)).ok_or_else(|| Refusal::UnknownArm(name.to_owned()))
    };
    let (treatment, control) = match (find(&contrast.treatment), find(&contrast.control)) {
        (Ok(treatment), Ok(control)) => (treatment, control),
        (Err(reason), _) | (_, Err(reason)) => {
            result.verdict = Verdict::Refused { reason };
            return result;
        }
    };
    let mismatch = |seed| input.conduct.mismatches.iter().find(|m| m.contrast == *contrast && m.seed == seed);
    for &seed in seeds {
        match (treatment.runs.get(&seed), control.runs.get(&seed), mismatch(seed)) {
            (Some(t), Some(c), None) => result.pairs.push(Pair { seed, treatment: t.value, control: c.value }),
            (Some(_), Some(_), Some(broken)) => result.missing.push(Missing { seed, reason: broken.reason.clone() }),
            _ => {
                let reason = why_missing(contrast, &treatment, &control, seed);
                result.missing.push(Missing { seed, reason });
            }
        }
    }
    if let Ok(effect) = effect(&result.pairs, input) {
        result.effect = Some(effect);
    } else {
        let reason = Refusal::TooFewPairs { have: result.pairs.len(), planned: seeds.len() };
        result.verdict = Verdict::Refused { reason };
    }
    result
}

fn why_missing(contrast: &Contrast, treatment: &Sorted<'_>, control: &Sorted<'_>, seed: u64) -> String {
    let sides = [(&contrast.treatment, treatment), (&contrast.control, control)];
    let reasons = sides.iter().filter_map(|(name, arm)| Some(format!("{name}: {}", arm.missing.get(&seed)?)));
    reasons.collect::<Vec<_>>().join("; ")
}

/// The adjusted values are filled in by [`judge`], which sees the whole family.
fn effect(pairs: &[Pair], input: &StudyResults) -> Measured<Effect> {
    let study = &input.study;
    let treatment: Vec<f64> = pairs.iter().map(|pair| pair.treatment).collect();
    let control: Vec<f64> = pairs.iter().map(|pair| pair.control).collect();
    let d = stats::differences(&treatment, &control)?;
    let (level, strictest) = (1.0 - study.alpha, study.alpha / input.contrasts.len() as f64);
    let difference = stats::mean_interval(&d, level)?;
    let sd = stats::sd(&d)?;
    let t = stats::paired_t(&d, level);
    let sign_flip_p = stats::sign_flip_p(&d);
    // Without variance there are at least the signs: their exact test, or its floor beyond what can be enumerated.
    let p = match (&t, &sign_flip_p) {
        (Ok(t), _) => t.p,
        (Err(_), Ok(p)) => *p,
        (Err(_), Err(_)) => f64::from(u8::from(difference.point == 0.0)).max(stats::exact_floor(d.len())),
    };
    let dz = stats::cohen_dz(&d);
    Ok(Effect {
        difference,
        sd,
        correlation: stats::pearson_r(&treatment, &control),
        sign_flip_p,
        exact_floor: stats::exact_floor(d.len()),
        wilcoxon_p: stats::wilcoxon_p(&d),
        p,
        holm_p: p,
        gz: stats::hedges_gz(&d),
        wins: stats::paired_wins(&d),
        a12: stats::a12(&treatment, &control),
        tost_p: equivalence_p(&d, difference.point, study.delta),
        tost_holm_p: 1.0,
        pairs_needed: dz.clone().and_then(|dz| stats::sample_size(dz, strictest, POWER)),
        minimum_detectable: stats::minimum_detectable_dz(d.len(), strictest, POWER)
            .and_then(|dz| if sd > 0.0 { Ok(dz * sd) } else { Err(Degenerate::ZeroVariance) }),
        dz,
        t,
    })
}

/// Where all differences are equal and inside the margin, each of the two one-sided sign-flip tests gives `1 / 2^n`.
fn equivalence_p(d: &[f64], mean: f64, delta: f64) -> f64 {
    match stats::tost_p(d, delta) {
        Ok(p) => p,
        Err(Degenerate::ZeroVariance) if mean.abs() < delta => stats::exact_floor(d.len()) / 2.0,
        Err(_) => 1.0,
    }
}

/// Adjusts both p values over the family and gives every contrast its verdict. A refused contrast stays in the family, with
/// p = 1: not finishing a contrast makes no other one look better.
fn judge(contrasts: &mut [ContrastResult], alpha: f64, delta: f64) {
    let family = |p: fn(&Effect) -> f64| {
        let raw: Vec<f64> = contrasts.iter().map(|c| c.effect.as_ref().map_or(1.0, p)).collect();
        stats::holm(&raw).expect("every p lies in 0 to 1")
    };
    let (different, equivalent) = (family(|e| e.p), family(|e| e.tost_p));
    for ((contrast, different_p), equivalent_p) in contrasts.iter_mut().zip(different).zip(equivalent) {
        let pairs = contrast.pairs.len() as f64;
        let Some(effect) = &mut contrast.effect else { continue };
        effect.holm_p = different_p;
        effect.tost_holm_p = equivalent_p;
        let more = effect.pairs_needed.as_ref().ok().map(|needed| (needed.ceil() - pairs).max(1.0) as u64);
        let evidence =
            Evidence { mean_difference: effect.difference.point, different_p, equivalent_p, more_seeds: more };
        contrast.verdict = evidence.judge(alpha, delta);
    }
}

/// Over the seeds that every arm has.
fn friedman(input: &StudyResults, seeds: &[u64]) -> Measured<Friedman> {
    let arms: Vec<Sorted<'_>> = input.arms.iter().map(|arm| Sorted::new(arm, seeds)).collect();
    let common: Vec<u64> =
        seeds.iter().copied().filter(|seed| arms.iter().all(|arm| arm.runs.contains_key(seed))).collect();
    let values: Vec<Vec<f64>> =
        arms.iter().map(|arm| common.iter().map(|seed| arm.runs[seed].value).collect()).collect();
    stats::friedman(&values)
}
