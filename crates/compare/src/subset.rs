//! The contrasts once more on part of the test images: without those that have a twin in training, or without those whose labels
//! are in doubt. Test images are never taken away from the answer itself; this says whether they carry it.

use serde::Serialize;

use super::contrast::{Detail, judged};
use super::{ContrastResult, Metric, RunResult, StudyResults};
use augtrial_plan::file::PrimaryMetric;

/// Test images to leave out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSubset {
    /// For scripts.
    pub key: &'static str,
    /// What the subset is without, for people.
    pub without: &'static str,
    /// Whether each test image is left out, in the order of every run's `correct`.
    pub left_out: Vec<bool>,
}

/// The contrasts on the images that are left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnSubset {
    pub key: &'static str,
    pub without: &'static str,
    /// Test images that are left, and those that are left out.
    pub images: usize,
    pub left_out: usize,
    /// In the order declared, corrected as a family of their own; why there are none, where the metric cannot be computed from
    /// single answers or no image is left.
    pub contrasts: Result<Vec<ContrastResult>, String>,
}

/// Compares the arms on each subset. Every statistic is computed anew from the answers to the images that are left.
#[must_use]
pub fn on_subsets(input: &StudyResults, subsets: &[TestSubset]) -> Vec<OnSubset> {
    subsets.iter().map(|subset| on_subset(input, subset)).collect()
}

fn on_subset(input: &StudyResults, subset: &TestSubset) -> OnSubset {
    let left_out = subset.left_out.iter().filter(|&&out| out).count();
    let contrasts = restricted(input, &subset.left_out).map(|input| {
        let mut seeds = input.study.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        judged(&input, &seeds, Detail::Judgment)
    });
    let images = subset.left_out.len() - left_out;
    OnSubset { key: subset.key, without: subset.without, images, left_out, contrasts }
}

/// The same study, as if the test set had only the images that are left.
fn restricted(input: &StudyResults, left_out: &[bool]) -> Result<StudyResults, String> {
    let runs = input.arms.iter().flat_map(|arm| &arm.runs);
    if input.images.len() != left_out.len() || runs.clone().any(|run| !fits(run, left_out.len())) {
        return Err("the runs have no predictions of the same test images".to_owned());
    }
    if left_out.iter().all(|&out| out) {
        return Err("no test image is left".to_owned());
    }
    let mut input = input.clone();
    input.images = kept(&input.images, left_out);
    for run in input.arms.iter_mut().flat_map(|arm| &mut arm.runs) {
        run.correct = kept(&run.correct, left_out);
        run.answers = if run.answers.is_empty() { Vec::new() } else { kept(&run.answers, left_out) };
        run.value = value(run, input.study.primary_metric)?;
    }
    Ok(input)
}

/// Whether a run answered for so many images.
fn fits(run: &RunResult, images: usize) -> bool {
    run.correct.len() == images && (run.answers.is_empty() || run.answers.len() == images)
}

fn kept<T: Copy>(values: &[T], left_out: &[bool]) -> Vec<T> {
    values.iter().zip(left_out).filter(|&(_, &out)| !out).map(|(&value, _)| value).collect()
}

/// The metric of the images that are left.
fn value(run: &RunResult, metric: PrimaryMetric) -> Result<f64, String> {
    if !run.answers.is_empty() {
        return (Metric::of(metric).value)(&run.answers).map_err(|reason| reason.to_string());
    }
    if metric == PrimaryMetric::Top1 {
        return Ok(run.correct.iter().filter(|&&right| right).count() as f64 / run.correct.len() as f64);
    }
    Err("the runs have no probabilities for their test images".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::few_images;
    use crate::{TestImage, compare};

    fn subset(left_out: Vec<bool>) -> TestSubset {
        TestSubset { key: "test", without: "some images", left_out }
    }

    fn known_images() -> StudyResults {
        let images = (0..60).map(|i| TestImage { label: i % 2, cluster: i }).collect();
        StudyResults { images, ..few_images() }
    }

    #[test]
    fn leaving_out_nothing_changes_nothing_in_either_scope() {
        let input = known_images();
        let all = compare(&input);
        let found = &on_subsets(&input, &[subset(vec![false; input.images.len()])])[0];
        let contrasts = found.contrasts.as_ref().unwrap();
        assert_eq!((found.images, found.left_out), (input.images.len(), 0));
        for (ours, theirs) in contrasts.iter().zip(&all.contrasts) {
            let (ours, theirs) = (ours.judged().unwrap(), theirs.judged().unwrap());
            assert_eq!((&ours.here, &ours.beyond), (&theirs.here, &theirs.beyond));
        }
    }

    #[test]
    fn a_difference_that_rests_on_the_images_left_out_is_gone_without_them() {
        let mut input = known_images();
        let images = input.images.len();
        // The treatment is better on the first two images, and nowhere else.
        let treatment = input.contrasts[0].treatment.clone();
        for arm in &mut input.arms {
            let better = arm.name == treatment;
            for run in &mut arm.runs {
                run.correct = (0..images).map(|i| if i < 2 { better } else { i % 3 > 0 }).collect();
                run.value = run.correct.iter().filter(|&&right| right).count() as f64 / images as f64;
            }
        }
        let full = compare(&input).contrasts[0].mean_difference().unwrap();
        assert!((full - 2.0 / images as f64).abs() < 1e-12);
        let left_out = (0..images).map(|i| i < 2).collect();
        let found = on_subsets(&input, &[subset(left_out)]).remove(0);
        assert_eq!(found.contrasts.unwrap()[0].mean_difference(), Some(0.0));
    }

    #[test]
    fn a_subset_of_nothing_and_unknown_predictions_are_told() {
        let mut input = known_images();
        let none = on_subsets(&input, &[subset(vec![true; input.images.len()])]).remove(0);
        assert_eq!(none.contrasts.unwrap_err(), "no test image is left");
        input.arms[0].runs[0].correct.clear();
        let unknown = on_subsets(&input, &[subset(vec![false; input.images.len()])]).remove(0);
        assert_eq!(unknown.contrasts.unwrap_err(), "the runs have no predictions of the same test images");
    }
}
