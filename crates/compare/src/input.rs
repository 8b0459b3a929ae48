//! What a comparison is made from. Plain data, so that it does not matter where runs are recorded.

use serde::{Deserialize, Serialize};

use super::{Look, Metric};
use augtrial_plan::arm::Role;
use augtrial_plan::file::{Contrast, Study};
use augtrial_stats::Answer;

/// Every counted run of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyResults {
    pub study: Study,
    /// As declared, in that order; the family that p values are corrected over.
    pub contrasts: Vec<Contrast>,
    /// In the order of the experiment file.
    pub arms: Vec<ArmResults>,
    pub conduct: Conduct,
    /// The test images, in the order of every run's `correct`; empty if they are not known.
    #[serde(default)]
    pub images: Vec<TestImage>,
}

impl StudyResults {
    /// The metric that the values of runs are of.
    pub(super) fn metric(&self) -> &'static Metric {
        Metric::of(self.study.primary_metric)
    }

    /// The margin of equivalence; none of a metric that no margin was declared for.
    pub(super) fn margin(&self) -> Option<f64> {
        (self.study.delta > 0.0).then_some(self.study.delta)
    }
}

/// A test image, as far as a comparison must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestImage {
    /// Index of the true class.
    pub label: u32,
    /// Images with the same number hang together (twins, or of one group) and count as one.
    pub cluster: u32,
}

/// What happened while the runs were made and changes how they may be read. The default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conduct {
    /// Set if results could be seen before the study's seeds were what they are now.
    pub looked: Option<Looked>,
    /// Runs of one seed that are no pair.
    pub mismatches: Vec<Mismatch>,
    /// When results on the test split were first shown although planned trials had not ended, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peeked_at: Option<String>,
    /// The look that this is, where looks were declared before the first result; `study.seeds` are those of the look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
    /// Test images over training images, where every seed has a division of its own: the runs of different seeds share images,
    /// and the variance of their mean is larger by that.
    #[serde(default)]
    pub test_share: Option<f64>,
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
    /// Training images that the arm's recipe promises, and those of them that could not be made.
    #[serde(default)]
    pub planned_images: u64,
    #[serde(default)]
    pub missing_images: u64,
}

/// One finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    pub seed: u64,
    /// The primary metric on the test split.
    pub value: f64,
    /// Identifier of the run in the registry.
    pub run: String,
    /// Whether each test image was classified correctly, in one order for all runs; empty if predictions are not at hand.
    pub correct: Vec<bool>,
    /// What the run said of each of its test images, for the metrics beside the primary one; empty if predictions are not at
    /// hand.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

/// A trial that does not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excluded {
    pub seed: u64,
    pub reason: String,
}
