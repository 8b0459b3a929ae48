//! Curves of a study's arms, each seed's and their mean, in the form that the shared program draws.

use serde::Deserialize;

use super::view::DashboardStudy;
use augtrial_base::events::{EpochMetrics, Split};
use augtrial_registry::{Registry, RegistryError};
use augtrial_web::{ArmCurves, Curve, Curves, Limits, SeedCurve};

/// What is drawn.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    measure: Measure,
    #[serde(default)]
    part: Part,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Measure {
    #[default]
    Accuracy,
    Loss,
}

/// A part that is measured while a trial runs.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Train,
    #[default]
    Validation,
}

/// Decimals that no screen can show more of: of percent, and of nats.
const DECIMALS: (i32, i32) = (2, 4);

impl Measure {
    fn of(self, metrics: &EpochMetrics) -> f64 {
        let (value, decimals) = match self {
            Self::Accuracy => (100.0 * metrics.top1, DECIMALS.0),
            Self::Loss => (metrics.loss_nats, DECIMALS.1),
        };
        rounded(value, decimals)
    }

    fn decimals(self) -> i32 {
        match self {
            Self::Accuracy => DECIMALS.0,
            Self::Loss => DECIMALS.1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Loss => "loss",
        }
    }
}

impl Part {
    fn split(self) -> Split {
        match self {
            Self::Train => Split::Train,
            Self::Validation => Split::Validation,
        }
    }
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let power = 10_f64.powi(decimals);
    (value * power).round() / power
}

/// A run's values, (epoch, updates, value), with its seed and its state.
struct Line {
    seed: u64,
    state: &'static str,
    points: Vec<(u32, u64, f64)>,
}

/// The curves of every trial that has begun.
pub(super) fn curves(registry: &Registry, study: &DashboardStudy, choice: Choice) -> Result<Curves, RegistryError> {
    let mut arms = Vec::new();
    for (index, arm) in study.arms.iter().enumerate() {
        let mut lines = Vec::new();
        for trial in &arm.trials {
            let Some(run) = trial.run else { continue };
            let epochs = registry.epochs(run)?;
            let of_part = epochs.iter().filter(|metrics| metrics.split == choice.part.split());
            let points =
                of_part.map(|m| (m.epoch, m.updates, choice.measure.of(m))).filter(|point| point.2.is_finite());
            lines.push(Line { seed: trial.seed, state: trial.state, points: points.collect() });
        }
        lines.retain(|line| !line.points.is_empty());
        let curves = if lines.is_empty() { Vec::new() } else { vec![curve(&lines, choice)] };
        arms.push(ArmCurves::new(index, &arm.arm, curves));
    }
    let curves = || arms.iter().filter_map(|arm| arm.curves.first());
    let losses: Vec<Vec<Vec<f64>>> = match choice.measure {
        Measure::Accuracy => Vec::new(),
        Measure::Loss => curves().map(|c| c.seeds.iter().map(|seed| seed.values.clone()).collect()).collect(),
    };
    Ok(Curves {
        level: None,
        same_updates: augtrial_web::same_updates(curves().map(|c| (c.epochs.as_slice(), c.updates.as_slice()))),
        limits: Limits { loss: augtrial_web::limit(&losses) },
        arms,
    })
}

/// The mean of the finished runs, of two or more, where all have a value; else only the runs.
fn curve(lines: &[Line], choice: Choice) -> Curve {
    let finished: Vec<&Line> = lines.iter().filter(|line| line.state == "finished").collect();
    let mean = mean(&finished.iter().map(|line| line.points.as_slice()).collect::<Vec<_>>());
    let (epochs, updates): (Vec<u32>, Vec<f64>) = mean.iter().map(|point| (point.0, point.1)).unzip();
    let seeds = lines.iter().map(|line| SeedCurve {
        state: Some(line.state),
        ..SeedCurve::new(line.seed, &line.points, &epochs, &updates)
    });
    Curve {
        part: choice.part.split().name(),
        measure: choice.measure.name(),
        low: vec![None; mean.len()],
        high: vec![None; mean.len()],
        n: vec![finished.len(); mean.len()],
        mean: mean.iter().map(|point| rounded(point.2, choice.measure.decimals())).collect(),
        seeds: seeds.collect(),
        epochs,
        updates,
    }
}

/// (epoch, mean updates, mean value) where every run has a value.
fn mean(runs: &[&[(u32, u64, f64)]]) -> Vec<(u32, f64, f64)> {
    let [first, _, ..] = runs else { return Vec::new() };
    let n = runs.len() as f64;
    let at =
        |run: &[(u32, u64, f64)], epoch: u32| run.binary_search_by_key(&epoch, |point| point.0).ok().map(|i| run[i]);
    let epoch = |&(epoch, ..): &(u32, u64, f64)| {
        let points = runs.iter().map(|run| at(run, epoch)).collect::<Option<Vec<_>>>()?;
        let updates = points.iter().map(|point| point.1 as f64).sum::<f64>() / n;
        Some((epoch, updates, points.iter().map(|point| point.2).sum::<f64>() / n))
    };
    first.iter().filter_map(epoch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_taken_where_every_run_has_a_value() {
        let one = [(1, 10, 10.0), (2, 20, 20.0), (3, 30, 30.0)];
        let two = [(2, 20, 40.0), (3, 30, 50.0), (4, 40, 60.0)];
        assert_eq!(mean(&[&one, &two]), [(2, 20.0, 30.0), (3, 30.0, 40.0)]);
        assert_eq!(mean(&[&one]), [], "one run is no mean");
    }
}
