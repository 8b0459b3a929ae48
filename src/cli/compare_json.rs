//! `augtrial compare --json`: a document of its own, so that the program's types may change and scripts still read it.
//!
//! Within one `version` fields are only ever added. A statistic without a value is `null`, and `undefined` says why. The
//! statistics are the rows of `augtrial_compare::STATISTICS`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use augtrial_compare::{
    ArmSummary, Better, Comparison, ContrastResult, Direction, Judged, Measured, Metric, Missing, OtherMetric, Outcome,
    STATISTICS, Scope, Scoped, Verdict,
};
use augtrial_plan::Plan;
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::{Dataset, Protocol};
use augtrial_plan::file::PrimaryMetric;
use augtrial_report::{AuditRecord, answers, banner, limits};
use augtrial_stats::Estimate;

/// Version of the document. Raised when a field goes, or changes its meaning.
const VERSION: u32 = 2;

/// The arms of a study, compared.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    /// 2. Within one version fields are only ever added.
    version: u32,
    study: String,
    /// Digest of the plan, hexadecimal.
    plan: String,
    protocol: Protocol,
    /// Whether the images are rendered, not photographs.
    synthetic: bool,
    metric: PrimaryMetric,
    /// Which way of the primary metric is better.
    better: BetterName,
    /// Level of significance of the whole family of contrasts.
    alpha: f64,
    /// Margin of equivalence on the scale of the metric.
    delta: f64,
    /// Seeds of the study, sorted.
    seeds: Vec<u64>,
    /// Test images of every run; 0 if it is not known, or differs.
    images: usize,
    /// What qualifies every number, as sentences.
    warnings: Vec<String>,
    /// What no interval covers, since it was not varied.
    limits: Vec<String>,
    arms: Vec<Arm>,
    /// In the order declared.
    contrasts: Vec<Contrast>,
    /// All arms at once; null for fewer than three.
    friedman: Option<Friedman>,
    /// Test images over training images, where the split is redrawn for every seed; else null.
    test_share: Option<f64>,
    /// Set if the seeds were changed when results could be seen.
    changed_after_looking: Option<Changed>,
    /// What was found of the data; null for a study that was recorded without an audit.
    audit: Option<super::compare_audit_json::Audit>,
    /// By every metric but the primary one; empty if no run has its predictions. They decide no verdict.
    other_metrics: Vec<Other>,
    /// On every further evaluation set, in the order of the plan.
    evaluations: Vec<OnSet>,
    /// The look that this is, where looks were declared before; all intervals and p values of contrasts are adjusted for it.
    look: Option<AtLook>,
    /// What was searched before the study; null where nothing was.
    tuning: Option<super::compare_tuning_json::Tuned>,
}

/// A look of a study that declared its looks.
#[derive(Debug, Serialize, JsonSchema)]
struct AtLook {
    /// From 1.
    number: usize,
    /// Numbers of seeds of all looks.
    looks: Vec<u32>,
    spending: augtrial_plan::sequential::Spending,
    /// Two-sided p that a difference must stay below at each look, unadjusted, for a contrast by itself.
    levels: Vec<f64>,
}

/// The study on a further evaluation set, by the primary metric. Contrasts are judged as a family of their own.
#[derive(Debug, Serialize, JsonSchema)]
struct OnSet {
    name: String,
    /// Images of every run; 0 if it differs.
    images: usize,
    arms: Vec<Arm>,
    contrasts: Vec<OtherContrast>,
    other_metrics: Vec<Other>,
}

/// The study by a metric beside the primary one.
#[derive(Debug, Serialize, JsonSchema)]
struct Other {
    metric: PrimaryMetric,
    better: BetterName,
    arms: Vec<Arm>,
    contrasts: Vec<OtherContrast>,
}

