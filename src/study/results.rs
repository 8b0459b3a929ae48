//! A comparison from the registry's index alone, without reading a run folder: fast enough to ask for at any time.

use std::collections::BTreeMap;

use super::StudyError;
use super::conduct;
use super::sheet::StudySheet;
use crate::compare::{ArmResults, Comparison, Excluded, RunResult, StudyResults, compare};
use crate::plan::Plan;
use crate::plan::dataset::Protocol;
use crate::plan::file::PrimaryMetric;
use crate::registry::{Registry, RunSummary, Status, TrialState};

/// Compares the arms of a study as far as it was run.
///
/// # Errors
/// [`StudyError::NotRun`] if nothing was recorded under this plan; else whatever reading the registry gives.
pub fn comparison_of(plan: &Plan, registry: &Registry) -> Result<Comparison, StudyError> {
    let not_run = || StudyError::NotRun { study: plan.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let cells = cells(plan, registry, &sheet)?;
    let mut arms = Vec::new();
    for arm in &plan.arms {
        let mut results = ArmResults { name: arm.name.clone(), role: arm.role, runs: Vec::new(), excluded: Vec::new() };
        for cell in cells.iter().filter(|cell| cell.arm == arm.name) {
            match cell.state.counted.as_ref().map(|run| result(plan, registry, run)).transpose()?.flatten() {
                Some(run) => results.runs.push(run),
                None => results.excluded.push(Excluded { seed: cell.seed, reason: why_excluded(&cell.state) }),
            }
        }
        arms.push(results);
    }
    Ok(compare(&StudyResults {
        study: plan.study.clone(),
        contrasts: plan.contrasts.clone(),
        arms,
        conduct: conduct::of(plan, registry, &cells)?,
    }))
}

/// One cell of the design, an arm with a seed, and the attempts at it.
pub(super) struct Cell<'a> {
    pub(super) arm: &'a str,
    pub(super) seed: u64,
    pub(super) state: TrialState,
}

/// Every cell of the plan, arm by arm.
pub(super) fn cells<'a>(plan: &'a Plan, registry: &Registry, sheet: &StudySheet) -> Result<Vec<Cell<'a>>, StudyError> {
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
            cells.push(Cell { arm: &arm.name, seed, state });
        }
    }
    Ok(cells)
}

fn result(plan: &Plan, registry: &Registry, run: &RunSummary) -> Result<Option<RunResult>, StudyError> {
    let Some(test) = &run.test else { return Ok(None) };
    let images = registry.classified(run.run)?;
    Ok(Some(run_result(plan, run, test.top1, images.iter().map(|image| (image.label, image.predicted)))))
}

/// What a run contributes, from its Top-1 accuracy and the (label, predicted) of each test image.
pub(super) fn run_result(
    plan: &Plan,
    run: &RunSummary,
    top1: f64,
    images: impl Iterator<Item = (u32, u32)> + Clone,
) -> RunResult {
    let value = match plan.study.primary_metric {
        PrimaryMetric::Top1 => top1,
        PrimaryMetric::BalancedTop1 => balanced(images.clone()),
    };
    // Under the as-published protocol every arm has test images of its own, and they cannot be paired.
    let paired = plan.study.protocol == Protocol::LeakFree;
    let correct = images.filter(|_| paired).map(|(label, predicted)| label == predicted).collect();
    RunResult { seed: run.seed, value, run: run.run.to_string(), correct }
}

/// Why a trial has no run that counts.
pub(super) fn why_excluded(state: &TrialState) -> String {
    match (state.failed.last().map(|run| &run.status), state.running, state.resumable) {
        (Some(Status::Failed { reason }), ..) => format!("failed: {reason}"),
        (_, Some(run), _) => format!("run {run} is not finished"),
        (_, None, Some(run)) => format!("run {run} was interrupted"),
        _ => "not run".to_owned(),
    }
}

/// Mean of the recalls of the classes that have test images, from (label, predicted) of each.
fn balanced(images: impl Iterator<Item = (u32, u32)>) -> f64 {
    let mut classes = BTreeMap::<u32, (u64, u64)>::new();
    for (label, predicted) in images {
        let (right, all) = classes.entry(label).or_default();
        *right += u64::from(label == predicted);
        *all += 1;
    }
    classes.values().map(|&(right, all)| right as f64 / all as f64).sum::<f64>() / classes.len().max(1) as f64
}
