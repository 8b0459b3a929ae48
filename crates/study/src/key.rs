//! The digest of everything that decides a trial's result: trials of one key need not be run twice.

use std::collections::BTreeMap;

use serde::Serialize;

use super::data::Division;
use super::extra;
use super::further;
use super::{StudyData, StudyError};
use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_external::{FileDigest, PROTOCOL_VERSION, files_of};
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::balance::Balance;
use augtrial_plan::classifier::{
    Architecture, Budget, Classifier, EpochRule, Freeze, Kernels, Optimizer, Precision, Schedule,
};
use augtrial_plan::command::{Command, OnlineBy};
use augtrial_plan::dataset::Protocol;
use augtrial_plan::networks::NetworkFile;
use augtrial_plan::replace::Replace;
use augtrial_plan::transform::{Features, Mix, Transform};

/// Raised whenever equal plans and seeds train to another result than before.
pub(super) const TRAINER_VERSION: u32 = 2;

/// The network's input, completed, and what it is and starts from where those are files.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ResolvedInput {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) eval_resize_px: Option<u32>,
    pub(super) pretrained: Option<Digest>,
    /// A network from a file, as its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<NetworkFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<CommandKey>,
}

/// What of a command decides what it trains. How long it may take and whether it can continue do not.
#[derive(Clone, Debug, Serialize)]
struct CommandKey {
    protocol: u32,
    run: Vec<String>,
    files: Vec<FileDigest>,
    online: Option<OnlineBy>,
    settings: BTreeMap<String, serde_json::Value>,
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
    /// Of the decisions about images, with their reasons. Left out where there are none, so that older trials keep their keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<Digest>,
    repeat: u32,
    /// Of the transforms' steps and of the edit's.
    sets: Vec<Digest>,
    /// Left out where derived images add to originals, so that older trials keep their keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    replace: Option<Replace>,
    online: &'a [Transform],
    mix: &'a Option<Mix>,
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<&'a Features>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<Balance>,
    /// Of the extra images that are trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<Digest>,
    /// Names and contents of the further sets that it is judged on: they are in its record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evaluations: Vec<(String, Digest)>,
    /// Whether the run records when images are learned. Left out where it does not, so that older trials keep their keys.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    learned: bool,
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
    /// Of a network of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<Architecture>,
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
    /// Pinned kernels decide bits. Native ones are left to the machine, as threads are.
    #[serde(skip_serializing_if = "Kernels::is_native")]
    kernels: Kernels,
}

impl ResolvedInput {
    /// The same with the settings that an arm has for itself.
    fn with_settings(&self, command: Option<&Command>) -> Self {
        let mut own = self.clone();
        if let (Some(key), Some(command)) = (&mut own.command, command) {
            key.settings.clone_from(&command.settings);
        }
        own
    }
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
        let Arm {
            name: _,
            role: _,
            declared: _,
            training: _,
            repeat,
            offline: _,
            edit: _,
            // In the sets.
            select: _,
            fraction: _,
            gate: _,
            extra: _,
            replace,
            online,
            mix,
            features,
            balance,
        } = arm;
        let own = plan.classifier_of(arm);
        let Classifier {
            architecture,
            network: _,
            pretrained: _,
            weights_digest: _,
            freeze,
            head_learning_rate,
            budget,
            batch_size,
            epoch_rule,
            label_smoothing,
            device: _,
            deterministic: _,
            precision,
            kernels,
            threads: _,
            input: _,
            optimizer,
            schedule,
            transforms: _,
            ref command,
        } = own;
        Self {
            trainer: TRAINER_VERSION,
            protocol: plan.study.protocol,
            study_seed: plan.study.seed,
            classes: &data.manifest.classes,
            working_px: (plan.ingest.width_px, plan.ingest.height_px),
            parts: parts(data),
            decisions: plan.audit.decided.digest(),
            repeat: *repeat,
            sets,
            replace: *replace,
            online,
            mix,
            features: features.as_ref(),
            balance: *balance,
            extra: extra::sorted(data, arm).map(|sorted| sorted.digest()),
            evaluations: further::digests(plan, data),
            learned: plan.records_learning(),
            classifier: ClassifierKey {
                architecture,
                budget,
                batch_size,
                epoch_rule,
                label_smoothing,
                precision,
                input: input.with_settings(command.as_ref()),
                optimizer,
                schedule,
                transforms: &plan.classifier.transforms,
                freeze,
                head_learning_rate,
                kernels,
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
            shares: augtrial_base::events::Split::ALL.map(|split| shares.part(split)),
        },
    }
}

/// The input size, with the working size where the plan leaves it open, the network's file and the digest of the pretrained
/// weights.
pub(super) fn resolve_input(plan: &Plan) -> Result<ResolvedInput, StudyError> {
    let network = plan.network_file()?;
    if let Some(file) = &network {
        file.checked_path()?; // before the first trial, which checks it again, and not in the middle of the study
    }
    let (width_px, height_px) = plan.input_px();
    Ok(ResolvedInput {
        width_px,
        height_px,
        eval_resize_px: plan.classifier.input.eval_resize_px,
        pretrained: pretrained(plan)?,
        network,
        command: plan.classifier.command.as_ref().map(|command| command_key(command, plan)).transpose()?,
    })
}

