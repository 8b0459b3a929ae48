//! Labels in doubt by networks of the study's own control: the whole data set in folds, each judged by a network that was trained
//! without it.

use std::collections::BTreeMap;

use super::results::cells;
use super::sheet::StudySheet;
use super::{Context, Options, StudyError, train};
use augtrial_audit::{LabelIssue, label_issues};
use augtrial_base::words::plural;
use augtrial_data::manifest::Manifest;
use augtrial_plan::Plan;
use augtrial_registry::Registry;

/// Trains a network for each of `folds` folds of a plan's data set, unless they are trained, and gives the labels that they doubt by
/// position in `manifest`, which has the classes that were decided. The runs are a study of their own, `NAME--labels`; what is trained
/// for one number of folds is not trained again.
///
/// # Errors
/// [`StudyError::NoLabels`] if the plan has no control, or a network has no result; [`StudyError::Interrupted`]; else whatever training
/// gives.
pub fn doubted_labels(
    plan: &Plan,
    folds: u32,
    manifest: &Manifest,
    options: &Options,
    context: &Context<'_>,
) -> Result<Vec<LabelIssue>, StudyError> {
    let none = |problem: String| StudyError::NoLabels { problem };
    let networks = plan.label_plan(folds).map_err(none)?;
    let registry = Registry::lead(&context.workspace.runs, context.clock)?;
    let what = plural(networks.study.seeds.len(), "network");
    let arm = &networks.arms[0].name;
    context.progress.note(&format!("label issues: {what} of {arm}, each trained without one fold of the data set"));
    let outcome = train(&networks, options, &registry, context)?;
    if let Some((_, seed, reason)) = outcome.failed.first() {
        return Err(none(format!("the network of fold {seed} has no result: {reason}")));
    }
    let sheet: Option<StudySheet> = registry.read_study(&networks.study.name, &networks.digest())?;
    let sheet = sheet.ok_or_else(|| none("its networks left no record".to_owned()))?;
    let mut answers: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for run in cells(&networks, &registry, &sheet)?.iter().filter_map(|cell| cell.state.counted.as_ref()) {
        for prediction in registry.predictions(run.run)? {
            let row = prediction.probabilities.iter().map(|&p| f64::from(p).clamp(0.0, 1.0)).collect();
            answers.insert(prediction.path, row);
        }
    }
    let (mut labels, mut rows, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    for (position, image) in manifest.images.iter().enumerate() {
        let Some(row) = answers.remove(&image.path) else {
            return Err(none(format!("no network judged {}: the data set changed meanwhile; ask again", image.path)));
        };
        labels.push(image.class);
        rows.push(row);
        positions.push(position);
    }
    let issues = label_issues(&labels, &rows, manifest.classes.len()).map_err(|error| none(error.to_string()))?;
    Ok(issues.into_iter().map(|issue| LabelIssue { index: positions[issue.index], ..issue }).collect())
}
