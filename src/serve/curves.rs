//! Curves of a study's arms: each seed's, and their mean.

use serde::{Deserialize, Serialize};

use super::view::StudyView;
use crate::events::Split;
use crate::registry::{Registry, RegistryError, RunId};

/// What is drawn over what.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    metric: MetricChoice,
    #[serde(default = "validation")]
    split: Split,
    #[serde(default)]
    x: Axis,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MetricChoice {
    #[default]
    Top1,
    LossNats,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Axis {
    #[default]
    Epoch,
    /// Optimiser updates, by which arms of different sizes can be compared.
    Updates,
}

#[derive(Debug, Serialize)]
pub(super) struct Curves {
    pub arms: Vec<ArmCurves>,
}

#[derive(Debug, Serialize)]
pub(super) struct ArmCurves {
    pub arm: String,
    pub runs: Vec<RunCurve>,
    /// Of the finished runs, where all have a value; of two or more.
    pub mean: Option<Series>,
}

#[derive(Debug, Serialize)]
pub(super) struct RunCurve {
    pub seed: u64,
    pub run: RunId,
    pub state: &'static str,
    #[serde(flatten)]
    pub series: Series,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Series {
    pub x: Vec<u64>,
    pub y: Vec<f64>,
}

fn validation() -> Split {
    Split::Validation
}

/// The curves of every trial that has begun.
pub(super) fn curves(registry: &Registry, study: &StudyView, choice: Choice) -> Result<Curves, RegistryError> {
    let mut arms = Vec::new();
    for arm in &study.arms {
        let mut runs = Vec::new();
        for trial in &arm.trials {
            if let Some(run) = trial.run {
                let series = series(registry, run, choice)?;
                runs.push(RunCurve { seed: trial.seed, run, state: trial.state, series });
            }
        }
        let finished = runs.iter().filter(|run| run.state == "finished").map(|run| &run.series).collect::<Vec<_>>();
        arms.push(ArmCurves { arm: arm.arm.clone(), mean: mean(&finished), runs });
    }
    Ok(Curves { arms })
}

fn series(registry: &Registry, run: RunId, choice: Choice) -> Result<Series, RegistryError> {
    let mut series = Series::default();
    for metrics in registry.epochs(run)?.iter().filter(|metrics| metrics.split == choice.split) {
        series.x.push(match choice.x {
            Axis::Epoch => metrics.epoch.into(),
            Axis::Updates => metrics.updates,
        });
        series.y.push(match choice.metric {
            MetricChoice::Top1 => metrics.top1,
            MetricChoice::LossNats => metrics.loss_nats,
        });
    }
    Ok(series)
}

fn mean(runs: &[&Series]) -> Option<Series> {
    let [first, _, ..] = runs else { return None };
    let at = |series: &Series, x: u64| series.x.binary_search(&x).ok().map(|index| series.y[index]);
    let mut mean = Series::default();
    for &x in &first.x {
        if let Some(values) = runs.iter().map(|series| at(series, x)).collect::<Option<Vec<f64>>>() {
            mean.x.push(x);
            mean.y.push(values.iter().sum::<f64>() / values.len() as f64);
        }
    }
    Some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_taken_where_every_run_has_a_value() {
        let one = Series { x: vec![1, 2, 3], y: vec![0.1, 0.2, 0.3] };
        let two = Series { x: vec![2, 3, 4], y: vec![0.4, 0.5, 0.6] };
        let expected = Series { x: vec![2, 3], y: vec![f64::midpoint(0.2, 0.4), f64::midpoint(0.3, 0.5)] };
        assert_eq!(mean(&[&one, &two]), Some(expected));
        assert_eq!(mean(&[&one]), None, "one run is no mean");
    }
}
