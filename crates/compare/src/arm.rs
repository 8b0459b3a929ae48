//! One arm over its seeds.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::verdict::MIN_PAIRS;
use super::{ArmResults, Measured, RunResult, StudyResults};
use augtrial_plan::arm::Role;
use augtrial_stats::{self as stats, Degenerate, Estimate};

/// An arm's values and what they sum up to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmSummary {
    pub name: String,
    pub role: Role,
    /// Sorted by seed.
    pub values: Vec<SeedValue>,
    /// Planned seeds without a value, sorted.
    pub missing: Vec<Missing>,
    /// Runs whose seed the experiment file does not declare. They count for nothing.
    pub undeclared: Vec<SeedValue>,
    pub summary: Measured<Summary>,
    /// Mean with its t interval, within what the metric can be; needs [`MIN_PAIRS`] seeds.
    pub mean: Measured<Estimate>,
    /// With `n - 1` in the denominator; needs two seeds.
    pub sd: Measured<f64>,
    pub standard_error: Measured<f64>,
}

/// The value of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedValue {
    pub seed: u64,
    pub value: f64,
    pub run: String,
}

/// A planned seed without a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Missing {
    pub seed: u64,
    pub reason: String,
}

/// What needs no more than one value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub mean: f64,
    pub median: f64,
    /// Mean of the middle half (trim .25).
    pub interquartile_mean: f64,
    pub min: f64,
    pub max: f64,
}

/// One arm sorted into values, missing and undeclared seeds.
pub(super) struct Sorted<'a> {
    /// Usable runs of declared seeds.
    pub runs: BTreeMap<u64, &'a RunResult>,
    pub missing: BTreeMap<u64, String>,
}

impl<'a> Sorted<'a> {
    /// Each declared seed is either usable or missing with a reason.
    pub fn new(arm: &'a ArmResults, seeds: &[u64]) -> Self {
        let mut sorted = Self { runs: BTreeMap::new(), missing: BTreeMap::new() };
        for &seed in seeds {
            let mut runs = arm.runs.iter().filter(|run| run.seed == seed);
            match (runs.next(), runs.next()) {
                (Some(run), None) if run.value.is_finite() => {
                    sorted.runs.insert(seed, run);
                }
                (Some(run), None) => {
                    sorted.missing.insert(seed, format!("run {} has no finite value ({})", run.run, run.value));
                }
                (Some(one), Some(other)) => {
                    let reason = format!("two runs claim this seed, {} and {}", one.run, other.run);
                    sorted.missing.insert(seed, reason);
                }
                (None, _) => {
                    let known = arm.excluded.iter().find(|excluded| excluded.seed == seed);
                    let reason = known.map_or_else(|| "no finished run".to_owned(), |e| e.reason.clone());
                    sorted.missing.insert(seed, reason);
                }
            }
        }
        sorted
    }
}

pub(super) fn summarize(arm: &ArmResults, seeds: &[u64], input: &StudyResults) -> ArmSummary {
    let sorted = Sorted::new(arm, seeds);
    let values: Vec<f64> = sorted.runs.values().map(|run| run.value).collect();
    let declared: BTreeSet<u64> = seeds.iter().copied().collect();
    let mut undeclared: Vec<SeedValue> =
        arm.runs.iter().filter(|run| !declared.contains(&run.seed)).map(seed_value).collect();
    undeclared.sort_by_key(|value| value.seed);
    ArmSummary {
        name: arm.name.clone(),
        role: arm.role,
        values: sorted.runs.values().copied().map(seed_value).collect(),
        missing: sorted.missing.into_iter().map(|(seed, reason)| Missing { seed, reason }).collect(),
        undeclared,
        summary: summary(&values),
        mean: mean(&values, input),
        sd: stats::sd(&values),
        standard_error: stats::standard_error(&values),
    }
}

/// Where the split is redrawn for every seed, the interval is widened as that of a contrast: runs share images.
fn mean(values: &[f64], input: &StudyResults) -> Measured<Estimate> {
    if values.len() < MIN_PAIRS {
        return Err(Degenerate::TooFew { have: values.len(), need: MIN_PAIRS });
    }
    let level = 1.0 - input.study.alpha;
    let corrected = input.conduct.test_share.and_then(|share| stats::corrected_t(values, share, level).ok());
    let estimate = match corrected {
        Some(t) => t.difference,
        None => stats::mean_interval(values, level)?,
    };
    Ok(Estimate { interval: input.metric().bounded(estimate.interval), ..estimate })
}

fn summary(values: &[f64]) -> Measured<Summary> {
    Ok(Summary {
        mean: stats::mean(values)?,
        median: stats::median(values)?,
        interquartile_mean: stats::interquartile_mean(values)?,
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}

fn seed_value(run: &RunResult) -> SeedValue {
    SeedValue { seed: run.seed, value: run.value, run: run.run.clone() }
}
