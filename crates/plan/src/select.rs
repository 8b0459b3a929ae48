//! `select` of an arm: the originals that get copies, instead of all of them; and a random selection of equally many of every
//! class, its null.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arm::Arm;
use super::copies;
use super::dataset::Protocol;
use super::design::Mistake;
use super::file::ExperimentFile;
use super::gate::but_for_gate;
use augtrial_base::words::nearest;

const LATE_LEARNED: &str = "late-learned";
const LOW_CONFIDENCE: &str = "low-confidence";
const CLASS: &str = "class:";
const RANDOM: &str = "random:";
/// What may stand there.
const KINDS: &str = "`late-learned`, `low-confidence`, `class:NAME` (several: `class:NAME,NAME`) or `random:ARM`";

/// Which originals of the training part an arm makes copies of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// Those that networks of the control learn last (docs/gates.md).
    LateLearned,
    /// Those whose class a network of the control that was not trained on them thinks least likely.
    LowConfidence,
    /// Those of these classes.
    Classes(Vec<String>),
    /// As many of every class as this arm selects, drawn at random: its null.
    Random(String),
}

impl Select {
    /// Whether it needs what cross-fitted networks say. A random one needs what its arm's does.
    #[must_use]
    pub fn asks_networks(&self) -> bool {
        matches!(self, Self::LateLearned | Self::LowConfidence)
    }

    /// The arm that a random selection is the null of.
    #[must_use]
    pub fn like(&self) -> Option<&str> {
        if let Self::Random(arm) = self { Some(arm) } else { None }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LateLearned => f.write_str(LATE_LEARNED),
            Self::LowConfidence => f.write_str(LOW_CONFIDENCE),
            Self::Classes(classes) => write!(f, "{CLASS}{}", classes.join(",")),
            Self::Random(arm) => write!(f, "{RANDOM}{arm}"),
        }
    }
}

impl FromStr for Select {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(classes) = text.strip_prefix(CLASS) {
            return Ok(Self::Classes(classes.split(',').map(|class| class.trim().to_owned()).collect()));
        }
        if let Some(arm) = text.strip_prefix(RANDOM) {
            return Ok(Self::Random(arm.trim().to_owned()));
        }
        match text {
            LATE_LEARNED => Ok(Self::LateLearned),
            LOW_CONFIDENCE => Ok(Self::LowConfidence),
            _ => {
                let shown: String = text.escape_debug().take(60).collect();
                let near = nearest(text, [LATE_LEARNED, LOW_CONFIDENCE]);
                let hint = near.map_or_else(|| format!("use {KINDS}"), |near| format!("did you mean `{near}`?"));
                Err(format!("`{shown}` selects nothing: {hint}"))
            }
        }
    }
}

impl Serialize for Select {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Select {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Select {
    fn schema_name() -> Cow<'static, str> {
        "Select".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which originals get copies: `late-learned`, `low-confidence`, `class:NAME,NAME`, or `random:ARM`, as \
                            many of every class as that arm selects.",
            "type": "string"
        })
    }
}

/// The arm without what may differ between an arm that selects and its null.
fn but_for_selection(arm: &Arm) -> Arm {
    let gate = arm.gate.clone();
    Arm { select: None, fraction: None, gate, ..but_for_gate(arm) }
}

/// Everything in the selections of a file's arms that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let mut found = Vec::new();
    let all: Vec<Arm> = file.arms.iter().flat_map(copies::expanded).collect();
    for (index, arm) in file.arms.iter().enumerate() {
        let mut report = |key: &str, message: String, help: &str| {
            found.push(Mistake { path: format!("arm[{index}].{key}"), message, help: Some(help.to_owned()) });
        };
        fraction(arm, &mut report);
        let Some(select) = &arm.select else { continue };
        if arm.offline.is_empty() && arm.edit.is_none() {
            report(
                "select",
                "the arm makes no copies of the originals that it selects".to_owned(),
                "add an [[arm.offline]] step or an [arm.edit], or leave `select` out",
            );
        }
        if file.study.protocol == Protocol::AsPublished {
            report(
                "select",
                "under the as-published protocol every image is augmented before it is divided".to_owned(),
                "leave `select` out, or use the leak-free protocol",
            );
        }
        if file.tune.is_some() {
            report(
                "select",
                "[tune] tries arms before anything is selected".to_owned(),
                "tune a study without selections, and take over what it chose as [arm.training]",
            );
        }
        match select {
            Select::Classes(classes) if classes.iter().any(String::is_empty) => {
                report(
                    "select",
                    "a class without a name is selected".to_owned(),
                    "e.g. `select = \"class:glass,metal\"`",
                );
            }
            Select::Random(like) => null(arm, like, &all, &mut report),
            _ => {}
        }
    }
    found
}

