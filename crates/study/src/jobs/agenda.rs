//! What is to be done of a study, before anything is done: whose sets are there, and which trials have a result.

use std::time::Duration;

use super::choice::Left;
use crate::prepared::Draws;
use crate::trials::{Ended, Next, label};
use crate::{Context, Options, StudyError};
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_plan::arm::Arm;
use augtrial_registry::{Holder, Registry, Standing};

/// How long a worker without a leader is waited for at most, and how long between two looks at it.
const ORPHAN_PATIENCE: Duration = Duration::from_mins(2);
const ORPHAN_PAUSE: Duration = Duration::from_millis(100);

/// The wanted arms and their trials.
pub struct Agenda<'a> {
    /// Draw by draw, in the order of the plan.
    pub arms: Vec<ArmItem<'a>>,
    /// Seed by seed, of each seed every arm.
    pub trials: Vec<TrialItem>,
}

/// An arm and its sets by one draw of the data: an arm of a plan that redraws for every seed is there once for each.
pub struct ArmItem<'a> {
    pub arm: &'a Arm,
    /// A seed of the draw, by which it is found.
    pub seed: u64,
    pub sets: Vec<Digest>,
    /// Whether all of them are there.
    pub made: bool,
}

/// A trial.
pub struct TrialItem {
    /// Among the agenda's arms.
    pub arm: usize,
    pub seed: u64,
    pub key: Digest,
    /// What it is called where its progress is shown.
    pub label: String,
    /// How it ended, if there is nothing to do for it.
    pub settled: Option<Ended>,
}

impl<'a> Agenda<'a> {
    /// Looks at the sets and at the registry.
    pub fn new(draws: &Draws<'a>, options: &Options, registry: &Registry) -> Result<Self, StudyError> {
        let mut arms = Vec::new();
        let mut keys = Vec::new();
        for prepared in draws.all() {
            let prepared = prepared?;
            draws.context.check_stop()?;
            for arm in prepared.arms(options) {
                let steps = prepared.steps(arm).collect::<Result<Vec<_>, _>>()?;
                let sets: Vec<Digest> = steps.iter().map(|step| prepared.digest(step)).collect();
                let made = sets.iter().all(|set| prepared.is_made(set));
                keys.push((&prepared.seeds, prepared.key(arm, sets.clone())));
                arms.push(ArmItem { arm, seed: prepared.seeds[0], sets, made });
            }
        }
        let seeds = &draws.plan.study.seeds;
        let seeds = &seeds[..options.most_seeds.unwrap_or(seeds.len()).min(seeds.len())];
        let total = seeds.len() * draws.plan.arms.iter().filter(|arm| options.wants(arm)).count();
        let mut trials = Vec::with_capacity(total);
        for &seed in seeds {
            for (arm, (_, arm_key)) in keys.iter().enumerate().filter(|(_, (of, _))| of.contains(&seed)) {
                let key = arm_key.trial(seed);
                let label = label(trials.len() + 1, total, &arms[arm].arm.name, seed);
                let standing = standing(registry, &key, draws.context, &label)?;
                let settled = match Next::of(standing, options, registry.folders()) {
                    Next::Settled(ended) => Some(ended),
                    Next::TidyUp(_) | Next::Resume(_) | Next::Begin => None,
                };
                trials.push(TrialItem { arm, seed, key, label, settled });
            }
        }
        Ok(Self { arms, trials })
    }

    /// What is left to do.
    pub fn left(&self) -> Left<'a> {
        Left {
            trials: self.trials.iter().filter(|trial| trial.settled.is_none()).count(),
            arms: self.arms.iter().filter(|item| !item.made).map(|item| item.arm).collect(),
        }
    }
}

/// Where a trial stands. A worker that has lost its leader saves and stops by itself, within the time of a few updates: it is
/// waited for, so that a study whose leader was killed can be started again at once.
fn standing(registry: &Registry, key: &Digest, context: &Context<'_>, label: &str) -> Result<Standing, StudyError> {
    let now = || Ok::<_, StudyError>(registry.trial_state(key)?.standing());
    let standing = now()?;
    let Standing::Running { run } = standing else { return Ok(standing) };
    let Some(holder) = registry.holder(run).filter(Holder::is_orphan) else { return Ok(standing) };
    context.progress.note(&format!("{label}: waiting for {holder} to stop: its leader is gone"));
    let watch = Clock::System.start();
    while watch.elapsed() < ORPHAN_PATIENCE && matches!(now()?, Standing::Running { .. }) {
        context.check_stop()?;
        std::thread::sleep(ORPHAN_PAUSE);
    }
    registry.index(run)?;
    now()
}
