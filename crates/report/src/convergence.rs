//! The epoch at which a run's validation accuracy has converged, by a rule that is stated beside every number.
//!
//! The curve is smoothed by the mean over [`WINDOW`] epochs around each, cut at the ends. Its plateau is the mean of the last
//! fifth of the epochs. The run has converged at the first epoch from which on the smoothed curve never leaves the plateau by
//! more than [`TOLERANCE`]. A run that gets there only within the last fifth has not been seen to converge.

use serde::Serialize;

use super::record::ReportedRun;
use augtrial_base::events::Split;
use augtrial_compare::Measured;
use augtrial_stats::{self as stats, Degenerate, Estimate};

/// Epochs that are averaged, the one in question in the middle.
const WINDOW: usize = 5;

/// Share of the epochs that the plateau is taken from.
const PLATEAU: f64 = 0.2;

/// Distance from the plateau that counts as being there, as a share: 2 percentage points.
const TOLERANCE: f64 = 0.02;

/// Epochs below which nothing can be said.
const MIN_EPOCHS: usize = 10;

/// The rule, for the page.
pub(super) const RULE: &str = "Epoch of convergence: the first epoch from which on the validation accuracy, averaged over 5 \
     epochs around each, stays within 2 points of its plateau, the mean of the last fifth of the epochs. A run that comes \
     there only within that last fifth, or has fewer than 10 epochs, has none.";

/// Where the runs of an arm converged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Convergence {
    /// Sorted by seed.
    pub seeds: Vec<SeedConvergence>,
    /// Mean epoch over the seeds that converged, with its t interval; needs two that differ.
    pub epochs: Measured<Estimate>,
}

/// Where one run converged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedConvergence {
    pub seed: u64,
    /// Epoch, and updates at its end; absent where the run was not seen to converge.
    pub reached: Option<(u32, u64)>,
}

pub(super) fn convergence(runs: &[ReportedRun], level: f64) -> Convergence {
    let mut seeds: Vec<_> = runs.iter().map(|run| SeedConvergence { seed: run.seed, reached: reached(run) }).collect();
    seeds.sort_by_key(|converged| converged.seed);
    let epochs: Vec<f64> = seeds.iter().filter_map(|seed| seed.reached).map(|(epoch, _)| epoch.into()).collect();
    // Epochs are whole: that they agree is no sign that there is nothing to be unsure of.
    let unsure = |estimate: Estimate| {
        let (low, high) = estimate.interval;
        if low < high { Ok(estimate) } else { Err(Degenerate::ZeroVariance) }
    };
    Convergence { epochs: stats::mean_interval(&epochs, level).and_then(unsure), seeds }
}

impl Convergence {
    /// Mean number of updates at the epoch of convergence, over the seeds that converged.
    #[must_use]
    pub fn mean_updates(&self) -> Option<f64> {
        let updates: Vec<f64> = self.seeds.iter().filter_map(|seed| Some(seed.reached?.1 as f64)).collect();
        stats::mean(&updates).ok()
    }

    /// Number of seeds that converged.
    #[must_use]
    pub fn converged(&self) -> usize {
        self.seeds.iter().filter(|seed| seed.reached.is_some()).count()
    }
}

fn reached(run: &ReportedRun) -> Option<(u32, u64)> {
    let mut epochs: Vec<_> = run.metrics.iter().filter(|metrics| metrics.split == Split::Validation).collect();
    epochs.sort_by_key(|metrics| metrics.epoch);
    let accuracies: Vec<f64> = epochs.iter().map(|metrics| metrics.top1).collect();
    converged_at(&accuracies).map(|index| (epochs[index].epoch, epochs[index].updates))
}

/// Index of the first value from which on the smoothed curve stays at its plateau.
fn converged_at(accuracies: &[f64]) -> Option<usize> {
    let n = accuracies.len();
    if n < MIN_EPOCHS || accuracies.iter().any(|accuracy| !accuracy.is_finite()) {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let last = n - (PLATEAU * n as f64).round() as usize;
    let plateau = mean(&accuracies[last..]);
    let smoothed = |index: usize| mean(&accuracies[index.saturating_sub(WINDOW / 2)..(index + WINDOW / 2 + 1).min(n)]);
    let outside = (0..n).rev().find(|&index| (smoothed(index) - plateau).abs() > TOLERANCE);
    let first = outside.map_or(0, |index| index + 1);
    (first < last).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_converges_once_its_window_has_left_the_slope() {
        let mut curve = vec![0.5; 10];
        curve.extend([0.8; 10]);
        // At index 12 the window of 10 to 14 lies on the plateau; at 11 it still holds one value of 0.5.
        assert_eq!(converged_at(&curve), Some(12));
    }

    #[test]
    fn a_curve_that_is_flat_has_converged_from_the_start() {
        assert_eq!(converged_at(&[0.7; 12]), Some(0));
    }

    #[test]
    fn a_curve_that_still_rises_at_the_end_has_not_converged() {
        let rising: Vec<f64> = (0..20).map(|epoch| 0.04 * f64::from(epoch)).collect();
        assert_eq!(converged_at(&rising), None);
    }

    #[test]
    fn a_late_dip_counts_against_convergence_and_a_single_bad_epoch_does_not() {
        let mut curve = vec![0.3, 0.5, 0.7];
        curve.extend([0.8; 27]);
        let clean = converged_at(&curve).unwrap();
        curve[15] = 0.72;
        assert_eq!(converged_at(&curve), Some(clean), "five epochs average it out");
        curve[14..18].fill(0.7);
        assert!(converged_at(&curve).unwrap() > 15);
    }

    #[test]
    fn too_few_epochs_or_a_lost_value_say_nothing() {
        assert_eq!(converged_at(&[0.7; 9]), None);
        let mut curve = vec![0.7; 20];
        curve[3] = f64::NAN;
        assert_eq!(converged_at(&curve), None);
    }
}
