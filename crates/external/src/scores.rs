//! What a trainer says of the test images: every image once, probabilities that are some, scored with labels that it does not
//! have.

use crate::error::Fault;
use augtrial_base::events::{Prediction, TestResult};
use augtrial_data::samples::Sample;
use augtrial_trial::problem_of_probabilities;

/// Predictions as they come.
pub struct Scores<'a> {
    samples: &'a [Sample],
    classes: usize,
    given: Vec<Option<Vec<f32>>>,
}

impl<'a> Scores<'a> {
    pub fn new(samples: &'a [Sample], classes: usize) -> Self {
        Self { samples, classes, given: vec![None; samples.len()] }
    }

    /// Takes a prediction.
    ///
    /// # Errors
    /// [`Fault`] if there is no such image, it has one, or these are no probabilities.
    pub fn take(&mut self, image: usize, probabilities: Vec<f32>) -> Result<(), Fault> {
        let Some(place) = self.given.get_mut(image) else {
            return Err(Fault::NoSuchImage { image, last: self.samples.len().saturating_sub(1) });
        };
        let file = || self.samples[image].path.clone();
        if place.is_some() {
            return Err(Fault::Twice { image, file: file() });
        }
        if let Some(problem) = problem_of(&probabilities, self.classes) {
            return Err(Fault::Probabilities { image, file: file(), problem });
        }
        *place = Some(probabilities);
        Ok(())
    }

    /// Scores them. The loss of an image takes its label's probability to be at least `f32::MIN_POSITIVE`.
    ///
    /// # Errors
    /// [`Fault::Missing`].
    pub fn finish(self) -> Result<(TestResult, Vec<Prediction>), Fault> {
        let missing: Vec<usize> = (0..self.given.len()).filter(|&image| self.given[image].is_none()).collect();
        if let Some(&first) = missing.first() {
            return Err(Fault::Missing { missing: missing.len(), file: self.samples[first].path.clone() });
        }
        let predictions: Vec<Prediction> = self
            .samples
            .iter()
            .zip(self.given.into_iter().flatten())
            .map(|(sample, probabilities)| Prediction {
                image: sample.image,
                path: sample.path.clone(),
                derived: sample.derived,
                label: sample.label,
                predicted: first_of_largest(&probabilities),
                probabilities,
            })
            .collect();
        let images = predictions.len() as f64;
        let right = predictions.iter().filter(|p| p.predicted == p.label).count();
        let loss = |p: &Prediction| -f64::from(p.probabilities[p.label as usize].max(f32::MIN_POSITIVE)).ln();
        let result = TestResult {
            loss_nats: predictions.iter().map(loss).sum::<f64>() / images,
            top1: right as f64 / images,
            samples: predictions.len() as u64,
        };
        Ok((result, predictions))
    }
}

fn problem_of(probabilities: &[f32], classes: usize) -> Option<String> {
    if probabilities.len() != classes {
        return Some(format!("has {} probabilities for {classes} classes", probabilities.len()));
    }
    problem_of_probabilities(probabilities)
}

/// Index of the largest value; of equals, the first.
fn first_of_largest(values: &[f32]) -> u32 {
    let larger = |best: usize, index: usize| if values[index] > values[best] { index } else { best };
    (0..values.len()).reduce(larger).unwrap_or(0) as u32
}
