//! What the dashboard shows of studies, as plain data: the design's grid, and where each of its trials stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::reports;
use super::server::Folders;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::words::chain;
use augtrial_plan::Plan;
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::Protocol;
use augtrial_registry::{Registry, RegistryError, RunId, RunRecord, RunSummary, Standing};

/// Number of trials of the newest plan by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub finished: u32,
    pub running: u32,
    pub interrupted: u32,
    pub failed: u32,
    pub planned: u32,
}

/// A study in the list.
#[derive(Debug, Serialize)]
pub(super) struct StudyLine {
    pub study: String,
    pub arms: usize,
    pub seeds: usize,
    pub trials: Counts,
    pub last_run_at: String,
    pub reports: Vec<String>,
    /// Why the study cannot be shown, if so.
    pub problem: Option<String>,
}

/// A study: every trial of its newest plan, arm by arm.
#[derive(Debug, Serialize)]
pub(super) struct DashboardStudy {
    pub study: String,
    pub plan: Digest,
    pub protocol: Protocol,
    pub synthetic: bool,
    pub seeds: Vec<u64>,
    pub arms: Vec<ArmView>,
    /// Trials of the design have not ended.
    pub unfinished: bool,
    /// Test results, and reports that show some, are not shown for that reason.
    pub hidden: bool,
    pub reports: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ArmView {
    pub arm: String,
    pub role: Role,
    pub trials: Vec<TrialView>,
}

/// A cell of the grid.
#[derive(Debug, Serialize)]
pub(super) struct TrialView {
    pub seed: u64,
    /// `finished`, `running`, `interrupted`, `failed` or `planned`.
    pub state: &'static str,
    /// The attempt that decides it.
    pub run: Option<RunId>,
    pub attempts: usize,
    pub epochs: u32,
    pub total_epochs: Option<u32>,
    pub validation_top1: Option<f64>,
    pub test_top1: Option<f64>,
    pub elapsed_secs: f64,
    pub reason: Option<String>,
}

/// Arms and seeds of a study's newest plan.
struct Design {
    arms: Vec<(String, Role)>,
    seeds: Vec<u64>,
}

/// The keys of the trials, of what a study leaves behind (`study.json`).
#[derive(Deserialize)]
struct Keys {
    arms: Vec<ArmKeys>,
}

#[derive(Deserialize)]
struct ArmKeys {
    name: String,
    trials: Vec<(u64, Digest)>,
}

/// Every study, by name. One that cannot be shown says why and leaves the others alone.
pub(super) fn studies(registry: &Registry, folders: &Folders) -> Result<Vec<StudyLine>, RegistryError> {
    let runs = registry.list(&augtrial_registry::Filter::default())?;
    let names: BTreeSet<&str> = runs.iter().map(|run| run.study.as_str()).collect();
    let line = |name: &str| {
        let newest = runs.iter().find(|run| run.study == name);
        let mut line = StudyLine {
            study: name.to_owned(),
            arms: 0,
            seeds: 0,
            trials: Counts::default(),
            last_run_at: newest.map(|run| run.created_at.clone()).unwrap_or_default(),
            reports: Vec::new(),
            problem: None,
        };
        match study_of(registry, &runs, name, folders) {
            Ok(view) => {
                line.reports.clone_from(&view.reports);
                (line.arms, line.seeds) = (view.arms.len(), view.seeds.len());
                view.arms.iter().flat_map(|arm| &arm.trials).for_each(|trial| line.trials.add(trial.state));
            }
            Err(error) => line.problem = Some(chain(&error)),
        }
        line
    };
    Ok(names.into_iter().map(line).collect())
}

/// One study.
///
/// Results on the test split are left out while trials of the design have not ended: whoever sees them may stop, or add
/// seeds, for what they say. With `folders.peek` they are shown, and the study's record says since when.
pub(super) fn study(registry: &Registry, name: &str, folders: &Folders) -> Result<DashboardStudy, RegistryError> {
    // For the nearest names, if there is none of this name. Trials may have been run by another study.
    registry.runs_of(Some(name))?;
    let runs = registry.list(&augtrial_registry::Filter::default())?;
    let view = study_of(registry, &runs, name, folders)?;
    let shows = view.arms.iter().flat_map(|arm| &arm.trials).any(|trial| trial.test_top1.is_some());
    if view.unfinished && shows {
        registry.note_peek(name, &view.plan, Clock::System)?;
    }
    Ok(view)
}

/// Whether the report of a study may be read, which shows test results. One of a study without runs here may.
pub(super) fn shows_report(folders: &Folders, name: &str) -> Result<bool, RegistryError> {
    let Some(registry) = Registry::open_read_only(&folders.runs)? else { return Ok(true) };
    match study(&registry, name, folders) {
        Ok(view) => Ok(!view.hidden || reports::is_complete(&folders.reports, name)),
        Err(RegistryError::UnknownStudy { .. } | RegistryError::NoRuns) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A run, and whether its result on the test split is left out since its study has not ended.
#[derive(Debug, Serialize)]
pub(super) struct RunView {
    #[serde(flatten)]
    record: RunRecord,
    hidden: bool,
}

/// One run by its whole id.
pub(super) fn run(registry: &Registry, run: RunId, folders: &Folders) -> Result<RunView, RegistryError> {
    let mut record = registry.show(&run.to_string())?;
    let runs = registry.list(&augtrial_registry::Filter::default())?;
    let (study, plan) = (record.header.study.clone(), record.header.plan);
    let unfinished = study_of(registry, &runs, &study, folders).is_ok_and(|view| view.unfinished);
    let hidden = unfinished && !folders.peek && record.state.test.is_some();
    if hidden {
        record.state.test = None;
    } else if unfinished && record.state.test.is_some() {
        registry.note_peek(&study, &plan, Clock::System)?;
    }
    Ok(RunView { record, hidden })
}

fn study_of(
    registry: &Registry,
    runs: &[RunSummary],
    name: &str,
    folders: &Folders,
) -> Result<DashboardStudy, RegistryError> {
    let newest = runs.iter().find(|run| run.study == name).ok_or(RegistryError::NoRuns)?;
    let design = design(registry, runs, newest)?;
    let keys: Option<Keys> = registry.read_study(name, &newest.plan)?;
    let mut by_key: BTreeMap<Digest, Vec<&RunSummary>> = BTreeMap::new();
    for run in runs {
        by_key.entry(run.trial_key).or_default().push(run);
    }
    let trial = |arm: &str, seed: u64| {
        let arms = keys.as_ref().map_or(&[][..], |keys| &keys.arms);
        let key = arms.iter().find(|made| made.name == arm).and_then(|made| made.trials.iter().find(|t| t.0 == seed));
        let attempts: Vec<&RunSummary> = match key {
            Some((_, key)) => by_key.get(key).cloned().unwrap_or_default(),
            // Not written yet: the runs of this very plan.
            None => runs.iter().filter(|run| run.plan == newest.plan && run.arm == arm && run.seed == seed).collect(),
        };
        trial_view(seed, &attempts)
    };
    let arms = design.arms.iter().map(|(arm, role)| ArmView {
        arm: arm.clone(),
        role: *role,
        trials: design.seeds.iter().map(|&seed| trial(arm, seed)).collect(),
    });
    let mut arms: Vec<ArmView> = arms.collect();
    let unfinished = arms.iter().flat_map(|arm| &arm.trials).any(|trial| !matches!(trial.state, "finished" | "failed"));
    let hidden = unfinished && !folders.peek;
    if hidden {
        arms.iter_mut().flat_map(|arm| &mut arm.trials).for_each(|trial| trial.test_top1 = None);
    }
    let shows_report = !hidden || reports::is_complete(&folders.reports, name);
    Ok(DashboardStudy {
        study: name.to_owned(),
        plan: newest.plan,
        protocol: newest.protocol,
        synthetic: newest.synthetic,
        arms,
        unfinished,
        hidden,
        seeds: design.seeds,
        reports: if shows_report { reports::links(&folders.reports, name) } else { Vec::new() },
    })
}

/// From the plan; of one that this version cannot read, from the runs that there are.
fn design(registry: &Registry, runs: &[RunSummary], newest: &RunSummary) -> Result<Design, RegistryError> {
    let toml = registry.plan_toml(&newest.plan)?.unwrap_or_default();
    if let Ok(plan) = Plan::parse(&newest.study, &toml, PathBuf::new(), &[]) {
        let arms = plan.arms.into_iter().map(|arm| (arm.name, arm.role)).collect();
        return Ok(Design { arms, seeds: plan.study.seeds });
    }
    let of_plan = || runs.iter().filter(|run| run.plan == newest.plan);
    let arms: BTreeMap<String, Role> = of_plan().map(|run| (run.arm.clone(), run.role)).collect();
    let seeds: BTreeSet<u64> = of_plan().map(|run| run.seed).collect();
    Ok(Design { arms: arms.into_iter().collect(), seeds: seeds.into_iter().collect() })
}

fn trial_view(seed: u64, attempts: &[&RunSummary]) -> TrialView {
    let standing = RunSummary::standing(attempts.iter().copied());
    let shown = attempts.iter().find(|run| Some(run.run) == standing.run());
    TrialView {
        seed,
        state: standing.word(),
        run: standing.run(),
        attempts: attempts.len(),
        epochs: shown.map_or(0, |run| run.epochs),
        total_epochs: shown.and_then(|run| run.total_epochs),
        validation_top1: shown.and_then(|run| run.validation_top1),
        test_top1: shown.and_then(|run| run.test.as_ref().map(|test| test.top1)),
        elapsed_secs: shown.map_or(0.0, |run| run.elapsed_secs),
        reason: match &standing {
            Standing::Failed { reason, .. } => Some(reason.clone()),
            _ => None,
        },
    }
}

impl Counts {
    fn add(&mut self, state: &str) {
        *match state {
            "finished" => &mut self.finished,
            "running" => &mut self.running,
            "interrupted" => &mut self.interrupted,
            "failed" => &mut self.failed,
            _ => &mut self.planned,
        } += 1;
    }
}
