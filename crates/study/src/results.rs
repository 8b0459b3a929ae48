//! A comparison from the registry's index alone, without reading a run folder: fast enough to ask for at any time.

use std::collections::BTreeMap;

use super::StudyError;
use super::arms::is_lost;
use super::sheet::{ArmSheet, Redrawn, StudySheet};
use super::{conduct, looks};
use augtrial_base::events::Prediction;
use augtrial_compare::{ArmResults, Comparison, Excluded, Metric, RunResult, StudyResults, TestImage, compare};
use augtrial_data::manifest::ImageRecord;
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::evaluation::{Evaluation, EvaluationSource};
use augtrial_plan::file::PrimaryMetric;
use augtrial_registry::{Classified, Registry, RunSummary, TrialState};
use augtrial_stats::Answer;

/// Compares the arms of a study as far as it was run.
///
/// # Errors
/// [`StudyError::NotRun`] if nothing was recorded under this plan; else whatever reading the registry gives.
pub fn comparison_of(plan: &Plan, registry: &Registry) -> Result<Comparison, StudyError> {
    let not_run = || StudyError::NotRun { study: plan.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let cells = cells(plan, registry, &sheet)?;
    Ok(compare(&comparison_input(plan, registry, &sheet, &cells)?))
}

/// What a comparison is made from.
pub(super) fn comparison_input(
    plan: &Plan,
    registry: &Registry,
    sheet: &StudySheet,
    cells: &[ArmSeed<'_>],
) -> Result<StudyResults, StudyError> {
    let conduct = conduct::of(plan, registry, cells, sheet)?;
    let study = looks::study_at(plan, conduct.look.as_ref());
    let mut arms = Vec::new();
    for arm in &plan.arms {
        let mut results = no_results(arm, sheet);
        let of_arm = |cell: &&ArmSeed<'_>| cell.arm == arm.name && study.seeds.contains(&cell.seed);
        for cell in cells.iter().filter(of_arm) {
            match cell.state.counted.as_ref().map(|run| result(plan, registry, run)).transpose()?.flatten() {
                Some(run) => results.runs.push(run),
                None => results.excluded.push(Excluded { seed: cell.seed, reason: why_excluded(&cell.state) }),
            }
        }
        arms.push(results);
    }
    Ok(StudyResults {
        study,
        contrasts: plan.contrasts.clone(),
        images: match cells.iter().find_map(|cell| cell.state.counted.as_ref()) {
            Some(run) => test_images(&sheet.manifest.images, &registry.predictions(run.run)?),
            None => Vec::new(),
        },
        arms,
        conduct,
    })
}

/// Compares the arms on every further evaluation set, in the order of the plan, each with its name.
///
/// # Errors
/// As [`comparison_of`].
pub fn evaluations_of(plan: &Plan, registry: &Registry) -> Result<Vec<(String, Comparison)>, StudyError> {
    let not_run = || StudyError::NotRun { study: plan.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let cells = cells(plan, registry, &sheet)?;
    let results = evaluation_results(plan, registry, &sheet, &cells)?;
    Ok(results.iter().map(|(name, results)| (name.clone(), compare(results))).collect())
}

/// What the runs said of every further evaluation set.
pub(super) fn evaluation_results(
    plan: &Plan,
    registry: &Registry,
    sheet: &StudySheet,
    cells: &[ArmSeed<'_>],
) -> Result<Vec<(String, StudyResults)>, StudyError> {
    let conduct = conduct::of(plan, registry, cells, sheet)?;
    let study = looks::study_at(plan, conduct.look.as_ref());
    let mut all = Vec::new();
    for Evaluation { name, from } in &plan.evaluations {
        // The groups of the data set are those of its own images.
        let corrupted = matches!(from, EvaluationSource::Corrupted(_));
        let (mut arms, mut images) = (Vec::new(), Vec::new());
        for arm in &plan.arms {
            let mut results = no_results(arm, sheet);
            let of_arm = |cell: &&ArmSeed<'_>| cell.arm == arm.name && study.seeds.contains(&cell.seed);
            for cell in cells.iter().filter(of_arm) {
                let Some(run) = &cell.state.counted else {
                    results.excluded.push(Excluded { seed: cell.seed, reason: why_excluded(&cell.state) });
                    continue;
                };
                let predictions = registry.evaluation(run.run, name)?;
                if images.is_empty() {
                    images = test_images(if corrupted { &sheet.manifest.images } else { &[] }, &predictions);
                }
                let classified: Vec<Classified> = predictions.iter().map(Classified::of).collect();
                let right = classified.iter().filter(|image| image.label == image.predicted).count();
                let top1 = right as f64 / classified.len().max(1) as f64;
                results.runs.push(run_result(plan, run, top1, &classified));
            }
            arms.push(results);
        }
        let (study, contrasts, conduct) = (study.clone(), plan.contrasts.clone(), conduct.clone());
        all.push((name.clone(), StudyResults { study, contrasts, arms, conduct, images }));
    }
    Ok(all)
}

/// An arm before any of its runs, with what its recipe promised and could not make.
pub(super) fn no_results(arm: &Arm, sheet: &StudySheet) -> ArmResults {
    let made = sheet.arms.iter().find(|made| made.name == arm.name);
    ArmResults {
        name: arm.name.clone(),
        role: arm.role,
        runs: Vec::new(),
        excluded: Vec::new(),
        planned_images: made.map_or(0, |made| made.planned + redrawn(made, |other| other.planned)),
        missing_images: made.map_or(0, |made| {
            let lost = made.missing.iter().filter(|left_out| is_lost(left_out)).count() as u64;
            lost + redrawn(made, |other| other.missing)
        }),
    }
}

/// A sum over the draws of an arm after the first.
fn redrawn(made: &ArmSheet, of: impl Fn(&Redrawn) -> u64) -> u64 {
    made.redrawn.iter().map(of).sum()
}

/// The test images in the order of a run's predictions. Images of one group, and byte-identical ones, are one cluster.
pub(super) fn test_images(images: &[ImageRecord], predictions: &[Prediction]) -> Vec<TestImage> {
    let groups: BTreeMap<&str, &str> =
        images.iter().filter_map(|image| Some((image.path.as_str(), image.group.as_deref()?))).collect();
    let mut clusters = BTreeMap::new();
    let image = |prediction: &Prediction| {
        let name = match groups.get(prediction.path.as_str()) {
            Some(group) => format!("group {group}"),
            None => prediction.image.to_string(),
        };
        let next = u32::try_from(clusters.len()).unwrap_or(u32::MAX);
        TestImage { label: prediction.label, cluster: *clusters.entry(name).or_insert(next) }
    };
    predictions.iter().map(image).collect()
}

/// An arm with a seed, and the attempts at it.
pub(super) struct ArmSeed<'a> {
    pub(super) arm: &'a str,
    pub(super) seed: u64,
    pub(super) state: TrialState,
}

/// Every cell of the plan, arm by arm.
pub(super) fn cells<'a>(
    plan: &'a Plan,
    registry: &Registry,
    sheet: &StudySheet,
) -> Result<Vec<ArmSeed<'a>>, StudyError> {
    let mut cells = Vec::new();
    for arm in &plan.arms {
        let keys: BTreeMap<u64, _> = sheet
            .arms
            .iter()
            .filter(|made| made.name == arm.name)
            .flat_map(|made| made.trials.iter().copied())
            .collect();
        for &seed in &plan.study.seeds {
            let state = keys.get(&seed).map(|key| registry.trial_state(key)).transpose()?.unwrap_or_default();
            cells.push(ArmSeed { arm: &arm.name, seed, state });
        }
    }
    Ok(cells)
}

pub(super) fn result(plan: &Plan, registry: &Registry, run: &RunSummary) -> Result<Option<RunResult>, StudyError> {
    let Some(test) = &run.test else { return Ok(None) };
    let images = registry.classified(run.run)?;
    Ok(Some(run_result(plan, run, test.top1, &images)))
}

/// What a run contributes, from its Top-1 accuracy and what it said of each test image.
pub(super) fn run_result(plan: &Plan, run: &RunSummary, top1: f64, images: &[Classified]) -> RunResult {
    // All of them or none: a metric of some of the images would be another metric.
    let answers: Vec<Answer> = images.iter().map(answer).collect::<Option<_>>().unwrap_or_default();
    let value = match plan.study.primary_metric {
        // As the run itself recorded it.
        PrimaryMetric::Top1 => top1,
        // A run without predictions has no finite value, and is told of as such.
        metric => (Metric::of(metric).value)(&answers).unwrap_or(f64::NAN),
    };
    // Under the as-published protocol every arm has test images of its own, and they cannot be paired.
    let paired = plan.study.protocol == Protocol::LeakFree;
    let correct = images.iter().filter(|_| paired).map(|image| image.label == image.predicted).collect();
    RunResult { seed: run.seed, value, run: run.run.to_string(), correct, answers }
}

fn answer(image: &Classified) -> Option<Answer> {
    let Classified { label, predicted, label_probability, predicted_probability, squares } = *image;
    Some(Answer { label, predicted, of_label: label_probability?, of_predicted: predicted_probability?, squares })
}

/// Why a trial has no run that counts.
pub(super) fn why_excluded(state: &TrialState) -> String {
    state.standing().to_string()
}
