//! The experiment file as the user types it. Its JSON schema, for editors and for our own diagnostics, comes from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::classifier::Classifier;
use super::dataset::{Dataset, Ingest, Protocol, SplitRule};
use crate::seed::StudySeed;

/// An experiment: one study, its data, its classifier and its arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentFile {
    pub study: Study,
    pub dataset: Dataset,
    #[serde(default)]
    pub ingest: Ingest,
    /// As the data set prescribes, if it does, else stratified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitRule>,
    pub classifier: Classifier,
    #[serde(rename = "arm")]
    pub arms: Vec<Arm>,
    /// Comparisons declared before the run; every treatment against the first control if absent.
    #[serde(default, rename = "contrast", skip_serializing_if = "Vec::is_empty")]
    pub contrasts: Vec<Contrast>,
}

/// `[study]`: the question, and everything that is declared before the first result is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Lower-case letters, digits and hyphens; names the study in the registry and the report's folder.
    pub name: String,
    /// Heading of the report; the name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The question that the study answers, for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Decides the split and the materialised sets.
    #[serde(default = "default_seed")]
    pub seed: StudySeed,
    /// One trial of every arm for each: initial weights, order of samples and online transforms.
    pub seeds: Vec<u64>,
    #[serde(default)]
    pub protocol: Protocol,
    #[serde(default)]
    pub primary_metric: PrimaryMetric,
    /// Level of significance of the whole family of contrasts.
    #[serde(default = "default_alpha")]
    pub alpha: f64,
    /// Margin of equivalence on the scale of the metric: a smaller difference does not matter.
    #[serde(default = "default_delta")]
    pub delta: f64,
}

fn default_seed() -> StudySeed {
    StudySeed(1)
}

fn default_alpha() -> f64 {
    0.05
}

fn default_delta() -> f64 {
    0.01
}

/// The one metric that the verdict rests on, on the test split, higher is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrimaryMetric {
    /// Share of images whose highest score is the label.
    #[default]
    Top1,
    /// Mean of the classes' recalls.
    BalancedTop1,
}

/// `[[contrast]]`: one declared comparison, by the arms' names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contrast {
    pub treatment: String,
    pub control: String,
}
