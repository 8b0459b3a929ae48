//! Recall of each class: the mean over seeds with its t interval. Where there is a single run, or all runs have the same recall
//! and t knows no variance, Wilson's interval of one run takes its place.

use serde::Serialize;

use super::record::ReportedRun;
use augtrial_stats::{self as stats, Estimate};

/// What the runs of an arm made of the test images of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassRecall {
    /// Index of the class.
    pub class: u32,
    /// Test images of the class in one run.
    pub images: u64,
    /// Runs with predictions.
    pub runs: usize,
    pub recall: f64,
    /// Over seeds by t; by Wilson's score of one run where there is but one, or all agree.
    pub interval: (f64, f64),
}

/// Per class with test images, in the order of the classes; empty without predictions.
pub(super) fn recalls(runs: &[ReportedRun], classes: usize, level: f64) -> Vec<ClassRecall> {
    let runs: Vec<&ReportedRun> = runs.iter().filter(|run| !run.predictions.is_empty()).collect();
    (0..classes as u32).filter_map(|class| recall(&runs, class, level)).collect()
}

fn recall(runs: &[&ReportedRun], class: u32, level: f64) -> Option<ClassRecall> {
    let of_class = |run: &&ReportedRun| {
        let predictions = run.predictions.iter().filter(|prediction| prediction.label == class);
        predictions.fold((0, 0), |(right, all), p| (right + u64::from(p.predicted == class), all + 1))
    };
    let counts: Vec<(u64, u64)> = runs.iter().map(of_class).filter(|(_, all)| *all > 0).collect();
    let &(right, all) = counts.first()?;
    let estimate: Estimate = if counts.iter().all(|&other| other == (right, all)) {
        stats::wilson_interval(right, all, level).ok()?
    } else {
        let shares: Vec<f64> = counts.iter().map(|(right, all)| *right as f64 / *all as f64).collect();
        stats::mean_interval(&shares, level).ok()?
    };
    let interval = (estimate.interval.0.max(0.0), estimate.interval.1.min(1.0));
    let images = counts.iter().map(|(_, all)| *all).max().unwrap_or(0);
    Some(ClassRecall { class, images, runs: counts.len(), recall: estimate.point, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::digest::Digest;
    use augtrial_base::events::{Prediction, TestResult};

    fn run(seed: u64, outcomes: &[(u32, u32)]) -> ReportedRun {
        let predictions = outcomes.iter().map(|&(label, predicted)| Prediction {
            image: Digest::of_bytes(b"image"),
            path: String::new(),
            derived: false,
            label,
            predicted,
            probabilities: Vec::new(),
        });
        ReportedRun {
            seed,
            run: String::new(),
            metrics: Vec::new(),
            selected_epoch: 1,
            test: TestResult { loss_nats: 0.0, top1: 0.0, samples: outcomes.len() as u64 },
            predictions: predictions.collect(),
            elapsed_secs: 0.0,
        }
    }

    #[test]
    fn seeds_are_averaged_and_a_class_without_test_images_is_left_out() {
        let runs = [run(1, &[(0, 0), (0, 1), (2, 2)]), run(2, &[(0, 0), (0, 0), (2, 1)])];
        let recalls = recalls(&runs, 3, 0.95);
        assert_eq!(
            recalls.iter().map(|r| (r.class, r.images, r.recall)).collect::<Vec<_>>(),
            [(0, 2, 0.75), (2, 1, 0.5)]
        );
        assert_eq!(recalls[0].interval.1, 1.0, "a share does not leave 0 to 1");
    }

    #[test]
    fn runs_without_variance_have_wilsons_interval() {
        let one = run(1, &[(0, 0), (0, 1), (0, 0)]);
        let wilson = stats::wilson_interval(2, 3, 0.95).unwrap();
        for runs in [vec![one.clone()], vec![one.clone(), ReportedRun { seed: 2, ..one }]] {
            let recalls = recalls(&runs, 1, 0.95);
            assert_eq!((recalls[0].recall, recalls[0].interval), (wilson.point, wilson.interval));
        }
    }
}
