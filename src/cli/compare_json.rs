//! `augtrial compare --json`: a document of its own, so that the program's types may change and scripts still read it.
//!
//! Within one `version` fields are only ever added. A statistic without a value is `null`, and `undefined` says why. The
//! statistics are the rows of `augtrial_compare::STATISTICS`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use augtrial_compare::STATISTICS;
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::file::PrimaryMetric;

pub(super) use fill::alone;

mod fill;

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
    /// The JSON schema of the document.
    pub(super) fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
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
