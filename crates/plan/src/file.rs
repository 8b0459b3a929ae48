//! The experiment file as the user types it. Its JSON schema, for editors and for our own diagnostics, comes from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::classifier::Classifier;
use super::cross_fit::CrossFit;
use super::dataset::{Dataset, Ingest, Protocol, SplitRule};
use super::decisions::Audit;
use super::design::{DesignTable, Factor};
use super::evaluation::Evaluation;
use super::sequential::Sequential;
use super::train::Train;
use super::tune::Tune;
use augtrial_base::seed::StudySeed;

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
    #[serde(default, skip_serializing_if = "Train::is_empty")]
    pub train: Train,
    #[serde(default, skip_serializing_if = "Audit::is_empty")]
    pub audit: Audit,
    pub classifier: Classifier,
    #[serde(rename = "arm")]
    pub arms: Vec<Arm>,
    /// Comparisons declared before the run; every treatment against the first control if absent.
    #[serde(default, rename = "contrast", skip_serializing_if = "Vec::is_empty")]
    pub contrasts: Vec<Contrast>,
    /// Which cells of the factors are run, and which two are explained by one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design: Option<DesignTable>,
    /// What is varied beside the arms: every combination of levels is a study of its own.
    #[serde(default, rename = "factor", skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<Factor>,
    /// Further sets that every arm is judged on.
    #[serde(default, rename = "evaluation", skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<Evaluation>,
    /// Looks at the results before all seeds are run, declared before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Sequential>,
    /// A search before the study: the same number of tries for every arm, judged on validation alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
    /// Networks of the control that gates, selections and `augtrial quality` ask about images that they were not trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_fit: Option<CrossFit>,
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
    /// Decides the split and the materialized sets.
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
    /// What is drawn anew for every seed, instead of once for the study: more of the world varies, and conclusions reach
    /// further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redraw: Vec<Redraw>,
}

/// Something random that the study's seed decides, or each trial's seed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Redraw {
    /// The division into train, validation and test.
    Split,
    /// The materialized sets: copies of transforms and of edits.
    Sets,
}

fn default_seed() -> StudySeed {
    StudySeed(1)
}

pub(super) fn default_alpha() -> f64 {
    0.05
}

pub(super) fn default_delta() -> f64 {
    0.01
}

/// The one metric that the verdict rests on, on the test part. The others stand beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrimaryMetric {
    /// Share of images whose highest score is the label.
    #[default]
    Top1,
    /// Mean of the classes' recalls.
    BalancedTop1,
    /// Mean of the classes' F1.
    MacroF1,
    /// Recall of the class that has the lowest.
    WorstClassRecall,
    /// Mean negative logarithm of the true class's probability, nats; lower is better.
    LogLoss,
    /// Mean squared distance of the probabilities from the truth, 0 to 2; lower is better.
    Brier,
    /// Expected calibration error of the predicted class, 15 bins of equal mass; lower is better.
    CalibrationError,
}

impl PrimaryMetric {
    /// Whether it is a share of something, so that differences are percentage points.
    #[must_use]
    pub fn is_share(self) -> bool {
        !matches!(self, Self::LogLoss | Self::Brier)
    }
}

/// `[[contrast]]`: one declared comparison, by the arms' names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contrast {
    pub treatment: String,
    pub control: String,
}
