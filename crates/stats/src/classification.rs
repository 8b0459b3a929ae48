//! Metrics of a classifier on labeled images, each a number of its answers.
//!
//! The conventions are scikit-learn's, so that anybody can compute the same from `predictions.jsonl`: `accuracy_score`,
//! `balanced_accuracy_score`, `f1_score(average="macro")`, the minimum of `recall_score(average=None)` over the classes of the
//! labels, `log_loss`, `brier_score_loss(scale_by_half=False)`. Calibration error is that of the predicted class (Guo et al.
//! 2017) over bins of equal mass (Nguyen and O'Connor 2015).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Degenerate;

/// Bins of [`calibration_error`].
pub const CALIBRATION_BINS: usize = 15;

/// Smallest probability that counts in a log loss: what an f32 adds to one, as scikit-learn clips probabilities of that type.
pub const LEAST_PROBABILITY: f64 = f32::EPSILON as f64;

/// What a classifier said of one image, as far as metrics ask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Index of the true class.
    pub label: u32,
    /// Index of the class of the highest probability.
    pub predicted: u32,
    /// Probability of the true class.
    pub of_label: f64,
    /// Probability of the predicted class.
    pub of_predicted: f64,
    /// Sum over the classes of the squared probabilities.
    pub squares: f64,
}

impl Answer {
    /// From the probabilities of all classes; nothing if one of the two classes has none.
    #[must_use]
    pub fn new(label: u32, predicted: u32, probabilities: &[f32]) -> Option<Self> {
        let of = |class: u32| probabilities.get(class as usize).copied().map(f64::from);
        let squares = probabilities.iter().map(|&p| f64::from(p) * f64::from(p)).sum();
        Some(Self { label, predicted, of_label: of(label)?, of_predicted: of(predicted)?, squares })
    }

    #[must_use]
    pub fn is_right(&self) -> bool {
        self.label == self.predicted
    }

    /// Negative logarithm of the true class's probability, nats.
    #[must_use]
    pub fn log_loss(&self) -> f64 {
        -self.of_label.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY).ln()
    }

    /// Squared distance of the probabilities from the truth, `sum_c (p_c - y_c)^2`, 0 to 2 (Brier 1950).
    #[must_use]
    pub fn brier(&self) -> f64 {
        (self.squares - 2.0 * self.of_label + 1.0).max(0.0)
    }
}

/// Share of images whose highest probability is the label's.
///
/// # Errors
/// If there is no answer.
pub fn accuracy(answers: &[Answer]) -> Result<f64, Degenerate> {
    mean(answers, |answer| f64::from(answer.is_right()))
}

/// Mean of the recalls of the classes that have images.
///
/// # Errors
/// If there is no answer.
pub fn balanced_accuracy(answers: &[Answer]) -> Result<f64, Degenerate> {
    let recalls = recalls(answers)?;
    Ok(recalls.iter().sum::<f64>() / recalls.len() as f64)
}

/// Recall of the class that has the lowest one, of those that have images.
///
/// # Errors
/// If there is no answer.
pub fn worst_recall(answers: &[Answer]) -> Result<f64, Degenerate> {
    Ok(recalls(answers)?.into_iter().fold(1.0, f64::min))
}

/// Mean over classes of `F1 = 2 TP / (2 TP + FP + FN)`. A class counts if an image has it or is given it.
///
/// # Errors
/// If there is no answer.
pub fn macro_f1(answers: &[Answer]) -> Result<f64, Degenerate> {
    any(answers)?;
    // (true positives, times it is a label, times it is predicted)
    let mut classes = BTreeMap::<u32, (u64, u64, u64)>::new();
    for answer in answers {
        classes.entry(answer.label).or_default().1 += 1;
        let (hits, _, given) = classes.entry(answer.predicted).or_default();
        *given += 1;
        *hits += u64::from(answer.is_right());
    }
    let scores = classes.values().map(|&(hits, labels, given)| 2.0 * hits as f64 / (labels + given) as f64);
    Ok(scores.sum::<f64>() / classes.len() as f64)
}

/// Mean negative logarithm of the true class's probability, nats.
///
/// # Errors
/// If there is no answer.
pub fn log_loss(answers: &[Answer]) -> Result<f64, Degenerate> {
    mean(answers, Answer::log_loss)
}

/// Mean squared distance of the probabilities from the truth, 0 to 2.
///
/// # Errors
/// If there is no answer.
pub fn brier(answers: &[Answer]) -> Result<f64, Degenerate> {
    mean(answers, Answer::brier)
}

