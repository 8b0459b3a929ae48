//! The training curves as data for the page's program.

use serde_json::{Value, json};

use crate::report::curves::{Curve, Measure};
use crate::report::view::StudyView;

/// Decimals that no screen can show more of.
const DECIMALS: i32 = 5;

/// JSON that can stand in a script element: arms in order, each with the curves of both parts and measures.
pub(super) fn curves(view: &StudyView) -> String {
    let arms: Vec<Value> = view
        .arms
        .iter()
        .map(|arm| json!({ "name": arm.name, "curves": arm.curves.iter().map(curve).collect::<Vec<_>>() }))
        .collect();
    let level = (100.0 * (1.0 - view.comparison.alpha)).round();
    // No end tag can stand in it.
    json!({ "level": level, "arms": arms }).to_string().replace('<', "\\u003c")
}

/// Points of the mean as `[epoch, updates, mean, low, high, n]`, of a seed as `[epoch, updates, value]`; accuracy in percent.
fn curve(curve: &Curve) -> Value {
    let scale = if curve.measure == Measure::Top1 { 100.0 } else { 1.0 };
    let round = |value: f64| {
        let power = 10_f64.powi(DECIMALS);
        (value * scale * power).round() / power
    };
    let mean = curve.mean.iter().map(|point| {
        let bound = |of: fn((f64, f64)) -> f64| point.interval.map(|interval| round(of(interval)));
        json!([point.epoch, point.updates, round(point.mean), bound(|i| i.0), bound(|i| i.1), point.n])
    });
    let seeds = curve.seeds.iter().map(|line| {
        let points: Vec<Value> = line.points.iter().map(|&(e, u, value)| json!([e, u, round(value)])).collect();
        json!({ "seed": line.seed.to_string(), "points": points })
    });
    json!({
        "part": curve.split.name(),
        "measure": if curve.measure == Measure::Top1 { "accuracy" } else { "loss" },
        "mean": mean.collect::<Vec<_>>(),
        "seeds": seeds.collect::<Vec<_>>(),
    })
}
