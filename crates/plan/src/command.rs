//! `[classifier.command]`: a trainer of the user's own, which is started as a command (docs/external.md).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::classifier::{Classifier, Freeze, Kernels, Optimizer, Precision, Schedule, Sgd};
use super::evaluation::Evaluation;

/// A trainer of your own. It reads a JSON file that says what to train on, and writes what happens as JSON lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, such as `["python", "train.py"]`. It runs in the folder of the experiment file; the path
    /// of the JSON file is added as the last argument.
    pub run: Vec<String>,
    /// Files that decide the result, beside the arguments of `run` that are files: modules that the script imports, weights
    /// that it starts from. A trial whose files have changed is another trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Who applies the online transforms of the experiment. Needed where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<OnlineBy>,
    /// Whether it can continue from what it saved before it was stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumes: bool,
    /// A trial that takes longer fails, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<u64>,
    /// A trial that reports nothing for so long fails, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_secs: Option<u64>,
    /// Values for the trainer, which gets them as they are: its network, learning rate and so on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// Who applies online transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnlineBy {
    /// augtrial: the trainer asks for the pixels of each pass, which every trial of one seed draws from the same streams.
    Augtrial,
    /// The trainer: it gets their names and parameters, and draws its own random numbers.
    Trainer,
}

/// A key that makes no sense, below `classifier`.
pub(super) struct Fault {
    pub key: &'static str,
    pub message: String,
    pub help: &'static str,
}

impl Command {
    /// The command as one would type it.
    #[must_use]
    pub fn shown(&self) -> String {
        let quoted = |word: &String| if word.contains(' ') { format!("\"{word}\"") } else { word.clone() };
        self.run.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

/// Whatever makes no sense in a classifier that is trained by a command.
pub(super) fn faults(classifier: &Classifier, arms: &[Arm], evaluations: &[Evaluation]) -> Vec<Fault> {
    let Some(command) = &classifier.command else { return Vec::new() };
    let mut faults = Vec::new();
    let mut fault = |key, message: &str, help| faults.push(Fault { key, message: message.to_owned(), help });
    if command.run.first().is_none_or(|program| program.trim().is_empty()) {
        fault(
            "command.run",
            "`run` names no program",
            "write the program and its arguments: [\"python\", \"train.py\"]",
        );
    }
    for (key, secs) in [("command.timeout_secs", command.timeout_secs), ("command.silence_secs", command.silence_secs)]
    {
        if secs == Some(0) {
            fault(key, "a trainer cannot be done in 0 s", "leave it out for no limit");
        }
    }
    if !evaluations.is_empty() {
        let help = "leave [[evaluation]] out: the protocol asks a trainer about the test part alone";
        fault("command", "a command is not judged on further evaluation sets", help);
    }
    let mixed = arms.iter().any(|arm| arm.mix.is_some());
    let transformed = !classifier.transforms.is_empty() || arms.iter().any(|arm| !arm.online.is_empty());
    if (mixed || transformed) && command.online.is_none() {
        let help = "`online = \"augtrial\"` gives the trainer the pixels of each pass; `online = \"trainer\"` gives it the \
                    transforms' names and parameters";
        fault("command", "`online` must say who applies the online transforms", help);
    }
    if mixed && command.online == Some(OnlineBy::Augtrial) {
        let help = "mixing changes batches, which the trainer makes: use `online = \"trainer\"`";
        fault("command.online", "augtrial cannot mix the batches of a command", help);
    }
    for key in typed_in_vain(classifier) {
        let help = "leave it out; what the trainer needs to know goes into [classifier.command.settings]";
        faults.push(Fault {
            key,
            message: format!("`{key}` means nothing to a command, which trains as it likes"),
            help,
        });
    }
    faults
}

/// Keys that are for augtrial's own trainer and not at their defaults.
fn typed_in_vain(classifier: &Classifier) -> impl Iterator<Item = &'static str> {
    let own = [
        ("architecture", classifier.architecture.is_some()),
        ("network", classifier.network.is_some()),
        ("pretrained", classifier.pretrained.is_some()),
        ("weights_digest", classifier.weights_digest.is_some()),
        ("freeze", classifier.freeze != Freeze::None),
        ("head_learning_rate", classifier.head_learning_rate.is_some()),
        ("label_smoothing", classifier.label_smoothing != 0.0),
        ("precision", classifier.precision != Precision::default()),
        ("kernels", classifier.kernels != Kernels::default()),
        ("optimizer", classifier.optimizer != Optimizer::Sgd(Sgd::default())),
        ("schedule", classifier.schedule != Schedule::default()),
        ("input.eval_resize_px", classifier.input.eval_resize_px.is_some()),
    ];
    own.into_iter().filter(|(_, typed)| *typed).map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::Plan;

    fn parse(classifier: &str, arm: &str) -> Result<Plan, String> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\nimages = 60\n[classifier]\nbudget = {{ epochs = 1 }}\n\
             {classifier}\n[[arm]]\nname = \"c\"\nrole = \"control\"\n{arm}\n"
        );
        Plan::parse("s.toml", &text, PathBuf::new(), &[]).map_err(|error| error.to_string())
    }

    const RUN: &str = "[classifier.command]\nrun = [\"python\", \"train.py\"]\n";

    #[test]
    fn a_command_is_read_and_written_with_settings_of_every_type() {
        let settings =
            "[classifier.command.settings]\nmodel = \"vit\"\nrate = 0.1\nlayers = [1, 2]\nema = { on = true }\n";
        let plan = parse(&format!("{RUN}resumes = true\n{settings}"), "").unwrap();
        let command = plan.classifier.command.as_ref().unwrap();
        assert_eq!((command.shown().as_str(), command.resumes), ("python train.py", true));
        assert_eq!(command.settings["ema"]["on"], true);
        let again = Plan::parse("plan.toml", &plan.to_toml(), PathBuf::new(), &[]).unwrap();
        assert_eq!((again.digest(), &again.classifier), (plan.digest(), &plan.classifier));
    }

    #[test]
    fn a_plan_without_a_command_says_nothing_of_it() {
        assert!(!parse("", "").unwrap().to_toml().contains("command"));
    }

    #[test]
    fn settings_of_the_own_trainer_are_refused_by_name() {
        let error = parse(&format!("architecture = \"resnet50\"\nlabel_smoothing = 0.1\n{RUN}"), "").unwrap_err();
        for key in ["`architecture` means nothing to a command", "`label_smoothing` means nothing to a command"] {
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn somebody_must_be_named_who_applies_online_transforms() {
        let flip = "[[arm]]\nname = \"t\"\nonline = [{ horizontal_flip = {} }]";
        let error = parse(RUN, flip).unwrap_err();
        assert!(error.contains("who applies the online transforms"), "{error}");
        parse(&format!("{RUN}online = \"augtrial\"\n"), flip).unwrap();
        let mixup = "[[arm]]\nname = \"t\"\nmix = { mixup = {} }";
        let error = parse(&format!("{RUN}online = \"augtrial\"\n"), mixup).unwrap_err();
        assert!(error.contains("cannot mix the batches of a command"), "{error}");
        parse(&format!("{RUN}online = \"trainer\"\n"), mixup).unwrap();
    }

    #[test]
    fn a_command_without_a_program_or_time_is_refused() {
        let error = parse("[classifier.command]\nrun = []\ntimeout_secs = 0\n", "").unwrap_err();
        assert!(error.contains("`run` names no program") && error.contains("0 s"), "{error}");
    }
}
