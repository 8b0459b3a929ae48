//! The digest of everything that decides a trial's result: trials of one key need not be run twice.

use serde::Serialize;

use super::data::Division;
use super::{StudyData, StudyError};
use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::arm::Arm;
use crate::plan::classifier::{Architecture, Budget, Classifier, EpochRule, Freeze, Optimizer, Precision, Schedule};
use crate::plan::dataset::Protocol;
use crate::plan::transform::{Mix, Transform};
use crate::seed::StudySeed;

/// Raised whenever equal plans and seeds train to another result than before.
pub(super) const TRAINER_VERSION: u32 = 2;

/// The network's input, completed, and the digest of the weights it starts from.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ResolvedInput {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) eval_resize_px: Option<u32>,
    pub(super) pretrained: Option<Digest>,
}

/// Everything that decides a trial of one arm, but its seed. The arm's name and role are not here.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ArmKey<'a> {
    trainer: u32,
    protocol: Protocol,
    study_seed: StudySeed,
    classes: &'a [String],
    working_px: (u32, u32),
    parts: Parts,
    repeat: u32,
    /// Of the transforms' steps and of the edit's.
    sets: Vec<Digest>,
    online: &'a [Transform],
    mix: &'a Option<Mix>,
    classifier: ClassifierKey<'a>,
}

/// What the data are divided into.
#[derive(Clone, Debug, Serialize)]
enum Parts {
    BySource { train: Digest, validation: Digest, test: Digest },
    AsPublished { manifest: Digest, shares: [f64; 3] },
}

/// The classifier without what decides no result: where and on how many threads it is trained.
#[derive(Clone, Debug, Serialize)]
struct ClassifierKey<'a> {
    architecture: Architecture,
    budget: Budget,
    batch_size: u32,
    epoch_rule: EpochRule,
    label_smoothing: f64,
    precision: Precision,
    input: ResolvedInput,
    optimizer: Optimizer,
    schedule: Schedule,
    transforms: &'a [Transform],
    // Left out where they say nothing, so that older trials keep their keys.
    #[serde(skip_serializing_if = "Freeze::is_none")]
    freeze: Freeze,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_learning_rate: Option<f64>,
}

impl<'a> ArmKey<'a> {
    /// The key of `arm`, whose offline steps give `sets`.
    pub(super) fn new(
        plan: &'a Plan,
        data: &'a StudyData,
        arm: &'a Arm,
        sets: Vec<Digest>,
        input: &ResolvedInput,
    ) -> Self {
        let Arm { name: _, role: _, declared: _, repeat, offline: _, edit: _, online, mix } = arm;
        let Classifier {
            architecture,
            pretrained: _,
            freeze,
            head_learning_rate,
            budget,
            batch_size,
            epoch_rule,
            label_smoothing,
            device: _,
            precision,
            threads: _,
            input: _,
            optimizer,
            schedule,
            transforms,
        } = &plan.classifier;
        Self {
            trainer: TRAINER_VERSION,
            protocol: plan.study.protocol,
            study_seed: plan.study.seed,
            classes: &data.manifest.classes,
            working_px: (plan.ingest.width_px, plan.ingest.height_px),
            parts: parts(data),
            repeat: *repeat,
            sets,
            online,
            mix,
            classifier: ClassifierKey {
                architecture: *architecture,
                budget: *budget,
                batch_size: *batch_size,
                epoch_rule: *epoch_rule,
                label_smoothing: *label_smoothing,
                precision: *precision,
                input: input.clone(),
                optimizer: *optimizer,
                schedule: *schedule,
                transforms,
                freeze: *freeze,
                head_learning_rate: *head_learning_rate,
            },
        }
    }

    /// The key of the trial with this seed.
    pub(super) fn trial(&self, seed: u64) -> Digest {
        Digest::of_value("trial-v1", &(self, seed))
    }

    /// Digest of the division, for a run's header.
    pub(super) fn split(&self) -> Digest {
        Digest::of_value("split-v1", &self.parts)
    }

    pub(super) fn input(&self) -> &ResolvedInput {
        &self.classifier.input
    }
}

fn parts(data: &StudyData) -> Parts {
    match &data.division {
        Division::BySource(partition) => Parts::BySource {
            train: partition.train.digest(),
            validation: partition.validation.digest(),
            test: partition.test.digest(),
        },
        Division::AsPublished(_, shares) => Parts::AsPublished {
            manifest: data.manifest.digest(),
            shares: crate::events::Split::ALL.map(|split| shares.part(split)),
        },
    }
}

/// The input size, with the working size where the plan leaves it open, and the digest of the pretrained weights.
pub(super) fn resolve_input(plan: &Plan) -> Result<ResolvedInput, StudyError> {
    let digest = |path: &String| {
        let path = plan.resolve_path(path);
        Digest::of_file(&path).map_err(|source| StudyError::Read { path, source })
    };
    let (width_px, height_px) = plan.input_px();
    Ok(ResolvedInput {
        width_px,
        height_px,
        eval_resize_px: plan.classifier.input.eval_resize_px,
        pretrained: plan.classifier.pretrained.as_ref().map(digest).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(freeze: Freeze, head_learning_rate: Option<f64>) -> Vec<String> {
        let key = ClassifierKey {
            architecture: Architecture::default(),
            budget: Budget::Epochs(1),
            batch_size: 8,
            epoch_rule: EpochRule::default(),
            label_smoothing: 0.0,
            precision: Precision::default(),
            input: ResolvedInput { width_px: 64, height_px: 48, eval_resize_px: None, pretrained: None },
            optimizer: Optimizer::Sgd(crate::plan::classifier::Sgd::default()),
            schedule: Schedule::default(),
            transforms: &[],
            freeze,
            head_learning_rate,
        };
        let value = serde_json::to_value(key).unwrap();
        value
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| ["freeze", "head_learning_rate"].contains(&key.as_str()))
            .cloned()
            .collect()
    }

    #[test]
    fn transfer_learning_is_in_the_key_only_where_it_is_used() {
        assert!(keys(Freeze::None, None).is_empty());
        assert_eq!(keys(Freeze::Stem, Some(0.1)), ["freeze", "head_learning_rate"]);
    }
}