/// What is wrong with the share of an arm.
fn fraction(arm: &Arm, report: &mut impl FnMut(&str, String, &str)) {
    let ranked = arm.select.as_ref().is_some_and(Select::asks_networks);
    match (ranked, arm.fraction) {
        (true, None) => report(
            "select",
            "`select` needs `fraction`, the share of every class's originals that it takes".to_owned(),
            "e.g. `fraction = 0.5`",
        ),
        (true, Some(fraction)) if !(fraction > 0.0 && fraction < 1.0) => report(
            "fraction",
            format!("`fraction` must lie between 0 and 1, not {fraction}"),
            "to make copies of every original, leave `select` and `fraction` out",
        ),
        (false, Some(_)) => report(
            "fraction",
            "`fraction` is for `select = \"late-learned\"` and `select = \"low-confidence\"`".to_owned(),
            "leave it out, or select by one of them",
        ),
        _ => {}
    }
}

/// What is wrong with the arm that a random selection is the null of.
fn null(arm: &Arm, like: &str, all: &[Arm], report: &mut impl FnMut(&str, String, &str)) {
    let Some(other) = all.iter().find(|other| other.name == like) else {
        let names = all.iter().map(|arm| arm.name.as_str());
        let help = nearest(like, names.clone()).map_or_else(
            || format!("the arms are {}", names.collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        report("select", format!("there is no arm named `{like}`"), &help);
        return;
    };
    match &other.select {
        Some(select) if select.asks_networks() => {
            if but_for_selection(other) != but_for_selection(arm) {
                report(
                    "select",
                    format!("`{like}` is made in another way than this arm, and a null differs in the selection alone"),
                    "give both arms the same steps, edit, gate, repeats, online transforms, mixing and training",
                );
            }
        }
        Some(Select::Classes(_)) => report(
            "select",
            format!("`{like}` selects whole classes: as many of every class are the same originals"),
            "compare it with an arm that selects other classes, or none",
        ),
        _ => report(
            "select",
            format!("`{like}` selects nothing by a rule, so that nothing says how many originals to draw"),
            "name an arm with `select = \"late-learned\"` or `\"low-confidence\"`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, PlanError};

    fn parse(study: &str, arms: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n{study}\n[dataset.synthetic]\n[classifier]\nbudget = {{ epochs = 1 }}\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n{arms}"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    fn arm(name: &str, select: &str) -> String {
        format!("[[arm]]\nname = \"{name}\"\n{select}\n[[arm.offline]]\napply = [{{ invert = {{}} }}]\n")
    }

    #[test]
    fn a_selection_is_read_as_it_is_written_and_part_of_the_recipe_only_where_there_is_one() {
        for text in ["late-learned", "low-confidence", "class:glass,metal", "random:hard"] {
            assert_eq!(text.parse::<Select>().unwrap().to_string(), text);
        }
        assert_eq!("class:glass, metal".parse(), Ok(Select::Classes(vec!["glass".into(), "metal".into()])));
        let (without, with) =
            (parse("", &arm("a", "")).unwrap(), parse("", &arm("a", "select = \"class:x\"")).unwrap());
        assert!(!without.to_toml().contains("select") && !without.to_toml().contains("fraction"));
        assert_ne!(without.arms[1].recipe_digest(), with.arms[1].recipe_digest());
        let hard = arm("a", "select = \"low-confidence\"\nfraction = 0.5");
        let plan = parse("", &(hard + &arm("b", "select = \"random:a\""))).unwrap();
        assert!(plan.asks_networks(&plan.arms[1]) && plan.asks_networks(&plan.arms[2]));
        assert_eq!(Plan::parse("s", &plan.to_toml(), std::path::PathBuf::new(), &[]).unwrap().digest(), plan.digest());
    }

    #[test]
    fn a_selection_that_makes_no_sense_is_refused_where_it_stands() {
        let hard = arm("a", "select = \"low-confidence\"\nfraction = 0.5");
        for (study, arms, expected) in [
            ("", arm("a", "select = \"late-lerned\""), "did you mean `late-learned`?"),
            ("", arm("a", "select = \"late-learned\""), "`select` needs `fraction`"),
            ("", arm("a", "select = \"late-learned\"\nfraction = 1.0"), "`fraction` must lie between 0 and 1, not 1"),
            ("", arm("a", "fraction = 0.5"), "`fraction` is for `select"),
            ("", arm("a", "select = \"class:glass,\""), "a class without a name"),
            ("", "[[arm]]\nname = \"a\"\nselect = \"class:x\"\n".to_owned(), "makes no copies of the originals"),
            ("protocol = \"as-published\"", arm("a", "select = \"class:x\""), "augmented before it is divided"),
            ("", hard.clone() + &arm("b", "select = \"random:aa\""), "there is no arm named `aa`"),
            ("", hard.clone() + &arm("b", "select = \"random:c\""), "selects nothing by a rule"),
            ("", arm("a", "select = \"class:x\"") + &arm("b", "select = \"random:a\""), "selects whole classes"),
            ("", hard + &arm("b", "select = \"random:a\"\nrepeat = 2"), "differs in the selection alone"),
        ] {
            let message = parse(study, &arms).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("s.toml:"), "{expected} not in {message}");
        }
    }
}
