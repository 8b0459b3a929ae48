//! `features` of an arm, and mixing inside the network: where they can be, and where they cannot.

use super::arm::Arm;
use super::classifier::Freeze;
use super::design::Mistake;
use super::file::ExperimentFile;
use super::transform::{Features, Mix};

/// Of a network from a file, values can be mixed after its trunk, and at its input.
const STAGES_OF_A_FILE: u32 = 1;

/// Everything about features and hidden values in a file's arms that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    file.arms.iter().enumerate().flat_map(|(index, arm)| of_arm(file, index, arm)).collect()
}

fn of_arm(file: &ExperimentFile, index: usize, arm: &Arm) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut report = |key: String, message: String, help: &str| {
        found.push(Mistake { path: format!("arm[{index}].{key}"), message, help: Some(help.to_owned()) });
    };
    let classifier = &file.classifier;
    let head_alone = classifier.freeze == Freeze::AllButHead;
    if let Some(features) = &arm.features {
        let key = || format!("features.{}", features.name());
        if !head_alone || classifier.command.is_some() {
            let message = "features are known before training only where the head alone is trained".to_owned();
            report(
                key(),
                message,
                "set `freeze = \"all-but-head\"` in [classifier], with `pretrained` weights, or leave `features` out",
            );
        }
        let changes = [
            ("classifier.transforms", !classifier.transforms.is_empty()),
            ("online", !arm.online.is_empty()),
            ("mix", arm.mix.is_some()),
            ("replace", arm.replace.is_some()),
        ];
        for (what, _) in changes.into_iter().filter(|(_, there)| *there) {
            let message =
                format!("with `{what}` images change from pass to pass, and their features are not computed once");
            report(key(), message, "use offline steps for the images, or leave one of the two out");
        }
        if matches!(features, Features::Smote(_)) && arm.balance.is_some() {
            let message = "`smote` brings the classes to one size itself".to_owned();
            report("balance".to_owned(), message, "leave one of `balance` and `smote` out");
        }
    }
    let deepest = arm.mix.as_ref().map_or(0, Mix::deepest_stage);
    let stages = classifier.row().map_or(STAGES_OF_A_FILE, |network| network.stages);
    if deepest > 0 && classifier.command.is_none() {
        if head_alone {
            let message = "with a frozen trunk no hidden value is computed in training".to_owned();
            report("mix".to_owned(), message, "use `mixup`, or `features`, or train the trunk too");
        }
        if deepest > stages {
            let name = classifier.row().map_or("a network from a file", |network| network.name);
            let message = format!("`{name}` has no stage {deepest} to mix after; its last is {stages}");
            report("mix".to_owned(), message, "choose smaller numbers in `stages`; 0 is the input");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::{Plan, PlanError};

    fn parse(classifier: &str, arm: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\n[classifier]\nbudget = {{ epochs = 1 }}\n{classifier}\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n{arm}"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    const FROZEN: &str = "pretrained = \"w\"\nfreeze = \"all-but-head\"";

    #[test]
    fn features_are_part_of_the_recipe_only_where_there_are_any() {
        let of = |features: &str| parse(FROZEN, features).unwrap();
        let plans = ["", "features = { smote = {} }", "features = { smote = { k = 3 } }"].map(of);
        assert!(!plans[0].to_toml().contains("features"));
        let digests: std::collections::BTreeSet<_> = plans.iter().map(|plan| plan.arms[0].recipe_digest()).collect();
        assert_eq!(digests.len(), 3);
    }

    #[test]
    fn features_that_cannot_be_known_are_refused_where_they_stand() {
        let smote = "features = { smote = {} }";
        for (classifier, arm, expected) in [
            ("", smote.to_owned(), "only where the head alone is trained"),
            (FROZEN, format!("{smote}\nonline = [{{ horizontal_flip = {{}} }}]"), "with `online` images change"),
            (FROZEN, format!("{smote}\nmix = {{ mixup = {{}} }}"), "with `mix` images change"),
            (FROZEN, format!("{smote}\nbalance = \"oversample\""), "`smote` brings the classes to one size itself"),
            (FROZEN, "features = { smote = { k = 0 } }".to_owned(), "`k` must lie between 1 and 1000, not 0"),
            (FROZEN, "features = { smotes = {} }".to_owned(), "did you mean `smote`?"),
        ] {
            let message = parse(classifier, &arm).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains('^'), "{expected} not in {message}");
        }
    }

    #[test]
    fn a_stage_that_the_network_lacks_is_refused_and_so_is_mixing_behind_a_frozen_trunk() {
        let mix =
            |stages: &str| format!("mix = {{ any_of = {{ of = [{{ manifold_mixup = {{ stages = {stages} }} }}] }} }}");
        assert!(parse("", &mix("[0, 4]")).is_ok());
        assert!(parse("architecture = \"efficientnet-lite0\"", &mix("[8]")).is_ok());
        for (classifier, stages, expected) in [
            ("", "[0, 5]", "`resnet18` has no stage 5 to mix after; its last is 4"),
            ("network = { torchscript = \"n\" }", "[2]", "`a network from a file` has no stage 2"),
            (FROZEN, "[1]", "with a frozen trunk no hidden value is computed"),
            ("", "[]", "`stages` needs at least one stage"),
        ] {
            let message = parse(classifier, &mix(stages)).unwrap_err().to_string();
            assert!(message.contains(expected), "{expected} not in {message}");
        }
        assert!(parse(FROZEN, &mix("[0]")).is_ok(), "at the input it is `mixup`");
    }
}
