//! Training curves as series: what the figures plot, and what their tests check.

use std::collections::BTreeMap;

use serde::Serialize;

use augtrial_base::events::{EpochMetrics, Split};
use augtrial_stats as stats;

/// What is plotted upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    Top1,
    LossNats,
}

/// What is plotted to the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum XAxis {
    Epoch,
    /// Optimizer updates: the fair axis where arms differ in size.
    Updates,
}

/// One arm's curve of one measure on one part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    pub split: Split,
    pub measure: Measure,
    /// Mean over the seeds that reached the epoch, by epoch.
    pub mean: Vec<CurvePoint>,
    /// One line per seed, sorted by seed.
    pub seeds: Vec<SeedLine>,
}

/// The mean at one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    pub epoch: u32,
    /// Mean number of updates at this epoch's end.
    pub updates: f64,
    pub mean: f64,
    /// t interval over seeds; absent for a single seed.
    pub interval: Option<(f64, f64)>,
    /// Seeds behind the mean.
    pub n: usize,
}

/// A point of a mean on some axis: (x, mean, interval).
pub type MeanPoint = (f64, f64, Option<(f64, f64)>);

/// One seed's values: (epoch, updates, value).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedLine {
    pub seed: u64,
    pub points: Vec<(u32, u64, f64)>,
}

impl Measure {
    fn of(self, metrics: &EpochMetrics) -> f64 {
        match self {
            Self::Top1 => metrics.top1,
            Self::LossNats => metrics.loss_nats,
        }
    }
}

/// Every curve of the training and validation parts. `runs` is (seed, its metrics); values that are not finite are left out.
pub(super) fn curves(runs: &[(u64, &[EpochMetrics])], level: f64) -> Vec<Curve> {
    let mut curves = Vec::new();
    for split in [Split::Train, Split::Validation] {
        for measure in [Measure::Top1, Measure::LossNats] {
            let curve = curve(runs, split, measure, level);
            if !curve.mean.is_empty() {
                curves.push(curve);
            }
        }
    }
    curves
}

fn curve(runs: &[(u64, &[EpochMetrics])], split: Split, measure: Measure, level: f64) -> Curve {
    let mut seeds: Vec<SeedLine> = runs
        .iter()
        .map(|(seed, metrics)| {
            let of_split = metrics.iter().filter(|m| m.split == split && measure.of(m).is_finite());
            let mut points: Vec<_> = of_split.map(|m| (m.epoch, m.updates, measure.of(m))).collect();
            points.sort_by_key(|point| point.0);
            SeedLine { seed: *seed, points }
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    seeds.sort_by_key(|line| line.seed);
    let mut by_epoch: BTreeMap<u32, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for &(epoch, updates, value) in seeds.iter().flat_map(|line| &line.points) {
        let (all_updates, values) = by_epoch.entry(epoch).or_default();
        all_updates.push(updates as f64);
        values.push(value);
    }
    let mean = by_epoch.into_iter().filter_map(|(epoch, (updates, values))| {
        let interval = stats::mean_interval(&values, level).ok().map(|estimate| estimate.interval);
        let (updates, mean) = (stats::mean(&updates).ok()?, stats::mean(&values).ok()?);
        Some(CurvePoint { epoch, updates, mean, interval, n: values.len() })
    });
    Curve { split, measure, mean: mean.collect(), seeds }
}

impl Curve {
    /// The mean's points on one axis: (x, mean, interval).
    #[must_use]
    pub fn mean_on(&self, axis: XAxis) -> Vec<MeanPoint> {
        let x = |point: &CurvePoint| match axis {
            XAxis::Epoch => f64::from(point.epoch),
            XAxis::Updates => point.updates,
        };
        self.mean.iter().map(|point| (x(point), point.mean, point.interval)).collect()
    }

    /// Every seed's points on one axis.
    #[must_use]
    pub fn seeds_on(&self, axis: XAxis) -> Vec<Vec<(f64, f64)>> {
        let x = |epoch: u32, updates: u64| match axis {
            XAxis::Epoch => f64::from(epoch),
            XAxis::Updates => updates as f64,
        };
        self.seeds.iter().map(|line| line.points.iter().map(|&(e, u, value)| (x(e, u), value)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(epoch: u32, split: Split, top1: f64) -> EpochMetrics {
        EpochMetrics {
            epoch,
            split,
            loss_nats: 1.0 - top1,
            top1,
            learning_rate: 0.1,
            samples: 10,
            updates: u64::from(epoch) * 5,
            elapsed_secs: 1.0,
        }
    }

    #[test]
    fn the_mean_is_over_the_seeds_that_reached_the_epoch() {
        let one = [metrics(2, Split::Train, 0.6), metrics(1, Split::Train, 0.2)];
        let two = [metrics(1, Split::Train, 0.4), metrics(2, Split::Train, f64::NAN)];
        let curves = curves(&[(7, &one), (3, &two)], 0.95);
        assert_eq!(curves.len(), 2, "no validation metrics, no validation curve");
        let top1 = &curves[0];
        assert_eq!(top1.seeds.iter().map(|line| line.seed).collect::<Vec<_>>(), [3, 7]);
        assert_eq!(top1.mean.iter().map(|p| (p.epoch, p.n)).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
        assert!((top1.mean[0].mean - 0.3).abs() < 1e-12 && top1.mean[0].interval.is_some());
        assert_eq!(top1.mean[1].interval, None);
        assert_eq!(top1.mean_on(XAxis::Updates)[1].0, 10.0);
        assert_eq!(top1.seeds_on(XAxis::Epoch), [vec![(1.0, 0.4)], vec![(1.0, 0.2), (2.0, 0.6)]]);
    }
}
