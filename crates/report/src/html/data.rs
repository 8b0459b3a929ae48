//! The training curves as data for the page's program.

use augtrial_web::{ArmCurves, Curves, Limits, SeedCurve};

use crate::curves::{Curve, Measure};
use crate::figures::{curves_cut, same_updates};
use crate::view::StudyView;

/// Decimals that no screen can show more of: of percent, and of nats.
const DECIMALS: (i32, i32) = (2, 4);

/// JSON that can stand in a script element: arms in order, each with the curves of both parts and measures.
pub(super) fn curves(view: &StudyView) -> String {
    let arms = view.arms.iter().enumerate();
    let curves = Curves {
        level: Some((100.0 * (1.0 - view.comparison.alpha)).round()),
        same_updates: same_updates(view),
        limits: Limits { loss: curves_cut(view) },
        arms: arms.map(|(at, arm)| ArmCurves::new(at, &arm.name, arm.curves.iter().map(curve).collect())).collect(),
    };
    // No end tag can stand in it.
    serde_json::to_string(&curves).expect("plain data has a JSON form").replace('<', "\\u003c")
}

fn curve(curve: &Curve) -> augtrial_web::Curve {
    let (scale, decimals) = if curve.measure == Measure::Top1 { (100.0, DECIMALS.0) } else { (1.0, DECIMALS.1) };
    let round = |value: f64| {
        let power = 10_f64.powi(decimals);
        (value * scale * power).round() / power
    };
    let (epochs, updates): (Vec<u32>, Vec<f64>) = curve.mean.iter().map(|point| (point.epoch, point.updates)).unzip();
    let seeds = curve.seeds.iter().map(|line| {
        let points: Vec<(u32, u64, f64)> = line.points.iter().map(|&(e, u, value)| (e, u, round(value))).collect();
        SeedCurve::new(line.seed, &points, &epochs, &updates)
    });
    let bound = |of: fn((f64, f64)) -> f64| curve.mean.iter().map(|p| p.interval.map(|i| round(of(i)))).collect();
    augtrial_web::Curve {
        part: curve.split.name(),
        measure: if curve.measure == Measure::Top1 { "accuracy" } else { "loss" },
        mean: curve.mean.iter().map(|point| round(point.mean)).collect(),
        low: bound(|interval| interval.0),
        high: bound(|interval| interval.1),
        n: curve.mean.iter().map(|point| point.n).collect(),
        seeds: seeds.collect(),
        epochs,
        updates,
    }
}
