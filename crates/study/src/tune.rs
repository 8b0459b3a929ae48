//! The search before a study: its tries run as trials of a study of their own, and the choice, recorded once.
//!
//! The choice looks at the validation part alone, of the epoch that each run selected. It is made when every try has ended, and
//! the first choice stands: what is tried again later chooses nothing, as the first finished attempt of a trial counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::cross_fit::unfitted;
use super::results::{ArmSeed, cells};
use super::sheet::StudySheet;
use super::{Context, Options, Outcome, StudyError, train};
use augtrial_base::events::Split;
use augtrial_compare::{ArmTuning, Tuning};
use augtrial_plan::tune::{Stage, TuneMetric};
use augtrial_plan::{Plan, PlanError};
use augtrial_registry::{Registry, Standing};

/// Beside `study.json`, of the search and of the study that was tuned by it.
const FILE: &str = "tuning.json";

/// The plan that a study is run and read by: with what was chosen, once it is chosen. Another plan is what it is.
///
/// # Errors
/// If the record of the choice cannot be read, or is of other arms.
pub fn as_tuned<'p>(plan: &'p Plan, registry: &Registry) -> Result<Cow<'p, Plan>, StudyError> {
    let Some(search) = plan.tries_plan()? else { return Ok(Cow::Borrowed(plan)) };
    match recorded(&search, registry)? {
        Some(tuning) => Ok(Cow::Owned(tuned_by(plan, &tuning)?)),
        None => Ok(Cow::Borrowed(plan)),
    }
}

/// What is to be trained next of a plan: its search while nothing is chosen, the networks that it asks while one of them is not
/// trained, then the study.
///
/// # Errors
/// As [`as_tuned`].
pub fn next_of(plan: &Plan, registry: &Registry) -> Result<Plan, StudyError> {
    let plan = as_tuned(plan, registry)?;
    if let Some(search) = plan.tries_plan()? {
        return Ok(search);
    }
    Ok(unfitted(&plan, registry)?.unwrap_or_else(|| plan.into_owned()))
}

/// The search that chose the values of this plan; none of a plan that was not tuned here.
///
/// # Errors
/// If the record cannot be read.
pub fn tuning_of(plan: &Plan, registry: &Registry) -> Result<Option<Tuning>, StudyError> {
    let is_tuned = plan.tune.as_ref().is_some_and(|tune| tune.stage == Stage::Tuned);
    if is_tuned { recorded(plan, registry) } else { Ok(None) }
}

fn recorded(plan: &Plan, registry: &Registry) -> Result<Option<Tuning>, StudyError> {
    Ok(registry.read_study_json(&plan.study.name, &plan.digest(), FILE)?)
}

fn record(plan: &Plan, tuning: &Tuning, registry: &Registry) -> Result<(), StudyError> {
    let json = serde_json::to_vec_pretty(tuning).expect("plain data has a JSON form");
    registry.write_study_file(&plan.study.name, &plan.digest(), FILE, &json)?;
    Ok(())
}

fn tuned_by(plan: &Plan, tuning: &Tuning) -> Result<Plan, PlanError> {
    let chosen: BTreeMap<String, u32> = tuning.arms.iter().map(|arm| (arm.arm.clone(), arm.chosen)).collect();
    plan.tuned(&chosen)
}