/// Expected calibration error of the predicted class: images sorted by its probability are cut into [`CALIBRATION_BINS`] bins of
/// as equal numbers as can be, the first ones larger, and the distances between each bin's mean probability and its accuracy
/// are averaged by its number. Images of equal probability share the accuracy of all of them, so that their order is
/// of no consequence. With fewer images than bins each image is a bin.
///
/// # Errors
/// If there is no answer.
pub fn calibration_error(answers: &[Answer]) -> Result<f64, Degenerate> {
    any(answers)?;
    let mut sorted: Vec<(f64, f64)> = answers.iter().map(|a| (a.of_predicted, f64::from(a.is_right()))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    for equal in sorted.chunk_by_mut(|a, b| a.0 == b.0) {
        let share = equal.iter().map(|(_, right)| right).sum::<f64>() / equal.len() as f64;
        for (_, right) in equal.iter_mut() {
            *right = share;
        }
    }
    let (size, larger) = (sorted.len() / CALIBRATION_BINS, sorted.len() % CALIBRATION_BINS);
    let (first, rest) = sorted.split_at(larger * (size + 1));
    let bins = first.chunks(size + 1).chain(rest.chunks(size.max(1)));
    let gap = |bin: &[(f64, f64)]| bin.iter().map(|(confidence, right)| confidence - right).sum::<f64>().abs();
    Ok(bins.map(gap).sum::<f64>() / sorted.len() as f64)
}

fn any(answers: &[Answer]) -> Result<(), Degenerate> {
    if answers.is_empty() { Err(Degenerate::TooFew { have: 0, need: 1 }) } else { Ok(()) }
}

fn mean(answers: &[Answer], of: impl Fn(&Answer) -> f64) -> Result<f64, Degenerate> {
    any(answers)?;
    Ok(answers.iter().map(of).sum::<f64>() / answers.len() as f64)
}

/// By class, of those that have images.
fn recalls(answers: &[Answer]) -> Result<Vec<f64>, Degenerate> {
    any(answers)?;
    let mut classes = BTreeMap::<u32, (u64, u64)>::new();
    for answer in answers {
        let (right, all) = classes.entry(answer.label).or_default();
        *right += u64::from(answer.is_right());
        *all += 1;
    }
    Ok(classes.values().map(|&(right, all)| right as f64 / all as f64).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(label: u32, probabilities: &[f32]) -> Answer {
        let predicted = (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        Answer::new(label, predicted.unwrap() as u32, probabilities).unwrap()
    }

    #[test]
    fn without_an_image_no_metric_has_a_value() {
        let metrics = [accuracy, balanced_accuracy, worst_recall, macro_f1, log_loss, brier, calibration_error];
        for metric in metrics {
            assert_eq!(metric(&[]), Err(Degenerate::TooFew { have: 0, need: 1 }));
        }
    }

    #[test]
    fn a_class_without_probability_gives_no_answer_and_one_of_zero_a_bounded_loss() {
        assert_eq!(Answer::new(2, 0, &[0.5, 0.5]), None);
        let loss = answer(1, &[1.0, 0.0]).log_loss();
        assert!(loss.is_finite() && loss > 15.0, "{loss}");
        assert!((answer(1, &[1.0, 0.0]).brier() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_certain_and_right_classifier_is_perfect_by_every_metric() {
        let answers = vec![answer(0, &[1.0, 0.0]), answer(1, &[0.0, 1.0])];
        for metric in [accuracy, balanced_accuracy, worst_recall, macro_f1] {
            assert_eq!(metric(&answers), Ok(1.0));
        }
        for metric in [brier, calibration_error] {
            assert_eq!(metric(&answers), Ok(0.0));
        }
        assert!(log_loss(&answers).unwrap() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_order_of_images_is_of_no_consequence(raw in prop::collection::vec((0..3_u32, 0..20_u8, 0..20_u8), 1..60), by in 0..60_usize) {
            let of = |&(label, a, b): &(u32, u8, u8)| {
                let (a, b) = (f32::from(a) / 40.0, f32::from(b) / 40.0);
                answer(label, &[a, b, 1.0 - a - b])
            };
            let answers: Vec<Answer> = raw.iter().map(of).collect();
            let mut turned = answers.clone();
            turned.rotate_left(by % answers.len());
            turned.reverse();
            for metric in [accuracy, balanced_accuracy, worst_recall, macro_f1, log_loss, brier, calibration_error] {
                prop_assert!((metric(&answers).unwrap() - metric(&turned).unwrap()).abs() < 1e-12);
            }
        }
    }
}
