//! What is to be done of a study, before anything is done: whose sets are there, and which trials have a result.

use super::choice::Left;
use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::arm::Arm;
use crate::registry::Registry;
use crate::study::key::{self, ArmKey};
use crate::study::trials::{Ended, label, settled};
use crate::study::{Context, Options, StudyData, StudyError, sets};

/// The wanted arms and their trials.
pub struct Agenda<'a> {
    /// In the order of the plan.
    pub arms: Vec<ArmItem<'a>>,
    /// Seed by seed, of each seed every arm.
    pub trials: Vec<TrialItem>,
}

/// An arm and its sets.
pub struct ArmItem<'a> {
    pub arm: &'a Arm,
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
    pub fn new(
        plan: &'a Plan,
        data: &StudyData,
        options: &Options,
        context: &Context<'_>,
        registry: &Registry,
    ) -> Result<Self, StudyError> {
        let input = key::resolve_input(plan)?;
        let folder = context.workspace.runs.join("sets");
        let mut arms = Vec::new();
        let mut keys = Vec::new();
        for arm in plan.arms.iter().filter(|arm| options.wants(arm)) {
            let digest = |step: Result<sets::Step<'_>, _>| Ok::<_, StudyError>(step?.digest(plan, data));
            let sets = sets::steps(plan, data, arm).map(digest).collect::<Result<Vec<_>, _>>()?;
            let made = sets.iter().all(|set| folder.join(set.to_string()).is_dir());
            keys.push(ArmKey::new(plan, data, arm, sets.clone(), &input));
            arms.push(ArmItem { arm, sets, made });
        }
        let total = plan.study.seeds.len() * arms.len();
        let mut trials = Vec::with_capacity(total);
        for &seed in &plan.study.seeds {
            for (arm, arm_key) in keys.iter().enumerate() {
                let key = arm_key.trial(seed);
                let label = label(trials.len() + 1, total, &arms[arm].arm.name, seed);
                trials.push(TrialItem { arm, seed, key, label, settled: settled(registry, &key, options)? });
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