/// The digest of the pretrained weights, if a plan has any: the one that it pins, if it pins one.
pub(super) fn pretrained(plan: &Plan) -> Result<Option<Digest>, StudyError> {
    let Some(file) = &plan.classifier.pretrained else { return Ok(None) };
    let path = plan.resolve_path(file);
    let found = match Digest::of_file(&path) {
        Ok(found) => found,
        Err(source) => return Err(StudyError::Read { path, source }),
    };
    match &plan.classifier.weights_digest {
        Some(pinned) if pinned.parse().ok() != Some(found) => {
            Err(StudyError::PinnedWeights { path, found, pinned: pinned.clone() })
        }
        _ => Ok(Some(found)),
    }
}

fn command_key(command: &Command, plan: &Plan) -> Result<CommandKey, StudyError> {
    let Command { run, files: _, online, resumes: _, timeout_secs: _, silence_secs: _, settings } = command;
    let files = files_of(command, &plan.base).map_err(|(path, source)| StudyError::Read { path, source })?;
    let (run, settings) = (run.clone(), settings.clone());
    Ok(CommandKey { protocol: PROTOCOL_VERSION, run, files, online: *online, settings })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of a key that are left out where they say nothing.
    fn optional_fields(freeze: Freeze, head_learning_rate: Option<f64>, kernels: Kernels) -> Vec<String> {
        let key = ClassifierKey {
            architecture: Some(Architecture::default()),
            budget: Budget::Epochs(1),
            batch_size: 8,
            epoch_rule: EpochRule::default(),
            label_smoothing: 0.0,
            precision: Precision::default(),
            input: ResolvedInput {
                width_px: 64,
                height_px: 48,
                eval_resize_px: None,
                pretrained: None,
                network: None,
                command: None,
            },
            optimizer: Optimizer::Sgd(augtrial_plan::classifier::Sgd::default()),
            schedule: Schedule::default(),
            transforms: &[],
            freeze,
            head_learning_rate,
            kernels,
        };
        let value = serde_json::to_value(key).unwrap();
        value
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| ["freeze", "head_learning_rate", "kernels"].contains(&key.as_str()))
            .cloned()
            .collect()
    }

    /// Digest of what a plan with this command is resolved to, its files in `base`.
    fn command_digest(base: &std::path::Path, command: &str) -> Digest {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\nimages = 60\n[classifier]\nbudget = {{ epochs = 1 }}\n\
             [classifier.command]\n{command}\n[[arm]]\nname = \"c\"\nrole = \"control\"\n"
        );
        let plan = Plan::parse("test", &text, base.to_owned(), &[]).unwrap_or_else(|error| panic!("{error}"));
        Digest::of_value("test", &resolve_input(&plan).unwrap())
    }

    #[test]
    fn a_trial_of_a_command_is_another_one_when_its_files_or_settings_change_and_the_same_when_its_limits_do() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("train.py");
        std::fs::write(&script, "one").unwrap();
        let run = "run = [\"python3\", \"train.py\"]";
        let digest = |more: &str| command_digest(folder.path(), &format!("{run}\n{more}"));
        let plain = digest("");
        assert_eq!(digest("timeout_secs = 60\nresumes = true"), plain);
        assert_ne!(digest("settings = { rate = 0.1 }"), plain);
        assert_ne!(digest("online = \"trainer\""), plain);
        std::fs::write(&script, "two").unwrap();
        assert_ne!(digest(""), plain);
    }

    #[test]
    fn weights_of_another_digest_than_the_plans_are_refused_and_a_pin_is_in_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.safetensors");
        std::fs::write(&file, "meant").unwrap();
        let digest = Digest::of_file(&file).unwrap().to_string();
        let resolved = |pin: &str| {
            let text = format!(
                "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\nimages = 60\n[classifier]\nbudget = {{ epochs = 1 }}\n\
                 pretrained = \"w.safetensors\"\n{pin}\n[[arm]]\nname = \"c\"\nrole = \"control\"\n"
            );
            let plan =
                Plan::parse("test", &text, folder.path().to_owned(), &[]).unwrap_or_else(|error| panic!("{error}"));
            resolve_input(&plan).map(|input| Digest::of_value("test", &input))
        };
        let pin = format!("weights_digest = \"{digest}\"");
        let upper = format!("weights_digest = \"{}\"", digest.to_uppercase());
        let free = resolved("").unwrap();
        assert_eq!((resolved(&pin).unwrap(), resolved(&upper).unwrap()), (free, free));
        std::fs::write(&file, "other").unwrap();
        assert_ne!(resolved("").unwrap(), free);
        let error = resolved(&pin).unwrap_err().to_string();
        assert!(
            error.contains(&format!("instead of the plan's {digest}")) && error.contains("w.safetensors"),
            "{error}"
        );
    }

    #[test]
    fn a_plan_without_a_command_has_nothing_of_it_in_its_keys() {
        let input = ResolvedInput {
            width_px: 64,
            height_px: 48,
            eval_resize_px: None,
            pretrained: None,
            network: None,
            command: None,
        };
        assert!(serde_json::to_value(input).unwrap().get("command").is_none());
    }

    #[test]
    fn transfer_learning_is_in_the_key_only_where_it_is_used() {
        assert!(optional_fields(Freeze::None, None, Kernels::Native).is_empty());
        assert_eq!(optional_fields(Freeze::Stem, Some(0.1), Kernels::Native), ["freeze", "head_learning_rate"]);
    }

    #[test]
    fn pinned_kernels_are_in_the_key_and_native_ones_are_not() {
        assert!(optional_fields(Freeze::None, None, Kernels::Native).is_empty());
        assert_eq!(optional_fields(Freeze::None, None, Kernels::Avx2), ["kernels"]);
    }
}
