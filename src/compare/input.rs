//! What a comparison is made from. Plain data, so that it does not matter where runs are recorded.

use serde::{Deserialize, Serialize};

use crate::plan::arm::Role;
use crate::plan::file::{Contrast, Study};

/// Every counted run of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyResults {
    pub study: Study,
    /// As declared, in that order; the family that p values are corrected over.
    pub contrasts: Vec<Contrast>,
    /// In the order of the experiment file.
    pub arms: Vec<ArmResults>,
    pub conduct: Conduct,
}

/// What happened while the runs were made and changes how they may be read. The default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    /// Set if results could be seen before the study's seeds were what they are now.
    pub looked: Option<Looked>,
    /// Runs of one seed that are no pair.
    pub mismatches: Vec<Mismatch>,
}

/// The seeds as they were when a contrast could first be looked at: two of its pairs were complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Seeds of the study that were declared by then, sorted.
    pub planned: Vec<u64>,
    /// Seeds of the study that were declared later, sorted.
    pub added: Vec<u64>,
    /// Seeds that were declared by then, and are not the study's any more, sorted.
    pub dropped: Vec<u64>,
}

/// Two runs that share a seed and not what pairs them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    pub contrast: Contrast,
    pub seed: u64,
    pub reason: String,
}

/// The runs of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmResults {
    pub name: String,
    pub role: Role,
    /// One finished run per seed: the attempt that counts.
    pub runs: Vec<RunResult>,
    /// Trials without a run that counts, with the reason.
    pub excluded: Vec<Excluded>,
}

/// One finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    pub seed: u64,
    /// The primary metric on the test split; higher is better.
    pub value: f64,
    /// Identifier of the run in the registry.
    pub run: String,
    /// Whether each test image was classified correctly, in one order for all runs; empty if predictions are not at hand.
    pub correct: Vec<bool>,
}

/// A trial that does not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excluded {
    pub seed: u64,
    pub reason: String,
}
