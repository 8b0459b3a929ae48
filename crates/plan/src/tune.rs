//! `[tune]`: the same number of tries for every arm before the study, judged on validation alone, so that no arm is compared with
//! another whose learning rate nobody searched.
//!
//! A search is a study of its own, [`Plan::tries_plan`]: every arm with every set of values, on seeds that the study does not use.
//! What was chosen is written into the plan, [`Plan::tuned`]: a plan says all that decides its trials.

mod check;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arm::{Arm, Role};
use super::classifier::{Classifier, Optimizer, Schedule};
use super::file::{PrimaryMetric, Study, default_alpha, default_delta};
use super::{Override, Plan, PlanError};
pub(super) use check::{Wrong, mistakes, wrong_values};

/// Tries of an arm at most.
pub const MOST_TRIES: usize = 1000;
/// What the name of the study of the tries ends with.
const TRIES: &str = "--tries";

/// `[tune]`: what is searched before the study, for every arm alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tune {
    /// Seeds of every try; none may be a seed of the study.
    pub seeds: Vec<u64>,
    /// Tries of every arm, drawn at random from `values`; every combination of the lists if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// What of the validation part chooses among the tries.
    #[serde(default)]
    pub metric: TuneMetric,
    /// Keys of this file, in quotes, and what is tried for each: a list, `{ uniform = [LOW, HIGH] }` or
    /// `{ log_uniform = [LOW, HIGH] }`. Of the classifier, keys below `optimizer`, `schedule` and `command.settings`,
    /// `label_smoothing` and `head_learning_rate`; of an arm, those of its recipe (`"arm[1].online[0].rand_augment.magnitude"`).
    pub values: BTreeMap<String, serde_json::Value>,
    /// How far the search is. Written by the program.
    #[serde(default, skip_serializing_if = "Stage::is_declared")]
    pub stage: Stage,
    /// The number of the try that was chosen for each arm. Written by the program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chosen: BTreeMap<String, u32>,
}

/// What of the validation part chooses among the tries: of the epoch whose weights the plan's rule selects, the mean over the
/// tries' seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TuneMetric {
    /// The highest Top-1 accuracy.
    #[default]
    Top1,
    /// The lowest mean cross-entropy.
    Loss,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing is chosen yet.
    #[default]
    Declared,
    /// This plan is the search itself: its arms are the tries.
    Tries,
    /// `chosen` says what was found, and the arms have it.
    Tuned,
}

impl Stage {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_declared(&self) -> bool {
        *self == Self::Declared
    }
}

/// `[arm.training]`: what of `[classifier]` is another value for this arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_smoothing: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
    /// Settings of the command that trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<BTreeMap<String, serde_json::Value>>,
}

impl Training {
    /// Whether the arm is trained as the classifier says.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Where `other` is not as `own`, of what an arm may have for itself.
    fn difference(own: &Classifier, other: &Classifier) -> Self {
        fn changed<T: PartialEq + Clone>(own: &T, other: &T) -> Option<T> {
            (own != other).then(|| other.clone())
        }
        let settings = |classifier: &Classifier| classifier.command.as_ref().map(|command| command.settings.clone());
        Self {
            optimizer: changed(&own.optimizer, &other.optimizer),
            schedule: changed(&own.schedule, &other.schedule),
            label_smoothing: changed(&own.label_smoothing, &other.label_smoothing),
            head_learning_rate: changed(&own.head_learning_rate, &other.head_learning_rate).flatten(),
            settings: changed(&settings(own), &settings(other)).flatten(),
        }
    }
}

/// One set of values that every arm is tried with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// Counted from 1.
    pub number: u32,
    /// By the key in the experiment file.
    pub values: BTreeMap<String, serde_json::Value>,
}

impl Plan {
    /// The classifier as an arm is trained with it.
    #[must_use]
    pub fn classifier_of(&self, arm: &Arm) -> Classifier {
        let Training { optimizer, schedule, label_smoothing, head_learning_rate, settings } = &arm.training;
        let mut own = self.classifier.clone();
        own.optimizer = optimizer.unwrap_or(own.optimizer);
        own.schedule = schedule.unwrap_or(own.schedule);
        own.label_smoothing = label_smoothing.unwrap_or(own.label_smoothing);
        own.head_learning_rate = head_learning_rate.or(own.head_learning_rate);
        if let (Some(command), Some(settings)) = (&mut own.command, settings) {
            command.settings.clone_from(settings);
        }
        own
    }

    /// Whether the plan is the search of another one.
    #[must_use]
    pub fn is_search(&self) -> bool {
        self.tune.as_ref().is_some_and(|tune| tune.stage == Stage::Tries)
    }

    /// The name of the study that searches for this one, if one does.
    #[must_use]
    pub fn search_name(&self) -> Option<String> {
        (self.tune.is_some() && !self.is_search()).then(|| format!("{}{TRIES}", self.study.name))
    }

    /// What is tried, if something is: every arm has all of it.
    #[must_use]
    pub fn tries(&self) -> Vec<Try> {
        let Some(tune) = &self.tune else { return Vec::new() };
        let values = search::values(tune, self.study.seed);
        (1..).zip(values).map(|(number, values)| Try { number, values }).collect()
    }

