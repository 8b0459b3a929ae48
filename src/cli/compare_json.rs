//! `augtrial compare --json`: a document of its own, so that the program's types may change and scripts still read it.
//!
//! Within one `version` fields are only ever added. A statistic without a value is `null`, and `undefined` says why.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::compare::{
    ArmSummary, Comparison, ContrastResult, Direction, Effect, Measured, Missing, PlannedAlone, Verdict,
};
use crate::plan::Plan;
use crate::plan::arm::Role;
use crate::plan::dataset::{Dataset, Protocol};
use crate::plan::file::PrimaryMetric;
use crate::report::{answers, banner};
use crate::stats::Estimate;

/// Version of the document. Raised when a field goes, or changes its meaning.
const VERSION: u32 = 1;

/// The arms of a study, compared.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    /// 1. Within one version fields are only ever added.
    version: u32,
    study: String,
    /// Digest of the plan, hexadecimal.
    plan: String,
    protocol: Protocol,
    /// Whether the images are rendered, not photographs.
    synthetic: bool,
    metric: PrimaryMetric,
    /// Level of significance of the whole family of contrasts.
    alpha: f64,
    /// Margin of equivalence on the scale of the metric.
    delta: f64,
    /// Seeds of the study, sorted.
    seeds: Vec<u64>,
    /// What qualifies every number, as sentences.
    warnings: Vec<String>,
    arms: Vec<Arm>,
    /// In the order declared.
    contrasts: Vec<Contrast>,
    /// All arms at once; null for fewer than three.
    friedman: Option<Friedman>,
    /// Set if the seeds were changed when results could be seen.
    changed_after_looking: Option<Changed>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Arm {
    name: String,
    role: Role,
    /// Sorted by seed.
    values: Vec<Point>,
    missing: Vec<Without>,
    mean: Option<f64>,
    /// t interval of the mean at one less alpha.
    interval: Option<[f64; 2]>,
    sd: Option<f64>,
    standard_error: Option<f64>,
    median: Option<f64>,
    interquartile_mean: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    undefined: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Point {
    seed: u64,
    value: f64,
    /// Id of the run.
    run: String,
}

/// A planned seed without a value or a pair.
#[derive(Debug, Serialize, JsonSchema)]
struct Without {
    seed: u64,
    reason: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Contrast {
    treatment: String,
    control: String,
    /// The answer as the report words it.
    answer: String,
    verdict: VerdictName,
    /// For `different`: whether the treatment is better.
    treatment_is_better: Option<bool>,
    /// For `different`: whether the difference is shown to be smaller than delta.
    within_delta: Option<bool>,
    /// For `inconclusive`: pairs to add for 80 % power at the observed difference; null if no feasible number would do.
    more_seeds: Option<u64>,
    /// For `refused`: why.
    refusal: Option<String>,
    /// Whether pairs are missing, so that every number may still change.
    provisional: bool,
    pairs: Vec<Pair>,
    missing: Vec<Without>,
    /// Null if the verdict is a refusal.
    statistics: Option<Statistics>,
    /// Image by image; null without predictions of the same test images.
    examples: Option<Examples>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum VerdictName {
    Different,
    Equivalent,
    Inconclusive,
    Refused,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pair {
    seed: u64,
    treatment: f64,
    control: f64,
}

/// Differences are treatment less control, on the scale of the metric.
#[derive(Debug, Serialize, JsonSchema)]
struct Statistics {
    difference: f64,
    /// t interval of the mean difference at one less alpha.
    interval: [f64; 2],
    sd: f64,
    correlation: Option<f64>,
    t: Option<f64>,
    df: Option<f64>,
    /// The primary p: of the paired t test, or of the sign-flip test where all differences are equal.
    p: f64,
    holm_p: f64,
    sign_flip_p: Option<f64>,
    wilcoxon_p: Option<f64>,
    exact_floor: f64,
    tost_p: f64,
    tost_holm_p: f64,
    dz: Option<f64>,
    gz: Option<f64>,
    /// Seeds for which the treatment is above the control.
    wins: usize,
    a12: Option<f64>,
    /// Pairs for 80 % power at the observed difference and alpha / contrasts.
    pairs_needed: Option<f64>,
    /// Difference found with 80 % power by this many pairs.
    minimum_detectable: Option<f64>,
    undefined: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Examples {
    images: usize,
    /// `McNemar` exact, seed by seed.
    mcnemar: Vec<McNemar>,
    /// Bootstrap interval over seeds and images of the difference of Top-1.
    bootstrap_interval: Option<[f64; 2]>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct McNemar {
    seed: u64,
    only_treatment: u64,
    only_control: u64,
    exact_p: f64,
    mid_p: f64,
    corrected_p: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Friedman {
    chi2: f64,
    p: f64,
    /// In the order of the arms; 1 is the smallest.
    mean_ranks: Vec<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    planned: Vec<u64>,
    added: Vec<u64>,
    dropped: Vec<u64>,
    /// Every contrast over the planned seeds alone.
    planned_alone: Vec<Alone>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Alone {
    treatment: String,
    control: String,
    verdict: VerdictName,
    pairs: usize,
    difference: Option<f64>,
    interval: Option<[f64; 2]>,
    holm_p: Option<f64>,
}

impl Document {
    pub(super) fn new(plan: &Plan, comparison: &Comparison) -> Self {
        let synthetic = matches!(plan.dataset, Dataset::Synthetic(_));
        let protocol = plan.study.protocol;
        let answers = answers(comparison, protocol);
        Self {
            version: VERSION,
            study: plan.study.name.clone(),
            plan: plan.digest().to_string(),
            protocol,
            synthetic,
            metric: comparison.metric,
            alpha: comparison.alpha,
            delta: comparison.delta,
            seeds: comparison.seeds.clone(),
            warnings: banner(comparison, synthetic, protocol).iter().map(crate::report::BannerFact::text).collect(),
            arms: comparison.arms.iter().map(arm).collect(),
            contrasts: comparison.contrasts.iter().zip(answers).map(|(c, answer)| contrast(c, answer)).collect(),
            friedman: comparison.friedman.as_ref().ok().map(|friedman| Friedman {
                chi2: friedman.chi2,
                p: friedman.p,
                mean_ranks: friedman.mean_ranks.clone(),
            }),
            changed_after_looking: comparison.extension.as_ref().map(|extension| Changed {
                planned: extension.seeds.planned.clone(),
                added: extension.seeds.added.clone(),
                dropped: extension.seeds.dropped.clone(),
                planned_alone: extension.planned_alone.iter().map(alone).collect(),
            }),
        }
    }

    /// The JSON schema of the document.
    pub(super) fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

/// Values as numbers or nothing, with the reasons of those that are nothing.
#[derive(Default)]
struct Reasons(BTreeMap<&'static str, String>);

impl Reasons {
    fn value<T: Clone>(&mut self, name: &'static str, measured: &Measured<T>) -> Option<T> {
        match measured {
            Ok(value) => Some(value.clone()),
            Err(reason) => {
                self.0.insert(name, reason.to_string());
                None
            }
        }
    }
}

fn bounds(estimate: &Estimate) -> [f64; 2] {
    [estimate.interval.0, estimate.interval.1]
}

fn without(missing: &[Missing]) -> Vec<Without> {
    missing.iter().map(|m| Without { seed: m.seed, reason: m.reason.clone() }).collect()
}

fn arm(arm: &ArmSummary) -> Arm {
    let mut reasons = Reasons::default();
    let summary = reasons.value("mean", &arm.summary);
    let values = arm.values.iter().map(|v| Point { seed: v.seed, value: v.value, run: v.run.clone() });
    Arm {
        name: arm.name.clone(),
        role: arm.role,
        values: values.collect(),
        missing: without(&arm.missing),
        mean: summary.map(|s| s.mean),
        interval: reasons.value("interval", &arm.mean).as_ref().map(bounds),
        sd: reasons.value("sd", &arm.sd),
        standard_error: reasons.value("standard_error", &arm.standard_error),
        median: summary.map(|s| s.median),
        interquartile_mean: summary.map(|s| s.interquartile_mean),
        min: summary.map(|s| s.min),
        max: summary.map(|s| s.max),
        undefined: reasons.0,
    }
}

fn contrast(result: &ContrastResult, answer: String) -> Contrast {
    let (better, within, more, refusal) = match &result.verdict {
        Verdict::Different { direction, within_margin } => {
            (Some(*direction == Direction::Better), Some(*within_margin), None, None)
        }
        Verdict::Equivalent { .. } => (None, None, None, None),
        Verdict::Inconclusive { more_seeds } => (None, None, *more_seeds, None),
        Verdict::Refused { reason } => (None, None, None, Some(reason.to_string())),
    };
    let pairs = result.pairs.iter().map(|p| Pair { seed: p.seed, treatment: p.treatment, control: p.control });
    Contrast {
        treatment: result.contrast.treatment.clone(),
        control: result.contrast.control.clone(),
        answer,
        verdict: verdict_name(&result.verdict),
        treatment_is_better: better,
        within_delta: within,
        more_seeds: more,
        refusal,
        provisional: !result.missing.is_empty(),
        pairs: pairs.collect(),
        missing: without(&result.missing),
        statistics: result.effect.as_ref().map(statistics),
        examples: result.examples.as_ref().map(|examples| Examples {
            images: examples.images,
            mcnemar: examples
                .mcnemar
                .iter()
                .map(|m| McNemar {
                    seed: m.seed,
                    only_treatment: m.only_treatment,
                    only_control: m.only_control,
                    exact_p: m.test.exact,
                    mid_p: m.test.mid_p,
                    corrected_p: m.test.corrected,
                })
                .collect(),
            bootstrap_interval: examples.difference.as_ref().map(bounds),
        }),
    }
}

fn statistics(effect: &Effect) -> Statistics {
    let mut reasons = Reasons::default();
    let t = reasons.value("t", &effect.t);
    Statistics {
        difference: effect.difference.point,
        interval: bounds(&effect.difference),
        sd: effect.sd,
        correlation: reasons.value("correlation", &effect.correlation),
        t: t.map(|t| t.t),
        df: t.map(|t| t.df),
        p: effect.p,
        holm_p: effect.holm_p,
        sign_flip_p: reasons.value("sign_flip_p", &effect.sign_flip_p),
        wilcoxon_p: reasons.value("wilcoxon_p", &effect.wilcoxon_p),
        exact_floor: effect.exact_floor,
        tost_p: effect.tost_p,
        tost_holm_p: effect.tost_holm_p,
        dz: reasons.value("dz", &effect.dz),
        gz: reasons.value("gz", &effect.gz),
        wins: effect.wins,
        a12: reasons.value("a12", &effect.a12),
        pairs_needed: reasons.value("pairs_needed", &effect.pairs_needed),
        minimum_detectable: reasons.value("minimum_detectable", &effect.minimum_detectable),
        undefined: reasons.0,
    }
}

fn alone(planned: &PlannedAlone) -> Alone {
    Alone {
        treatment: planned.contrast.treatment.clone(),
        control: planned.contrast.control.clone(),
        verdict: verdict_name(&planned.verdict),
        pairs: planned.pairs,
        difference: planned.difference.map(|difference| difference.point),
        interval: planned.difference.as_ref().map(bounds),
        holm_p: planned.holm_p,
    }
}

fn verdict_name(verdict: &Verdict) -> VerdictName {
    match verdict {
        Verdict::Different { .. } => VerdictName::Different,
        Verdict::Equivalent { .. } => VerdictName::Equivalent,
        Verdict::Inconclusive { .. } => VerdictName::Inconclusive,
        Verdict::Refused { .. } => VerdictName::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_docs_is_the_one_of_this_version() {
        let committed = include_str!("../../docs/compare.schema.json");
        let why = "write it again: augtrial compare --schema > docs/compare.schema.json";
        assert_eq!(committed.trim(), format!("{:#}", Document::schema()), "{why}");
    }
}
