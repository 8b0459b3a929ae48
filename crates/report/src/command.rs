//! What is said of a study whose trials a command of the user's own trained: what augtrial holds, and what it cannot.

use augtrial_base::text;
use augtrial_base::words::plural;
use augtrial_plan::Plan;
use augtrial_plan::classifier::{Budget, EpochRule};
use augtrial_plan::command::{Command, OnlineBy};

/// How the trials were trained, for the methods.
pub(super) fn training(plan: &Plan, command: &Command) -> String {
    let (arms, seeds) = (plural(plan.arms.len(), "arm"), plural(plan.study.seeds.len(), "seed"));
    let budget = match plan.classifier.budget {
        Budget::Epochs(epochs) => format!("{} of its own training set", plural(epochs as usize, "epoch")),
        Budget::Updates(updates) => format!("{updates} optimizer updates, the same for every arm"),
    };
    let rule = match plan.classifier.epoch_rule {
        EpochRule::Last => "the last epoch",
        EpochRule::BestValidation => "the epoch of the highest validation accuracy",
    };
    format!(
        "Each of {arms} was trained by a command, `{}`, once for each of {seeds}, for {budget}. augtrial divided the data, made the \
         sets, and counted the epochs that the command reported. From the validation that the command reported it checked \
         that {rule} met the test part. The command was given the test images after that choice and without labels; its \
         probabilities were scored here.",
        shown(command)
    )
}

/// What does not hold that holds for augtrial's own trainer.
pub(super) fn lapsed(command: &Command) -> String {
    let online = match command.online {
        Some(OnlineBy::Augtrial) => {
            "The pixels of every training pass, online transforms included, came from augtrial, drawn from the trial's streams."
        }
        Some(OnlineBy::Trainer) => {
            "The command applied the online transforms: whether it did as declared, and with which random numbers, is not \
             checked, so arms of one seed may not share them."
        }
        None => "No arm has an online transform.",
    };
    format!(
        "Trained by a command, `{}`. Not checked, since they are the command's own: equal initial weights and order of images for \
         the arms of one seed (it was given seeds for both), equal bits in a second run, and what it reported of training and \
         validation. {online} Where arms of a seed share less, pairing removes less noise and intervals are wider; they are \
         not wrong.",
        shown(command)
    )
}

fn shown(command: &Command) -> String {
    text::reason(&command.shown()).replace('`', "'")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn plan(online: &str) -> Plan {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1, 2]\n[dataset.synthetic]\nimages = 60\n[classifier]\nbudget = {{ updates = 40 }}\n\
             [classifier.command]\nrun = [\"python\", \"train.py\"]\n{online}\n[[arm]]\nname = \"c\"\nrole = \"control\"\n"
        );
        Plan::parse("test", &text, PathBuf::new(), &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_methods_name_the_command_and_not_a_network_that_was_never_trained() {
        let plan = plan("");
        let text = training(&plan, plan.classifier.command.as_ref().unwrap());
        assert!(
            text.contains("`python train.py`") && text.contains("40 optimizer updates") && text.contains("2 seeds"),
            "{text}"
        );
        assert!(!text.contains("ResNet"), "{text}");
    }

    #[test]
    fn what_lapses_depends_on_who_applies_online_transforms() {
        let told = |online: &str| lapsed(plan(online).classifier.command.as_ref().unwrap());
        assert!(told("online = \"trainer\"").contains("whether it did as declared"));
        assert!(told("online = \"augtrial\"").contains("came from augtrial"));
        assert!(told("").contains("equal bits in a second run"));
    }
}