/// Searches what a plan declares and nobody has searched yet, and gives the plan with what was chosen, and what became of the
/// tries. All arms are searched, whichever are asked for: the same number of tries for each.
pub(super) fn search<'p>(
    plan: &'p Plan,
    options: &Options,
    registry: &Registry,
    context: &Context<'_>,
) -> Result<(Cow<'p, Plan>, Outcome), StudyError> {
    let Some(search) = plan.tries_plan()? else { return Ok((Cow::Borrowed(plan), Outcome::default())) };
    let (tuning, outcome) = if let Some(tuning) = recorded(&search, registry)? {
        (tuning, Outcome::default())
    } else {
        let (tries, arms) = (plan.tries().len(), plan.arms.len());
        context.progress.note(&format!("tuning: {tries} tries of each of {arms} arms, chosen by validation alone"));
        let mut outcome = train(&search, &Options { arms: Vec::new(), ..options.clone() }, registry, context)?;
        let tuning = choose(&search, registry)?;
        // A try that fails is an answer of the search, and no trial that the study lacks.
        for (arm, seed, reason) in std::mem::take(&mut outcome.failed) {
            context.progress.note(&format!("{arm}, seed {seed}, cannot be chosen: {reason}"));
        }
        (tuning, outcome)
    };
    let plan = tuned_by(plan, &tuning)?;
    for arm in &tuning.arms {
        context.progress.note(&format!("tuned: {}, try {}: {}", arm.arm, arm.chosen, tuning.chosen_values(arm)));
    }
    // Beside the study too: its report tells of it.
    record(&plan, &tuning, registry)?;
    Ok((Cow::Owned(plan), outcome))
}

/// Chooses a try for every arm of a search whose tries have all ended, and records it, unless that was done before.
///
/// # Errors
/// [`StudyError::NoTry`] if tries have not ended, or all of an arm failed.
pub(super) fn choose(search: &Plan, registry: &Registry) -> Result<Tuning, StudyError> {
    if let Some(tuning) = recorded(search, registry)? {
        return Ok(tuning);
    }
    let not_run = || StudyError::NotRun { study: search.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&search.study.name, &search.digest())?.ok_or_else(not_run)?;
    let cells = cells(search, registry, &sheet)?;
    let metric = search.tune.as_ref().map(|tune| tune.metric).unwrap_or_default();
    let tries = search.tries();
    let mut arms = Vec::new();
    for arm in arms_of(search, tries.len()) {
        let mut scores = Vec::new();
        for one in &tries {
            let name = Plan::try_arm(&arm, one.number);
            let of_try: Vec<&ArmSeed<'_>> = cells.iter().filter(|cell| cell.arm == name).collect();
            if let Some(open) = of_try.iter().find(|cell| !has_ended(cell)) {
                let problem = format!("{name}, seed {}: {}", open.seed, open.state.standing());
                return Err(StudyError::NoTry { arm, problem });
            }
            let values: Vec<Option<f64>> =
                of_try.iter().map(|cell| score(cell, metric, registry)).collect::<Result<_, _>>()?;
            let whole: Option<Vec<f64>> = values.into_iter().collect();
            scores.push(whole.map(|values| values.iter().sum::<f64>() / values.len() as f64));
        }
        let failed = || StudyError::NoTry { arm: arm.clone(), problem: "every try of it failed".to_owned() };
        arms.push(ArmTuning::choose(&arm, scores, metric).ok_or_else(failed)?);
    }
    let tuning = Tuning { metric, seeds: search.study.seeds.clone(), tries, arms };
    record(search, &tuning, registry)?;
    Ok(tuning)
}

/// The names of the arms that a search is of: its own are the tries, of the first try first.
fn arms_of(search: &Plan, tries: usize) -> Vec<String> {
    let arms = search.arms.len() / tries.max(1);
    let first = Plan::try_arm("", 1);
    let names = search.arms.iter().take(arms).map(|arm| arm.name.strip_suffix(first.as_str()).unwrap_or(&arm.name));
    names.map(str::to_owned).collect()
}

fn has_ended(cell: &ArmSeed<'_>) -> bool {
    matches!(cell.state.standing(), Standing::Finished { .. } | Standing::Failed { .. })
}

/// What a run reached on the validation part in the epoch that it selected; nothing of one that failed.
fn score(cell: &ArmSeed<'_>, metric: TuneMetric, registry: &Registry) -> Result<Option<f64>, StudyError> {
    let Some(run) = &cell.state.counted else { return Ok(None) };
    let epochs = registry.epochs(run.run)?;
    let selected = epochs.iter().find(|m| Some(m.epoch) == run.selected_epoch && m.split == Split::Validation);
    let value = selected.map(|metrics| match metric {
        TuneMetric::Top1 => metrics.top1,
        TuneMetric::Loss => metrics.loss_nats,
    });
    Ok(value.filter(|value| value.is_finite()))
}
