//! What the audit changes: which labels of test images the runs doubt, and every contrast without the test images in doubt.

use std::collections::BTreeSet;

use super::StudyError;
use super::results::{cells, comparison_input};
use super::sheet::StudySheet;
use augtrial_audit::{Decided, LabelIssue, argmax, label_issues};
use augtrial_base::events::Prediction;
use augtrial_compare::{Comparison, StudyResults, TestSubset, compare, is_at_chance, on_subsets};
use augtrial_data::manifest::LeftOut;
use augtrial_plan::Plan;
use augtrial_registry::Registry;
use augtrial_report::AuditRecord;

/// A comparison with what the audit says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditComparison {
    pub comparison: Comparison,
    /// Absent for a study that was recorded without an audit.
    pub audit: Option<AuditRecord>,
}

/// Compares the arms of a study as far as it was run, on all test images and without those in doubt.
///
/// # Errors
/// [`StudyError::NotRun`] if nothing was recorded under this plan; else whatever reading the registry gives.
pub fn audited_comparison_of(plan: &Plan, registry: &Registry) -> Result<AuditComparison, StudyError> {
    let not_run = || StudyError::NotRun { study: plan.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let cells = cells(plan, registry, &sheet)?;
    let input = comparison_input(plan, registry, &sheet, &cells)?;
    let mut answers = Answers::default();
    if sheet.audit.is_some() {
        for run in cells.iter().filter_map(|cell| cell.state.counted.as_ref()) {
            answers.add(&registry.predictions(run.run)?);
        }
    }
    Ok(AuditComparison { audit: record(plan, &sheet, &input, &answers), comparison: compare(&input) })
}

/// The probabilities that runs gave to the test images, summed over all runs of all arms: no arm's errors decide alone which
/// images are in doubt.
#[derive(Debug, Default)]
pub(super) struct Answers {
    paths: Vec<String>,
    labels: Vec<u32>,
    sums: Vec<Vec<f64>>,
    runs: usize,
    /// Whether two runs answered for different images.
    differ: bool,
}

impl Answers {
    /// Adds the answers of one run.
    pub(super) fn add(&mut self, predictions: &[Prediction]) {
        if self.runs == 0 {
            self.paths = predictions.iter().map(|p| p.path.clone()).collect();
            self.labels = predictions.iter().map(|p| p.label).collect();
            self.sums = predictions.iter().map(|p| vec![0.0; p.probabilities.len()]).collect();
        }
        self.runs += 1;
        self.differ |= !predictions.iter().map(|p| &p.path).eq(&self.paths);
        for (sums, prediction) in self.sums.iter_mut().zip(predictions) {
            sums.iter_mut().zip(&prediction.probabilities).for_each(|(sum, &p)| *sum += f64::from(p));
        }
    }

    /// The labels in doubt, by position in the runs' answers.
    fn doubts(&self, classes: usize) -> Result<Vec<LabelIssue>, String> {
        if self.runs == 0 {
            return Err("no run has a result".to_owned());
        }
        if self.differ {
            return Err("the runs were tested on different images".to_owned());
        }
        let mean = |sums: &Vec<f64>| sums.iter().map(|sum| (sum / self.runs as f64).clamp(0.0, 1.0)).collect();
        let rows: Vec<Vec<f64>> = self.sums.iter().map(mean).collect();
        let issues = label_issues(&self.labels, &rows, classes).map_err(|error| error.to_string())?;
        let (images, mut of_class) = (rows.len(), vec![0_usize; classes]);
        self.labels.iter().for_each(|&label| of_class[label as usize] += 1);
        let most = of_class.into_iter().max().unwrap_or(0) as f64 / images as f64;
        let right = rows.iter().zip(&self.labels).filter(|(row, label)| argmax(row) == **label as usize).count();
        // Whoever cannot tell the classes apart has no opinion on labels.
        if is_at_chance(right as f64 / images as f64, most, images) {
            return Err("the runs classify no better than by always naming the most frequent class".to_owned());
        }
        Ok(issues)
    }
}

/// What the report and `compare` say of the audit.
pub(super) fn record(plan: &Plan, sheet: &StudySheet, input: &StudyResults, answers: &Answers) -> Option<AuditRecord> {
    let audit = sheet.audit.as_ref()?;
    let classes = &sheet.manifest.classes;
    let settled = settled(plan, sheet);
    let doubts = answers.doubts(classes.len()).map(|issues| {
        issues.into_iter().filter(|issue| !settled.contains(&answers.paths[issue.index])).collect::<Vec<_>>()
    });
    let positions: BTreeSet<usize> = doubts.iter().flatten().map(|issue| issue.index).collect();
    let named = |paths: &[String]| -> BTreeSet<String> { paths.iter().cloned().collect() };
    let (leaked, contradicting) = (named(&audit.leaked), named(&audit.contradicting));
    let of =
        |out: &dyn Fn(usize, &String) -> bool| answers.paths.iter().enumerate().map(|(i, path)| out(i, path)).collect();
    let mut subsets = Vec::new();
    if !answers.differ && answers.runs > 0 {
        if audit.problem.is_none() {
            let left_out = of(&|_, path| leaked.contains(path));
            subsets.push(TestSubset { key: "leaked", without: "images with a twin in training", left_out });
        }
        let left_out = of(&|index, path| contradicting.contains(path) || positions.contains(&index));
        subsets.push(TestSubset { key: "labels", without: "images whose label is contradicted or in doubt", left_out });
    }
    let told = |issue: &LabelIssue| LeftOut {
        path: answers.paths[issue.index].clone(),
        reason: format!(
            "labeled {}, rather {}: mean probability {:.3} of the label, margin {:.3}",
            classes[issue.given as usize],
            classes[issue.suggested as usize],
            issue.self_confidence,
            issue.normalized_margin
        ),
        class: Some(issue.given),
    };
    Some(AuditRecord {
        problem: audit.problem.clone(),
        near_pairs: audit.near_pairs,
        same_sets: audit.same_sets,
        contradicting_sets: audit.contradicting_sets,
        odd: audit.odd.clone(),
        decisions: audit.decisions.clone(),
        excluded: sheet.excluded.clone(),
        doubts: doubts.map(|issues| issues.iter().map(told).collect()),
        subsets: on_subsets(input, &subsets),
    })
}

/// Paths of images whose label somebody decided on.
fn settled(plan: &Plan, sheet: &StudySheet) -> BTreeSet<String> {
    let decided = Decided::of(&plan.audit.decided, &sheet.manifest);
    let images = sheet.manifest.images.iter().enumerate();
    images.filter(|(position, _)| decided.is_settled(*position)).map(|(_, image)| image.path.clone()).collect()
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
