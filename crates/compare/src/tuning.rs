//! What was tried before a study, what was chosen, and what a search of fewer tries would have found. Validation alone is looked
//! at: nothing here has seen the test part.

use serde::{Deserialize, Serialize};

use augtrial_plan::tune::{Try, TuneMetric};
use augtrial_stats::expected_best;

/// The search of a study, as it was recorded when the choice was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    pub metric: TuneMetric,
    /// Of every try.
    pub seeds: Vec<u64>,
    /// What every arm was tried with.
    pub tries: Vec<Try>,
    /// In the order of the plan.
    pub arms: Vec<ArmTuning>,
}

/// The search of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmTuning {
    pub arm: String,
    /// Of every try, the mean of the metric over the seeds; none of a try that failed with some seed.
    pub scores: Vec<Option<f64>>,
    /// The number of the try that was chosen.
    pub chosen: u32,
}

impl ArmTuning {
    /// The search of an arm with these scores: the best try is chosen, of equals the first. Nothing if every try failed.
    #[must_use]
    pub fn choose(arm: &str, scores: Vec<Option<f64>>, metric: TuneMetric) -> Option<Self> {
        let mut best: Option<(u32, f64)> = None;
        for (number, score) in (1..).zip(&scores) {
            let Some(score) = score.filter(|score| score.is_finite()) else { continue };
            if best.is_none_or(|(_, best)| is_better(score, best, metric)) {
                best = Some((number, score));
            }
        }
        best.map(|(chosen, _)| Self { arm: arm.to_owned(), scores, chosen })
    }

    /// The mean of the chosen try.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.scores.get(self.chosen.checked_sub(1)? as usize).copied().flatten()
    }

    /// Tries that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.scores.iter().filter(|score| score.is_none()).count()
    }

    /// Expected best of one try, of two, and so on, up to all of them. A try that failed is taken for the worst that did not.
    #[must_use]
    pub fn curve(&self, metric: TuneMetric) -> Vec<f64> {
        let sign = if metric == TuneMetric::Loss { -1.0 } else { 1.0 };
        let known = self.scores.iter().flatten().map(|score| sign * score);
        let worst = known.fold(f64::INFINITY, f64::min);
        let values: Vec<f64> = self.scores.iter().map(|score| score.map_or(worst, |score| sign * score)).collect();
        expected_best(&values).unwrap_or_default().into_iter().map(|value| sign * value).collect()
    }
}

fn is_better(one: f64, other: f64, metric: TuneMetric) -> bool {
    if metric == TuneMetric::Loss { one < other } else { one > other }
}

impl Tuning {
    /// What chose, in words.
    #[must_use]
    pub fn measure(&self) -> &'static str {
        match self.metric {
            TuneMetric::Top1 => "validation Top-1 accuracy",
            TuneMetric::Loss => "validation loss",
        }
    }

    /// A score as people read it, with its unit.
    #[must_use]
    pub fn shown(&self, score: f64) -> String {
        match self.metric {
            TuneMetric::Top1 => augtrial_base::numbers::percent(score),
            TuneMetric::Loss => format!("{score:.4} nats"),
        }
    }

    /// The values of a try, `key = value` each.
    #[must_use]
    pub fn values(one: &Try) -> String {
        one.values.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    }

    /// The values that an arm has now.
    #[must_use]
    pub fn chosen_values(&self, arm: &ArmTuning) -> String {
        self.tries.iter().find(|one| one.number == arm.chosen).map_or_else(String::new, Self::values)
    }

    /// Keys whose chosen value is the smallest or the largest of those tried, with that word: a value beyond may be better yet.
    #[must_use]
    pub fn at_the_edge(&self, arm: &ArmTuning) -> Vec<(&str, &'static str)> {
        let Some(chosen) = self.tries.iter().find(|one| one.number == arm.chosen) else { return Vec::new() };
        let edge = chosen.values.iter().filter_map(|(key, value)| {
            let value = value.as_f64()?;
            let tried = self.tries.iter().filter_map(|one| one.values.get(key)?.as_f64());
            let (least, most) = tried.fold((value, value), |(least, most), one| (least.min(one), most.max(one)));
            match (value <= least, value >= most) {
                (false, true) => Some((key.as_str(), "largest")),
                (true, false) => Some((key.as_str(), "smallest")),
                _ => None,
            }
        });
        edge.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_try_is_chosen_of_equals_the_first_and_never_one_that_failed() {
        let choose = |scores: &[Option<f64>], metric| ArmTuning::choose("a", scores.to_vec(), metric);
        let scores = [Some(0.5), None, Some(0.8), Some(0.8)];
        assert_eq!(choose(&scores, TuneMetric::Top1).unwrap().chosen, 3);
        assert_eq!(choose(&scores, TuneMetric::Loss).unwrap().chosen, 1);
        assert_eq!(choose(&[None, Some(f64::NAN)], TuneMetric::Top1), None);
    }

    #[test]
    fn the_curve_ends_at_what_was_chosen_and_counts_failures_as_the_worst() {
        let scores = vec![Some(0.5), None, Some(0.8)];
        let top1 = ArmTuning::choose("a", scores.clone(), TuneMetric::Top1).unwrap();
        let curve = top1.curve(TuneMetric::Top1);
        assert!((curve[0] - 0.6).abs() < 1e-12 && (curve[2] - 0.8).abs() < 1e-12, "{curve:?}");
        let loss = ArmTuning::choose("a", scores, TuneMetric::Loss).unwrap();
        let curve = loss.curve(TuneMetric::Loss);
        assert!((curve[0] - 0.7).abs() < 1e-12 && (curve[2] - 0.5).abs() < 1e-12, "{curve:?}");
        assert_eq!((loss.best(), loss.failed()), (Some(0.5), 1));
    }

    #[test]
    fn a_value_at_the_edge_of_those_tried_is_told() {
        let one = |number: u32, rate: f64| Try {
            number,
            values: [
                ("rate".to_owned(), rate.into()),
                ("scheme".to_owned(), "cosine".into()),
                ("same".to_owned(), 1.into()),
            ]
            .into(),
        };
        let tuning = Tuning {
            metric: TuneMetric::Top1,
            seeds: vec![101],
            tries: vec![one(1, 0.01), one(2, 0.1), one(3, 0.001)],
            arms: Vec::new(),
        };
        let edge =
            |chosen: u32| tuning.at_the_edge(&ArmTuning { arm: "a".to_owned(), scores: vec![Some(0.5); 3], chosen });
        assert_eq!((edge(1), edge(2), edge(3)), (vec![], vec![("rate", "largest")], vec![("rate", "smallest")]));
    }
}
