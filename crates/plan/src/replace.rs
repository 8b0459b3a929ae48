//! `replace` of an arm: derived images that stand in for originals at load time, so that the size of the training set and the
//! number of updates stay what they are without them (as in DA-Fusion, Trabucco et al. 2024).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Protocol;
use super::design::Mistake;
use super::file::ExperimentFile;
use augtrial_base::digest::Digest;

/// `replace = { p = 0.5, scope = "same-source" }`: at every draw of an original, one of the arm's derived images stands in for it
/// with probability `p`. The derived images are not in the training set beside that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Probability, above 0 and at most 1.
    pub p: f64,
    #[serde(default)]
    pub scope: ReplaceScope,
}

/// Which derived images may stand in for an original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplaceScope {
    /// Those made of it. An original of which none could be made is shown itself.
    #[default]
    SameSource,
    /// Those made of any original of its class.
    SameClass,
}

impl Replace {
    /// The name of its random streams: arms with equal rules draw alike.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value("replace-v1", self)
    }

    /// In words, behind "an image made of".
    #[must_use]
    pub fn whose(&self) -> &'static str {
        match self.scope {
            ReplaceScope::SameSource => "the same original",
            ReplaceScope::SameClass => "an original of the same class",
        }
    }
}

/// Everything in the rules of a file's arms that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (index, arm) in file.arms.iter().enumerate() {
        let Some(Replace { p, .. }) = arm.replace else { continue };
        let mut report = |key: &str, message: String, help: Option<&str>| {
            let path = format!("arm[{index}].replace{key}");
            found.push(Mistake { path, message, help: help.map(str::to_owned) });
        };
        if !(p > 0.0 && p <= 1.0) {
            report(".p", format!("`p` must be above 0 and at most 1, not {p}"), None);
        }
        if arm.offline.is_empty() && arm.edit.is_none() {
            let message = "the arm makes no images that could stand in for its originals".to_owned();
            report("", message, Some("add an [[arm.offline]] step or an [arm.edit], or leave `replace` out"));
        }
        if file.study.protocol == Protocol::AsPublished {
            let message = "under the as-published protocol derived images are in every part by themselves".to_owned();
            report("", message, Some("leave `replace` out, or use the leak-free protocol"));
        }
        if file.classifier.command.is_some() {
            let message = "a command is given the images of a training set once, so that none can stand in for another"
                .to_owned();
            report("", message, Some("leave `replace` out, or let augtrial train"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, PlanError};

    fn parse(study: &str, arm: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n{study}\n[dataset.synthetic]\n[classifier]\nbudget = {{ epochs = 1 }}\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n{arm}"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    const FLIP: &str = "[[arm.offline]]\napply = [{ horizontal_flip = {} }]";

    #[test]
    fn a_rule_is_part_of_the_recipe_only_where_there_is_one_and_makes_no_set_larger() {
        let of = |rule: &str| parse("", &format!("{rule}\n{FLIP}")).unwrap();
        let (without, with) = (of(""), of("replace = { p = 0.5 }"));
        assert!(!without.to_toml().contains("replace"));
        assert_eq!((without.arms[0].growth(), with.arms[0].growth()), (2, 1));
        assert_ne!(without.arms[0].recipe_digest(), with.arms[0].recipe_digest());
        assert_eq!(with.arms[0].replace, Some(Replace { p: 0.5, scope: ReplaceScope::SameSource }));
        assert_ne!(
            of("replace = { p = 0.5, scope = \"same-class\" }").arms[0].recipe_digest(),
            with.arms[0].recipe_digest()
        );
        assert_eq!(Plan::parse("s", &with.to_toml(), std::path::PathBuf::new(), &[]).unwrap().digest(), with.digest());
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused_where_it_stands() {
        for (study, arm, expected) in [
            ("", format!("replace = {{ p = 0.0 }}\n{FLIP}"), "`p` must be above 0 and at most 1, not 0"),
            ("", format!("replace = {{ p = nan }}\n{FLIP}"), "`p` must be above 0 and at most 1, not NaN"),
            ("", "replace = { p = 0.5 }".to_owned(), "the arm makes no images that could stand in"),
            (
                "protocol = \"as-published\"",
                format!("replace = {{ p = 0.5 }}\n{FLIP}"),
                "under the as-published protocol",
            ),
            ("", format!("replace = {{ p = 0.5, scope = \"same-sources\" }}\n{FLIP}"), "did you mean `same-source`?"),
            ("", format!("replace = {{}}\n{FLIP}"), "`replace` needs `p`"),
        ] {
            let message = parse(study, &arm).unwrap_err().to_string();
            assert!(message.contains(expected), "{expected} not in {message}");
        }
    }
}
