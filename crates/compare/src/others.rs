//! Arms and contrasts by the metrics beside the primary one. They decide no verdict: each has its own adjustment over the
//! contrasts, none over the metrics, and no margin, so that nothing is called equivalent by them.

use serde::Serialize;

use super::arm::summarize;
use super::contrast::{Detail, judged};
use super::{ArmResults, ArmSummary, ContrastResult, Excluded, METRICS, Metric, RunResult, StudyResults};
use augtrial_plan::file::{PrimaryMetric, Study};

/// A study by one metric beside the primary one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OtherMetric {
    pub metric: PrimaryMetric,
    /// In the order of the experiment file.
    pub arms: Vec<ArmSummary>,
    /// In the order declared.
    pub contrasts: Vec<ContrastResult>,
}

impl OtherMetric {
    /// The metric.
    #[must_use]
    pub fn measure(&self) -> &'static Metric {
        Metric::of(self.metric)
    }
}

/// By every other metric of the table; none where no run has its predictions.
pub(super) fn others(input: &StudyResults, seeds: &[u64]) -> Vec<OtherMetric> {
    if input.arms.iter().flat_map(|arm| &arm.runs).all(|run| run.answers.is_empty()) {
        return Vec::new();
    }
    let others = METRICS.iter().filter(|row| row.metric != input.study.primary_metric);
    let other = |row: &'static Metric| {
        let seen = by(row, input);
        OtherMetric {
            metric: row.metric,
            arms: seen.arms.iter().map(|arm| summarize(arm, seeds, &seen)).collect(),
            contrasts: judged(&seen, seeds, Detail::Judgment),
        }
    };
    others.map(other).collect()
}

