//! What the probabilities of one image must be, whoever gives them: a trainer, or a table of predictions.

/// How far from 1 the probabilities of an image may sum: those of a half-precision softmax do.
const SUM_TOLERANCE: f64 = 1e-2;

/// What is wrong with the probabilities of all classes for one image, as the end of a sentence about it.
#[must_use]
pub fn problem_of_probabilities(probabilities: &[f32]) -> Option<String> {
    if let Some(value) = probabilities.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Some(format!(
            "has the probability {value}: give those after softmax, from 0 to 1, and neither logits nor percent"
        ));
    }
    let sum: f64 = probabilities.iter().copied().map(f64::from).sum();
    ((sum - 1.0).abs() > SUM_TOLERANCE).then(|| {
        format!("has probabilities that sum to {sum:.4} instead of 1: give those of every class, after softmax")
    })
}

#[cfg(test)]
mod tests {
    use super::problem_of_probabilities;

    #[test]
    fn probabilities_lie_from_0_to_1_and_sum_to_1_as_far_as_half_precision_goes() {
        for good in [&[1.0][..], &[0.0, 1.0], &[0.333, 0.333, 0.333]] {
            assert_eq!(problem_of_probabilities(good), None);
        }
        for (bad, expected) in [
            (&[75.0, 25.0][..], "has the probability 75: give those after softmax"),
            (&[-2.5, 3.5], "has the probability -2.5"),
            (&[f32::NAN, 1.0], "has the probability NaN"),
            (&[0.5, 0.25], "sum to 0.7500 instead of 1"),
        ] {
            let problem = problem_of_probabilities(bad).unwrap();
            assert!(problem.contains(expected), "{problem}\nshould contain\n{expected}");
        }
    }
}
