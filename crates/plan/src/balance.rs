//! `balance` of an arm: what is done about classes of different sizes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Protocol;
use super::design::Mistake;
use super::file::ExperimentFile;

/// What is done about classes of different sizes in the training set. Validation and test stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Every pass has as many images as ever and draws each with its class, each class equally often (with replacement, as PyTorch's
    /// `WeightedRandomSampler` with weights of one over the class's size).
    Sampler,
    /// Images of smaller classes are repeated until every class has as many as the largest (as imbalanced-learn's
    /// `RandomOverSampler`, but evenly: no image is repeated twice more often than another).
    Oversample,
    /// Derived images are added only where they are needed to bring a class to the size of the largest one's originals. As far as
    /// there are any: `copies` of the steps bounds them.
    Copies,
}

impl Balance {
    /// Images of each class, where there are so many `originals`, repeats included, and `derived` images of each.
    #[must_use]
    pub fn counts(self, originals: &[u64], derived: &[u64]) -> Vec<u64> {
        let both: Vec<u64> = originals.iter().zip(derived).map(|(o, d)| o.saturating_add(*d)).collect();
        let most = |counts: &[u64]| counts.iter().copied().max().unwrap_or(0);
        let has_any = |count: u64, wanted: u64| if count == 0 { 0 } else { wanted };
        match self {
            Self::Sampler => both,
            Self::Oversample => both.iter().map(|&count| has_any(count, most(&both))).collect(),
            Self::Copies => both.iter().map(|&count| count.min(most(originals))).collect(),
        }
    }
}

/// Everything in the balance of a file's arms that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (index, arm) in file.arms.iter().enumerate() {
        let Some(balance) = arm.balance else { continue };
        let mut report = |message: &str, help: &str| {
            let path = format!("arm[{index}].balance");
            found.push(Mistake { path, message: message.to_owned(), help: Some(help.to_owned()) });
        };
        if file.study.protocol == Protocol::AsPublished {
            let message =
                "under the as-published protocol derived images are divided among the parts, whatever their class";
            report(message, "leave `balance` out, or use the leak-free protocol");
        }
        if balance == Balance::Sampler && file.classifier.command.is_some() {
            let message = "a command orders the images of a pass itself, so nothing can be drawn by class for it";
            report(message, "use `balance = \"oversample\"`, or let augtrial train");
        }
        if balance == Balance::Copies && arm.offline.is_empty() && arm.edit.is_none() {
            let message = "the arm makes no images that could fill its smaller classes";
            report(message, "add an [[arm.offline]] step or an [arm.edit], or use `balance = \"oversample\"`");
        }
        if balance == Balance::Copies && arm.replace.is_some() {
            let message = "with `replace`, derived images stand in for originals and add to no class";
            report(message, "leave one of `balance` and `replace` out");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, PlanError};

    fn parse(study: &str, classifier: &str, arm: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n{study}\n[dataset.synthetic]\n[classifier]\nbudget = {{ epochs = 1 }}\n\
             {classifier}\n[[arm]]\nname = \"c\"\nrole = \"control\"\n{arm}"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    const FLIP: &str = "[[arm.offline]]\napply = [{ horizontal_flip = {} }]";

    #[test]
    fn balance_is_part_of_the_recipe_only_where_there_is_any() {
        let of = |balance: &str| parse("", "", &format!("{balance}\n{FLIP}")).unwrap();
        let plans = ["", "balance = \"sampler\"", "balance = \"oversample\"", "balance = \"copies\""].map(of);
        assert!(!plans[0].to_toml().contains("balance"));
        let digests: std::collections::BTreeSet<_> = plans.iter().map(|plan| plan.arms[0].recipe_digest()).collect();
        assert_eq!(digests.len(), 4);
        for plan in &plans {
            let again = Plan::parse("s", &plan.to_toml(), std::path::PathBuf::new(), &[]).unwrap();
            assert_eq!(again.digest(), plan.digest());
        }
    }

    #[test]
    fn sizes_of_classes_are_foreseen() {
        let (originals, derived) = ([10, 4, 0], [10, 4, 0]);
        assert_eq!(Balance::Sampler.counts(&originals, &derived), [20, 8, 0]);
        assert_eq!(Balance::Oversample.counts(&originals, &derived), [20, 20, 0]);
        assert_eq!(Balance::Copies.counts(&originals, &derived), [10, 8, 0]);
    }

    #[test]
    fn balance_that_makes_no_sense_is_refused_where_it_stands() {
        let command = "[classifier.command]\nrun = [\"t\"]";
        let published = "protocol = \"as-published\"";
        for (study, classifier, arm, expected) in [
            (published, "", "balance = \"oversample\"".to_owned(), "under the as-published protocol"),
            ("", command, "balance = \"sampler\"".to_owned(), "a command orders the images of a pass itself"),
            ("", "", "balance = \"copies\"".to_owned(), "the arm makes no images that could fill"),
            ("", "", format!("balance = \"copies\"\nreplace = {{ p = 0.5 }}\n{FLIP}"), "stand in for originals"),
            ("", "", "balance = \"oversampled\"".to_owned(), "did you mean `oversample`?"),
        ] {
            let message = parse(study, classifier, &arm).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains('^'), "{expected} not in {message}");
        }
    }
}
