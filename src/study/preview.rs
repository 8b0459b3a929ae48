//! What a run would do, and why: reads the data, makes nothing.

use std::time::Duration;

use super::data::Division;
use super::error::chain;
use super::estimate::{self, Basis};
use super::jobs::{self, Choice, Crew, Left};
use super::key::{self, ArmKey};
use super::sets::{self, Step};
use super::{Context, Options, StudyData, StudyError};
use crate::data::stat::ClassTable;
use crate::digest::Digest;
use crate::events::Split;
use crate::plan::Plan;
use crate::plan::arm::{Arm, Edit, Role};
use crate::registry::{Registry, RunId, Status};

/// A study before it is run.
#[derive(Clone, Debug)]
pub struct Preview {
    pub classes: ClassTable,
    /// Images of each class in train, validation and test; under the as-published protocol, none until sets are made.
    pub parts: Option<[Vec<u64>; 3]>,
    pub arms: Vec<ArmPreview>,
    pub trials: Vec<TrialPreview>,
    /// Time of what is left to train.
    pub time: Duration,
    pub time_basis: Basis,
    /// Bytes of everything that would be made, cached or not.
    pub disk_bytes: u64,
    /// How many trials would run at once, on how many threads each.
    pub choice: Choice,
}

/// One arm before it is run.
#[derive(Clone, Debug)]
pub struct ArmPreview {
    pub name: String,
    pub role: Role,
    /// Training images of each class that the recipe promises.
    pub counts: Vec<u64>,
    pub epochs: u64,
    pub updates: u64,
    /// Training samples seen by one trial.
    pub samples: u64,
    pub sets: Vec<SetPreview>,
}

/// A set before it is made.
#[derive(Clone, Debug)]
pub struct SetPreview {
    /// Absent if it cannot be made as things are.
    pub digest: Option<Digest>,
    /// Why it cannot be made.
    pub problem: Option<String>,
    pub images: u64,
    pub cached: bool,
}

/// One trial before it is run.
#[derive(Clone, Debug)]
pub struct TrialPreview {
    pub arm: String,
    pub seed: u64,
    pub status: TrialStatus,
}

/// What would become of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialStatus {
    /// It has a result.
    Finished(RunId),
    /// It was interrupted and would be continued.
    Resumable(RunId),
    /// Another process is at it.
    Running(RunId),
    /// It failed, and is not tried again unless asked.
    Failed(String),
    /// It was never run.
    New,
}

impl TrialStatus {
    /// Whether there is something to do for it.
    fn is_left(&self) -> bool {
        matches!(self, Self::New | Self::Resumable(_))
    }
}

/// Looks at a study without running it.
///
/// # Errors
/// Whatever reading the data or the registry gives.
pub fn preview(plan: &Plan, options: &Options, context: &Context<'_>) -> Result<Preview, StudyError> {
    options.check(plan)?;
    let registry = context.open_registry()?;
    let data = StudyData::read(plan, context)?;
    let input = key::resolve_input(plan)?;
    let mut arms = Vec::new();
    let mut trials = Vec::new();
    let mut samples_left = 0;
    for arm in plan.arms.iter().filter(|arm| options.wants(arm)) {
        let shown = arm_preview(plan, &data, arm, context);
        let digests: Option<Vec<Digest>> = shown.sets.iter().map(|set| set.digest).collect();
        let key = digests.map(|sets| ArmKey::new(plan, &data, arm, sets, &input));
        for &seed in &plan.study.seeds {
            let status = match &key {
                Some(key) => status(&registry, &key.trial(seed))?,
                None => TrialStatus::New,
            };
            if status.is_left() {
                samples_left += shown.samples;
            }
            trials.push(TrialPreview { arm: arm.name.clone(), seed, status });
        }
        arms.push(shown);
    }
    trials.sort_by_key(|trial| plan.study.seeds.iter().position(|&seed| seed == trial.seed));
    let unmade =
        |arm: &&Arm| arms.iter().any(|shown| shown.name == arm.name && shown.sets.iter().any(|set| !set.cached));
    let left = Left {
        trials: trials.iter().filter(|trial| trial.status.is_left()).count(),
        arms: plan.arms.iter().filter(unmade).collect(),
    };
    let choice = jobs::choose(plan, options.jobs, jobs::Machine::here(plan.classifier.device), &left);
    let Crew { jobs, threads } = choice.crew;
    let (one_process, time_basis) = estimate::training_time(plan, &registry, samples_left, threads)?;
    let time = one_process / jobs;
    let derived: u64 = arms.iter().flat_map(|arm| &arm.sets).map(|set| set.images).sum();
    Ok(Preview {
        classes: ClassTable::new(&data.manifest, &plan.ingest.declared),
        parts: parts(&data),
        arms,
        trials,
        time,
        time_basis,
        choice,
        disk_bytes: estimate::disk_bytes(plan, data.manifest.images.len() as u64, derived),
    })
}

fn parts(data: &StudyData) -> Option<[Vec<u64>; 3]> {
    let Division::BySource(partition) = &data.division else { return None };
    Some([
        data.class_counts(partition.train.sources().iter()),
        data.class_counts(partition.validation.images()),
        data.class_counts(partition.test.images()),
    ])
}

fn arm_preview(plan: &Plan, data: &StudyData, arm: &Arm, context: &Context<'_>) -> ArmPreview {
    let share = match &data.division {
        Division::BySource(_) => 1.0,
        Division::AsPublished(_, shares) => shares.part(Split::Train),
    };
    let sources = data.class_counts(data.augmentable().iter());
    let grown = |count: &u64| (*count as f64 * f64::from(arm.growth()) * share).round() as u64;
    let counts: Vec<u64> = sources.iter().map(grown).collect();
    let work = estimate::work(plan, counts.iter().sum(), data.expected_originals() as u64);
    let images: u64 = sources.iter().sum();
    let folder = context.workspace.runs.join("sets");
    let copies = arm.offline.iter().map(|step| step.copies).chain(arm.edit.iter().map(Edit::copies));
    let preview = |(step, copies): (Result<Step<'_>, StudyError>, u32)| {
        let images = images * u64::from(copies);
        match step {
            Ok(step) => {
                let digest = step.digest(plan, data);
                let cached = folder.join(digest.to_string()).is_dir();
                SetPreview { digest: Some(digest), problem: None, images, cached }
            }
            Err(error) => SetPreview { digest: None, problem: Some(chain(&error)), images, cached: false },
        }
    };
    let shown = sets::steps(plan, data, arm).zip(copies).map(preview).collect();
    ArmPreview {
        name: arm.name.clone(),
        role: arm.role,
        counts,
        epochs: work.epochs,
        updates: work.updates,
        samples: work.samples,
        sets: shown,
    }
}

fn status(registry: &Registry, key: &Digest) -> Result<TrialStatus, StudyError> {
    let state = registry.trial_state(key)?;
    Ok(match (state.counted, state.running, state.resumable, state.failed.last()) {
        (Some(run), ..) => TrialStatus::Finished(run.run),
        (None, Some(run), ..) => TrialStatus::Running(run),
        (None, None, Some(run), _) => TrialStatus::Resumable(run),
        (None, None, None, Some(run)) => TrialStatus::Failed(match &run.status {
            Status::Failed { reason } => reason.clone(),
            other => other.name().to_owned(),
        }),
        (None, None, None, None) => TrialStatus::New,
    })
}
