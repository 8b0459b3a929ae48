//! Metrics of a classifier against scikit-learn; `fixtures/classification/make_fixture.py` made the numbers.

use augtrial_stats::{self as stats, Answer, Degenerate};
use serde_json::Value;

/// Sums of some hundred terms in another order. Probabilities are recorded as f32 and read back exactly.
const TOLERANCE: f64 = 1e-12;

/// scikit-learn takes the logarithm of f32 probabilities, of seven digits.
const TOLERANCE_F32: f64 = 2e-6;

type Metric = fn(&[Answer]) -> Result<f64, Degenerate>;

fn answers(case: &Value) -> Vec<Answer> {
    let rows = case["probabilities"].as_array().unwrap().iter();
    let row = |(row, label): (&Value, &Value)| {
        let probabilities: Vec<f32> = row.as_array().unwrap().iter().map(|p| p.as_f64().unwrap() as f32).collect();
        // The first of equals, as numpy's argmax.
        let best = probabilities.iter().copied().fold(f32::MIN, f32::max);
        let predicted = probabilities.iter().position(|&p| p == best).unwrap() as u32;
        Answer::new(label.as_u64().unwrap() as u32, predicted, &probabilities).unwrap()
    };
    rows.zip(case["labels"].as_array().unwrap()).map(row).collect()
}

#[test]
fn metrics_of_a_classifier_agree_with_scikit_learn() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/classification/fixture.json")).unwrap();
    let metrics: [(&str, Metric, f64); 7] = [
        ("accuracy", stats::accuracy, TOLERANCE),
        ("balanced_accuracy", stats::balanced_accuracy, TOLERANCE),
        ("worst_recall", stats::worst_recall, TOLERANCE),
        ("macro_f1", stats::macro_f1, TOLERANCE),
        ("log_loss", stats::log_loss, TOLERANCE_F32),
        ("brier", stats::brier, TOLERANCE),
        ("calibration_error", stats::calibration_error, TOLERANCE),
    ];
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let answers = answers(case);
        for (name, metric, tolerance) in metrics {
            let (got, want) = (metric(&answers).unwrap(), case[name].as_f64().unwrap());
            assert!((got - want).abs() <= tolerance * want.max(1.0), "{name} of {}: {got}, {want}", case["name"]);
        }
    }
}