    /// The keys that are tuned for one arm while nothing is for the other: by `[tune]`, or by `[arm.training]` alone.
    #[must_use]
    pub fn tuned_for_alone(&self, arm: &str, other: &str) -> Vec<String> {
        let find = |name: &str| self.arms.iter().enumerate().find(|(_, arm)| arm.name == name);
        let (Some((index, arm)), Some((_, other))) = (find(arm), find(other)) else { return Vec::new() };
        let Some(tune) = &self.tune else {
            let by_hand = !arm.training.is_none() && other.training.is_none();
            return by_hand.then(|| format!("arm[{index}].training")).into_iter().collect();
        };
        let of_arm = |key: &&String| key.starts_with(&format!("arm[{index}]."));
        let other = self.arms.iter().position(|known| known.name == other.name);
        let of_other = |key: &String| {
            !key.starts_with("arm[") || other.is_some_and(|other| key.starts_with(&format!("arm[{other}].")))
        };
        if tune.values.keys().any(of_other) {
            return Vec::new();
        }
        tune.values.keys().filter(of_arm).cloned().collect()
    }

    /// The name of an arm of the search.
    #[must_use]
    pub fn try_arm(arm: &str, number: u32) -> String {
        format!("{arm}--try-{number}")
    }

    /// The search of a plan whose values are not chosen yet, as a study of its own: try by try every arm, on the tries' seeds.
    /// Nothing of it depends on how the study is judged, so that declaring more seeds does not search again.
    ///
    /// # Errors
    /// [`PlanError::Try`] if values do not go together.
    pub fn tries_plan(&self) -> Result<Option<Self>, PlanError> {
        let Some(tune) = self.tune.as_ref().filter(|tune| tune.stage == Stage::Declared) else { return Ok(None) };
        let mut arms = Vec::new();
        for one in self.tries() {
            for arm in self.arms_with(&one)? {
                arms.push(Arm { name: Self::try_arm(&arm.name, one.number), role: Role::Treatment, ..arm });
            }
        }
        let study = Study {
            name: self.search_name().unwrap_or_default(),
            title: Some(format!("What was tried for {}", self.study.name)),
            question: None,
            seeds: tune.seeds.clone(),
            primary_metric: PrimaryMetric::Top1,
            alpha: default_alpha(),
            delta: default_delta(),
            ..self.study.clone()
        };
        let tune = Some(Tune { stage: Stage::Tries, ..tune.clone() });
        Ok(Some(Self {
            study,
            arms,
            tune,
            cross_fit: None,
            sequential: None,
            contrasts: Vec::new(),
            evaluations: Vec::new(),
            ..self.clone()
        }))
    }

    /// The plan with the try of this number for each arm.
    ///
    /// # Errors
    /// [`PlanError::Try`] if values do not go together, or an arm has no such try.
    pub fn tuned(&self, chosen: &BTreeMap<String, u32>) -> Result<Self, PlanError> {
        let Some(tune) = &self.tune else { return Ok(self.clone()) };
        let tries = self.tries();
        let mut arms = Vec::new();
        for (index, arm) in self.arms.iter().enumerate() {
            let number = chosen.get(&arm.name).copied().unwrap_or(0);
            let one = tries
                .iter()
                .find(|one| one.number == number)
                .ok_or_else(|| PlanError::Try { number, problem: format!("arm `{}` has no such try", arm.name) })?;
            arms.push(self.arms_with(one)?.swap_remove(index));
        }
        let tune = Some(Tune { stage: Stage::Tuned, chosen: chosen.clone(), ..tune.clone() });
        Ok(Self { arms, tune, ..self.clone() })
    }

    /// The arms with the values of a try.
    fn arms_with(&self, one: &Try) -> Result<Vec<Arm>, PlanError> {
        let failed = |problem: String| PlanError::Try { number: one.number, problem };
        let mut overrides = Vec::new();
        for (key, value) in &one.values {
            overrides.push(assignment(key, value).map_err(failed)?);
        }
        let plain = Self { tune: None, ..self.clone() };
        let tried = Self::parse("the try", &plain.to_toml(), self.base.clone(), &overrides)
            .map_err(|error| failed(first_problem(&error)))?;
        let training = Training::difference(&self.classifier, &tried.classifier);
        let arm = |arm: Arm| {
            let training = if training.is_none() { arm.training.clone() } else { training.clone() };
            Arm { training, ..arm }
        };
        Ok(tried.arms.into_iter().map(arm).collect())
    }
}

/// A value of a key, as `--set` takes it.
fn assignment(key: &str, value: &serde_json::Value) -> Result<Override, String> {
    let value = toml::Value::try_from(value).map_err(|error| error.to_string())?;
    Ok(Override::Value { key: key.to_owned(), value: value.to_string() })
}

/// The first of the problems that an error lists.
fn first_problem(error: &PlanError) -> String {
    match error {
        PlanError::Invalid(found) => {
            found.items().first().map_or_else(|| error.to_string(), |item| item.message.clone())
        }
        other => other.to_string(),
    }
}
