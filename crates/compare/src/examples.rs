//! A contrast image by image: `McNemar` per seed, and a bootstrap over seeds and images at once.
//!
//! Never pooled: the same images under several seeds are not independent.

use serde::Serialize;

use super::{RunResult, StudyResults};
use augtrial_base::seed::Stream;
use augtrial_stats::{self as stats, Estimate, McNemar};

/// Resamples behind the interval.
const RESAMPLES: usize = 2000;

/// What single test images say about a contrast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleComparison {
    /// Number of test images.
    pub images: usize,
    /// Sorted by seed.
    pub mcnemar: Vec<SeedMcNemar>,
    /// Difference of Top-1 with the interval over seeds x images; absent for a single pair.
    pub difference: Option<Estimate>,
}

/// `McNemar`'s test of one pair of runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedMcNemar {
    pub seed: u64,
    /// Images that only the treatment gets right.
    pub only_treatment: u64,
    /// Images that only the control gets right.
    pub only_control: u64,
    pub test: McNemar,
}

/// Compares pairs of runs; absent if predictions are missing for any, or were made on different numbers of images.
pub(super) fn by_example(
    pairs: &[(&RunResult, &RunResult)],
    input: &StudyResults,
    rng: &mut Stream,
) -> Option<ExampleComparison> {
    let images = pairs.first()?.0.correct.len();
    let alike = |run: &RunResult| run.correct.len() == images;
    if images == 0 || !pairs.iter().all(|(treatment, control)| alike(treatment) && alike(control)) {
        return None;
    }
    let table: Vec<Vec<f64>> = pairs
        .iter()
        .map(|(t, c)| t.correct.iter().zip(&c.correct).map(|(&t, &c)| f64::from(t) - f64::from(c)).collect())
        .collect();
    let level = 1.0 - input.study.alpha;
    // Redrawn test images are others for every seed: there is no table of seeds and images.
    let crossed = input.conduct.test_share.is_none();
    Some(ExampleComparison {
        images,
        mcnemar: pairs.iter().map(|(treatment, control)| seed_mcnemar(treatment, control)).collect(),
        difference: crossed.then(|| stats::crossed_bootstrap(&table, RESAMPLES, level, rng).ok()).flatten(),
    })
}

fn seed_mcnemar(treatment: &RunResult, control: &RunResult) -> SeedMcNemar {
    let outcomes = || treatment.correct.iter().zip(&control.correct);
    let only_treatment = outcomes().filter(|(t, c)| **t && !**c).count() as u64;
    let only_control = outcomes().filter(|(t, c)| !**t && **c).count() as u64;
    let test = stats::mcnemar(only_treatment, only_control);
    SeedMcNemar { seed: treatment.seed, only_treatment, only_control, test }
}