/// The same runs with another metric as the one that counts, and no margin.
fn by(row: &'static Metric, input: &StudyResults) -> StudyResults {
    let arm = |arm: &ArmResults| {
        let mut seen = ArmResults { runs: Vec::new(), ..arm.clone() };
        for run in &arm.runs {
            match (row.value)(&run.answers) {
                Ok(value) => seen.runs.push(RunResult { value, ..run.clone() }),
                Err(_) => seen
                    .excluded
                    .push(Excluded { seed: run.seed, reason: format!("run {} has no predictions", run.run) }),
            }
        }
        seen
    };
    StudyResults {
        study: Study { primary_metric: row.metric, delta: 0.0, ..input.study.clone() },
        arms: input.arms.iter().map(arm).collect(),
        ..input.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conduct, Outcome, TestImage, Unscoped, Verdict, compare};
    use augtrial_base::seed::StudySeed;
    use augtrial_plan::arm::Role;
    use augtrial_plan::dataset::Protocol;
    use augtrial_plan::file::Contrast;
    use augtrial_stats::Answer;

    const IMAGES: usize = 90;

    /// Two arms that name the same classes; the treatment is surer of them, and the more so the higher the seed.
    fn surer() -> StudyResults {
        let arm = |name: &str, role, sure: fn(u64) -> f32| {
            let runs = (1..=5).map(|seed| {
                let answer = |image: usize| {
                    let (label, right) = (image as u32 % 3, !(image + seed as usize).is_multiple_of(9));
                    let predicted = if right { label } else { (label + 1) % 3 };
                    let rest = (1.0 - sure(seed)) / 2.0;
                    let probabilities = [0, 1, 2].map(|class| if class == predicted { sure(seed) } else { rest });
                    Answer::new(label, predicted, &probabilities).unwrap()
                };
                let answers: Vec<Answer> = (0..IMAGES).map(answer).collect();
                let correct: Vec<bool> = answers.iter().map(Answer::is_right).collect();
                let value = augtrial_stats::accuracy(&answers).unwrap();
                RunResult { seed, value, run: format!("{name}-{seed}"), correct, answers }
            });
            let runs = runs.collect();
            ArmResults { name: name.to_owned(), role, runs, excluded: vec![], planned_images: 0, missing_images: 0 }
        };
        StudyResults {
            study: Study {
                name: "s".to_owned(),
                title: None,
                question: None,
                seed: StudySeed(1),
                seeds: (1..=5).collect(),
                protocol: Protocol::LeakFree,
                primary_metric: PrimaryMetric::Top1,
                alpha: 0.05,
                delta: 0.01,
                redraw: Vec::new(),
            },
            contrasts: vec![Contrast { treatment: "t".to_owned(), control: "c".to_owned() }],
            arms: vec![arm("c", Role::Control, |_| 0.5), arm("t", Role::Treatment, |seed| 0.6 + 0.01 * seed as f32)],
            conduct: Conduct::default(),
            images: (0..IMAGES as u32).map(|image| TestImage { label: image % 3, cluster: image }).collect(),
        }
    }

    #[test]
    fn every_other_metric_has_arms_and_contrasts_and_calls_nothing_equivalent() {
        let comparison = compare(&surer());
        assert_eq!(
            comparison.contrasts[0].judged().unwrap().here.clone().unwrap().verdict,
            Verdict::Equivalent,
            "by Top-1"
        );
        let others: Vec<PrimaryMetric> = comparison.others.iter().map(|other| other.metric).collect();
        let all_but_one: Vec<PrimaryMetric> = METRICS.iter().map(|row| row.metric).skip(1).collect();
        assert_eq!(others, all_but_one);
        for other in &comparison.others {
            assert_eq!(other.arms[0].values.len(), 5);
            let judged = other.contrasts[0].judged().unwrap();
            let here = judged.here.clone().unwrap();
            assert!(here.verdict != Verdict::Equivalent && here.tost_p == 1.0, "{:?}", other.metric);
            assert!(judged.effect.pairs_needed.is_err(), "there is no margin to find");
        }
    }

    #[test]
    fn new_images_are_spoken_of_where_the_metric_is_a_mean_over_images() {
        let comparison = compare(&surer());
        let beyond = |metric| {
            let other = comparison.others.iter().find(|other| other.metric == metric).unwrap();
            other.contrasts[0].judged().unwrap().beyond.clone()
        };
        let loss = beyond(PrimaryMetric::LogLoss).unwrap();
        assert!(loss.difference.interval.0 < loss.difference.point && loss.difference.point < 0.0, "{loss:?}");
        assert_eq!(beyond(PrimaryMetric::MacroF1), Err(Unscoped::NoMean));
        assert!(beyond(PrimaryMetric::Brier).is_ok() && beyond(PrimaryMetric::BalancedTop1).is_ok());
    }

    #[test]
    fn a_primary_log_loss_is_judged_by_its_own_margin_and_bounds() {
        let mut input = surer();
        (input.study.primary_metric, input.study.delta) = (PrimaryMetric::LogLoss, 0.5);
        for run in input.arms.iter_mut().flat_map(|arm| &mut arm.runs) {
            run.value = augtrial_stats::log_loss(&run.answers).unwrap();
        }
        let comparison = compare(&input);
        let judged = comparison.contrasts[0].judged().unwrap();
        let lower = Verdict::Different { direction: crate::Direction::Lower, within_margin: true };
        assert_eq!(
            (judged.here.clone().unwrap().verdict, comparison.measure().side_of(judged.effect.difference)),
            (lower, "treatment")
        );
        assert_eq!(judged.effect.crossed.as_ref().unwrap().images, IMAGES);
        // The mean of the differences image by image is the metric's own.
        let mean = judged.effect.crossed.as_ref().unwrap().mean;
        assert!((mean - judged.effect.difference).abs() < 1e-12);
        assert_eq!(comparison.others.len(), METRICS.len() - 1);
    }

    #[test]
    fn a_run_without_predictions_is_missing_by_the_other_metrics_alone() {
        let mut input = surer();
        input.arms[1].runs[2].answers.clear();
        let comparison = compare(&input);
        assert!(comparison.contrasts[0].missing.is_empty());
        let brier = comparison.others.iter().find(|other| other.metric == PrimaryMetric::Brier).unwrap();
        assert_eq!(brier.contrasts[0].missing[0].reason, "t: run t-3 has no predictions");
        input.arms.iter_mut().flat_map(|arm| &mut arm.runs).for_each(|run| run.answers.clear());
        let comparison = compare(&input);
        assert!(comparison.others.is_empty());
        assert!(matches!(comparison.contrasts[0].outcome, Outcome::Judged(_)));
    }
}