/// Treatment less control by such a metric. P values are adjusted over the contrasts and not over the metrics.
#[derive(Debug, Serialize, JsonSchema)]
struct OtherContrast {
    treatment: String,
    control: String,
    pairs: usize,
    difference: Option<f64>,
    test_set: Option<OtherScope>,
    new_images: Option<OtherScope>,
    /// Why nothing is known of new images.
    new_images_unknown: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OtherScope {
    interval: [f64; 2],
    p: f64,
    holm_p: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum BetterName {
    Higher,
    Lower,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Arm {
    name: String,
    role: Role,
    /// Sorted by seed.
    values: Vec<Point>,
    missing: Vec<Without>,
    mean: Option<f64>,
    /// t interval of the mean at one less alpha, within what the metric can be; null below three seeds.
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
    /// In the widest scope that is known.
    verdict: VerdictName,
    /// What `verdict` speaks of; null for `refused`.
    scope: Option<ScopeName>,
    /// Mean difference over the complete pairs, judged or not.
    difference: Option<f64>,
    /// On this test set: over seeds. Null where the split is redrawn for every seed.
    test_set: Option<InScope>,
    /// For new images like these: over seeds and images.
    new_images: Option<InScope>,
    /// Why nothing is known of new images.
    new_images_unknown: Option<String>,
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

/// One contrast in one scope.
#[derive(Debug, Serialize, JsonSchema)]
struct InScope {
    verdict: VerdictName,
    /// For `different`: whether the treatment is better.
    treatment_is_better: Option<bool>,
    /// For `different`: whether the difference is shown to be smaller than delta.
    within_delta: Option<bool>,
    difference: f64,
    /// At one less alpha, within what differences of the metric can be.
    interval: [f64; 2],
    p: f64,
    holm_p: f64,
    tost_p: f64,
    tost_holm_p: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ScopeName {
    TestSet,
    NewImages,
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

/// The rows of the table of statistics, on the scale of the metric; differences are treatment less control.
#[derive(Debug, Serialize)]
struct Statistics {
    #[serde(flatten)]
    values: BTreeMap<&'static str, Option<f64>>,
    undefined: BTreeMap<&'static str, String>,
}

impl JsonSchema for Statistics {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Statistics".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        for statistic in &STATISTICS {
            let property = serde_json::json!({ "type": ["number", "null"], "description": statistic.help });
            properties.insert(statistic.key.to_owned(), property);
        }
        let reasons = serde_json::json!({ "type": "object", "additionalProperties": { "type": "string" } });
        properties.insert("undefined".to_owned(), reasons);
        json_schema!({
            "type": "object",
            "description": "On the scale of the metric; differences are treatment less control.",
            "properties": properties,
            "required": ["undefined"],
        })
    }
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
pub(super) struct Alone {
    treatment: String,
    control: String,
    verdict: VerdictName,
    pairs: usize,
    difference: Option<f64>,
    test_set: Option<InScope>,
    new_images: Option<InScope>,
}

impl Document {
    pub(super) fn new(
        plan: &Plan,
        comparison: &Comparison,
        evaluations: &[(String, Comparison)],
        audit: Option<&AuditRecord>,
        tuning: Option<&augtrial_compare::Tuning>,
    ) -> Self {
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
            better: better(comparison.measure()),
            alpha: comparison.alpha,
            delta: comparison.delta,
            seeds: comparison.seeds.clone(),
            images: comparison.images,
            limits: limits(plan, comparison),
            warnings: banner(comparison, synthetic, protocol).iter().map(augtrial_report::BannerFact::text).collect(),
            arms: comparison.arms.iter().map(arm).collect(),
            contrasts: comparison
                .contrasts
                .iter()
                .zip(answers)
                .map(|(c, answer)| contrast(c, answer, comparison.measure()))
                .collect(),
            friedman: comparison.friedman.as_ref().ok().map(|friedman| Friedman {
                chi2: friedman.chi2,
                p: friedman.p,
                mean_ranks: friedman.mean_ranks.clone(),
            }),
            test_share: comparison.test_share,
            changed_after_looking: comparison.extension.as_ref().map(|extension| Changed {
                planned: extension.seeds.planned.clone(),
                added: extension.seeds.added.clone(),
                dropped: extension.seeds.dropped.clone(),
                planned_alone: extension
                    .planned_alone
                    .iter()
                    .map(|planned| alone(planned, comparison.measure()))
                    .collect(),
            }),
            audit: audit.map(|audit| super::compare_audit_json::Audit::of(audit, comparison.measure())),
            other_metrics: comparison.others.iter().map(other).collect(),
            evaluations: evaluations.iter().map(|(name, comparison)| on_set(name, comparison)).collect(),
            look: comparison.look.as_ref().map(|look| AtLook {
                number: look.number(),
                looks: look.looks.clone(),
                spending: look.spending,
                levels: look.levels(comparison.alpha),
            }),
            tuning: tuning.map(super::compare_tuning_json::Tuned::of),
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

fn contrast(result: &ContrastResult, answer: String, metric: &Metric) -> Contrast {
    let judged = result.judged();
    let examples = judged.and_then(|judged| judged.examples.as_ref());
    let pairs = result.pairs.iter().map(|p| Pair { seed: p.seed, treatment: p.treatment, control: p.control });
    Contrast {
        treatment: result.contrast.treatment.clone(),
        control: result.contrast.control.clone(),
        answer,
        verdict: verdict_of(result),
        scope: judged.map(|judged| match judged.headline().0 {
            Scope::TestSet => ScopeName::TestSet,
            Scope::NewImages => ScopeName::NewImages,
        }),
        difference: result.mean_difference(),
        test_set: judged.and_then(|judged| judged.here.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
        new_images: judged.and_then(|judged| judged.beyond.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
        new_images_unknown: judged.and_then(|judged| judged.beyond.as_ref().err()).map(ToString::to_string),
        refusal: match &result.outcome {
            Outcome::Refused(refusal) => Some(refusal.to_string()),
            Outcome::Judged(_) => None,
        },
        provisional: !result.missing.is_empty(),
        pairs: pairs.collect(),
        missing: without(&result.missing),
        statistics: judged.map(statistics),
        examples: examples.map(|examples| Examples {
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

fn statistics(judged: &Judged) -> Statistics {
    let mut statistics = Statistics { values: BTreeMap::new(), undefined: BTreeMap::new() };
    for statistic in &STATISTICS {
        let value = (statistic.value)(judged);
        statistics.values.insert(statistic.key, value.as_ref().ok().copied());
        statistics.undefined.extend(value.err().map(|reason| (statistic.key, reason)));
    }
    statistics
}

fn in_scope(scoped: &Scoped, metric: &Metric) -> InScope {
    let (better, within) = match scoped.verdict {
        Verdict::Different { direction, within_margin } => {
            let good = (direction == Direction::Higher) == (metric.better == Better::Higher);
            (Some(good), Some(within_margin))
        }
        Verdict::Equivalent | Verdict::Inconclusive => (None, None),
    };
    InScope {
        verdict: verdict_name(scoped.verdict),
        treatment_is_better: better,
        within_delta: within,
        difference: scoped.difference.point,
        interval: bounds(&scoped.difference),
        p: scoped.p,
        holm_p: scoped.holm_p,
        tost_p: scoped.tost_p,
        tost_holm_p: scoped.tost_holm_p,
    }
}

pub(super) fn alone(planned: &ContrastResult, metric: &Metric) -> Alone {
    let judged = planned.judged();
    Alone {
        treatment: planned.contrast.treatment.clone(),
        control: planned.contrast.control.clone(),
        verdict: verdict_of(planned),
        pairs: planned.pairs.len(),
        difference: planned.mean_difference(),
        test_set: judged.and_then(|judged| judged.here.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
        new_images: judged.and_then(|judged| judged.beyond.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
    }
}

fn better(metric: &Metric) -> BetterName {
    match metric.better {
        Better::Higher => BetterName::Higher,
        Better::Lower => BetterName::Lower,
    }
}

fn other(other: &OtherMetric) -> Other {
    Other {
        metric: other.metric,
        better: better(other.measure()),
        arms: other.arms.iter().map(arm).collect(),
        contrasts: other.contrasts.iter().map(other_contrast).collect(),
    }
}

fn other_contrast(result: &ContrastResult) -> OtherContrast {
    let scope =
        |scoped: &Scoped| OtherScope { interval: bounds(&scoped.difference), p: scoped.p, holm_p: scoped.holm_p };
    let judged = result.judged();
    let beyond = judged.map(|judged| &judged.beyond);
    OtherContrast {
        treatment: result.contrast.treatment.clone(),
        control: result.contrast.control.clone(),
        pairs: result.pairs.len(),
        difference: result.mean_difference(),
        test_set: judged.and_then(|judged| judged.here.as_ref().ok()).map(scope),
        new_images: beyond.and_then(|beyond| beyond.as_ref().ok()).map(scope),
        new_images_unknown: beyond.and_then(|beyond| beyond.as_ref().err()).map(ToString::to_string),
    }
}

fn on_set(name: &str, comparison: &Comparison) -> OnSet {
    OnSet {
        name: name.to_owned(),
        images: comparison.images,
        arms: comparison.arms.iter().map(arm).collect(),
        contrasts: comparison.contrasts.iter().map(other_contrast).collect(),
        other_metrics: comparison.others.iter().map(other).collect(),
    }
}

fn verdict_of(result: &ContrastResult) -> VerdictName {
    result.judged().map_or(VerdictName::Refused, |judged| verdict_name(judged.headline().1.verdict))
}

fn verdict_name(verdict: Verdict) -> VerdictName {
    match verdict {
        Verdict::Different { .. } => VerdictName::Different,
        Verdict::Equivalent => VerdictName::Equivalent,
        Verdict::Inconclusive => VerdictName::Inconclusive,
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
