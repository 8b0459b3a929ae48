//! The search before a study, in `augtrial compare --json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use augtrial_compare::{ArmTuning, Tuning};
use augtrial_plan::tune::TuneMetric;

/// What was tried for every arm. Scores are of the validation part, the mean over the seeds of the search.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Tuned {
    metric: TuneMetric,
    seeds: Vec<u64>,
    /// What every arm was tried with.
    tries: Vec<Tried>,
    /// In the order of the plan.
    arms: Vec<OfArm>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Tried {
    /// Counted from 1.
    number: u32,
    /// By the key in the experiment file.
    values: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OfArm {
    arm: String,
    /// In the order of the tries; null where one failed.
    scores: Vec<Option<f64>>,
    /// The number of the try that was chosen.
    chosen: u32,
    /// Expected best of one try, of two, and so on: the unbiased estimator of Tang et al. (2020).
    expected_best: Vec<f64>,
}

impl Tuned {
    pub(super) fn of(tuning: &Tuning) -> Self {
        let arm = |arm: &ArmTuning| OfArm {
            arm: arm.arm.clone(),
            scores: arm.scores.clone(),
            chosen: arm.chosen,
            expected_best: arm.curve(tuning.metric),
        };
        Self {
            metric: tuning.metric,
            seeds: tuning.seeds.clone(),
            tries: tuning.tries.iter().map(|one| Tried { number: one.number, values: one.values.clone() }).collect(),
            arms: tuning.arms.iter().map(arm).collect(),
        }
    }
}
