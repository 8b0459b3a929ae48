//! `[arm.gate]`: a rule by which images that were made for an arm are left out of it, and the random gate, its null: as many left
//! out of every class, whichever they are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arm::{Arm, Role};
use super::copies;
use super::dataset::Protocol;
use super::design::Mistake;
use super::file::ExperimentFile;
use augtrial_base::words::nearest;

/// Side of the window of the structural similarity, px (Wang et al. 2004).
const LEAST_SSIM_PX: u32 = 7;

/// `[arm.gate]`: which of an arm's derived images it trains on. Every rule that is named must hold (docs/gates.md). Networks that
/// are asked were not trained on the image's source (`[cross_fit]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the file")]
pub struct Gate {
    /// The likeliest class of the image, as a network sees it, is its own.
    #[serde(skip_serializing_if = "is_false")]
    pub agreement: bool,
    /// Leaves out what is confidently taken for another class: the filter of ALIA (Dunlap et al. 2023).
    #[serde(skip_serializing_if = "is_false")]
    pub drop_mislabeled: bool,
    /// Leaves out what is confidently taken for its class and nearly unchanged, SSIM 0.95 or more: the other filter of ALIA.
    #[serde(skip_serializing_if = "is_false")]
    pub drop_too_easy: bool,
    /// Bounds of the probability of the image's own class, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Bounds>,
    /// Bounds of the mean absolute difference from the source, 8-bit levels, 0 to 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_levels: Option<Bounds>,
    /// Bounds of the structural similarity to the source, -1 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_ssim: Option<Bounds>,
    /// Bounds of the distance of features from the source's, in mean distances of a real image from its nearest one of its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_features: Option<Bounds>,
    /// Leaves out images at random, as many of every class as the gate of `like` does. No other rule beside it.
    #[serde(skip_serializing_if = "is_false")]
    pub random: bool,
    /// The arm whose gate the random one is the null of. It differs in the gate alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
}

/// `{ least = 0.1, most = 0.9 }`: what a measure must lie between, ends included; one may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Bounds {
    /// Whether a value lies within.
    #[must_use]
    pub fn hold(&self, value: f64) -> bool {
        self.least.is_none_or(|least| value >= least) && self.most.is_none_or(|most| value <= most)
    }
}

impl Gate {
    /// Whether a rule needs what a network sees. A random gate needs what its arm's does.
    #[must_use]
    pub fn asks_networks(&self) -> bool {
        self.agreement
            || self.drop_mislabeled
            || self.drop_too_easy
            || self.confidence.is_some()
            || self.change_features.is_some()
    }

    /// Every measure that has bounds: its key, its range and the bounds.
    fn bounds(&self) -> impl Iterator<Item = (&'static str, [f64; 2], Bounds)> {
        [
            ("confidence", [0.0, 1.0], self.confidence),
            ("change_levels", [0.0, 255.0], self.change_levels),
            ("change_ssim", [-1.0, 1.0], self.change_ssim),
            ("change_features", [0.0, f64::MAX], self.change_features),
        ]
        .into_iter()
        .filter_map(|(key, range, bounds)| Some((key, range, bounds?)))
    }

    fn has_rule(&self) -> bool {
        self.asks_networks() || self.change_levels.is_some() || self.change_ssim.is_some()
    }
}

/// The arm without what may differ between a gated arm and its null.
pub(super) fn but_for_gate(arm: &Arm) -> Arm {
    Arm { name: String::new(), role: Role::default(), declared: BTreeMap::new(), gate: None, ..arm.clone() }
}

/// Everything in the gates of a file's arms that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let mut found = Vec::new();
    let all: Vec<Arm> = file.arms.iter().flat_map(copies::expanded).collect();
    for (index, arm) in file.arms.iter().enumerate() {
        let Some(gate) = &arm.gate else { continue };
        let mut report = |key: &str, message: String, help: &str| {
            let path = format!("arm[{index}].gate{key}");
            found.push(Mistake { path, message, help: Some(help.to_owned()) });
        };
        rules(gate, &mut report);
        if arm.offline.is_empty() && arm.edit.is_none() {
            report(
                "",
                "the arm makes no images that a gate could leave out".to_owned(),
                "add an [[arm.offline]] step or an [arm.edit], or leave `gate` out; images of [arm.extra] pass no gate",
            );
        }
        if file.study.protocol == Protocol::AsPublished {
            report(
                "",
                "the as-published protocol divides images after they are made, so that no gate can judge them by their source"
                    .to_owned(),
                "leave `gate` out, or use the leak-free protocol",
            );
        }
        let ssim = gate.change_ssim.is_some() || gate.drop_too_easy;
        if ssim && file.ingest.width_px.min(file.ingest.height_px) < LEAST_SSIM_PX {
            report(
                "",
                format!("pictures with a side below {LEAST_SSIM_PX} px have no structural similarity"),
                "gate by `change_levels`, or raise `[ingest]` sizes",
            );
        }
        if file.tune.is_some() {
            report(
                "",
                "[tune] tries arms before anything is gated".to_owned(),
                "tune a study without gates, and take over what it chose as [arm.training]",
            );
        }
        if let (true, Some(like)) = (gate.random, &gate.like) {
            null(arm, like, &all, &mut report);
        }
    }
    found
}

/// Rules that are absent, out of their range or beside a random gate.
fn rules(gate: &Gate, report: &mut impl FnMut(&str, String, &str)) {
    match (gate.random, &gate.like, gate.has_rule()) {
        (false, None, false) => report(
            "",
            "the gate has no rule".to_owned(),
            "name one, e.g. `gate = { agreement = true }` or `gate = { change_levels = { least = 2.0 } }`; docs/gates.md has all",
        ),
        (true, None, _) => report(
            "",
            "a random gate needs `like`, the arm whose gate it is the null of".to_owned(),
            "e.g. `gate = { random = true, like = \"gated\" }`",
        ),
        (false, Some(_), _) => {
            report(".like", "`like` is for random gates".to_owned(), "add `random = true`, or leave `like` out");
        }
        (true, Some(_), true) => report(
            "",
            "a random gate has no other rule".to_owned(),
            "leave the other rules out: it leaves out as many as the gate of `like` does",
        ),
        _ => {}
    }
    for (key, [low, high], bounds) in gate.bounds() {
        let Bounds { least, most } = bounds;
        if least.is_none() && most.is_none() {
            report(&format!(".{key}"), format!("`{key}` has no bound"), "name `least`, `most` or both");
        }
        for (end, value) in [("least", least), ("most", most)] {
            if let Some(value) = value
                && !(low..=high).contains(&value)
            {
                let range =
                    if high == f64::MAX { format!("at least {low}") } else { format!("between {low} and {high}") };
                report(&format!(".{key}.{end}"), format!("`{end}` of `{key}` must be {range}, not {value}"), UNITS);
            }
        }
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            report(&format!(".{key}"), format!("`{key}` lets nothing through: {least} is above {most}"), UNITS);
        }
    }
}

const UNITS: &str = "docs/gates.md says what each measure is";

/// What is wrong with the arm that a random gate is the null of.
fn null(arm: &Arm, like: &str, all: &[Arm], report: &mut impl FnMut(&str, String, &str)) {
    let Some(other) = all.iter().find(|other| other.name == like) else {
        let names = all.iter().map(|arm| arm.name.as_str());
        let help = nearest(like, names.clone()).map_or_else(
            || format!("the arms are {}", names.collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        report(".like", format!("there is no arm named `{like}`"), &help);
        return;
    };
    match &other.gate {
        _ if other.name == arm.name => {
            report(".like", "an arm cannot be the null of itself".to_owned(), "name the arm with the rule");
        }
        None => report(
            ".like",
            format!("`{like}` has no gate, so that nothing says how many images to leave out"),
            "name an arm with a gate",
        ),
        Some(gate) if gate.random => report(
            ".like",
            format!("the gate of `{like}` is random itself"),
            "name the arm with the rule; two draws of one null differ in nothing but luck",
        ),
        Some(_) if but_for_gate(other) != but_for_gate(arm) => report(
            ".like",
            format!("`{like}` is made in another way than this arm, and a null differs in the gate alone"),
            "give both arms the same steps, edit, selection, repeats, online transforms, mixing and training",
        ),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::{Plan, PlanError};

    const STEP: &str = "[[arm.offline]]\napply = [{ invert = {} }]";

    fn parse(study: &str, arms: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n{study}\n[dataset.synthetic]\n[classifier]\nbudget = {{ epochs = 1 }}\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n{arms}"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    fn arm(name: &str, gate: &str) -> String {
        format!("[[arm]]\nname = \"{name}\"\n{gate}\n{STEP}\n")
    }

    #[test]
    fn a_gate_is_part_of_the_recipe_only_where_there_is_one() {
        let of = |gate: &str| parse("", &arm("a", gate)).unwrap();
        let (without, with) = (of(""), of("gate = { agreement = true, change_ssim = { most = 0.95 } }"));
        assert!(!without.to_toml().contains("gate"));
        assert_ne!(without.arms[1].recipe_digest(), with.arms[1].recipe_digest());
        let gate = with.arms[1].gate.as_ref().unwrap();
        assert!(gate.agreement && gate.change_ssim.unwrap().hold(0.95) && !gate.change_ssim.unwrap().hold(0.96));
        assert_eq!(Plan::parse("s", &with.to_toml(), std::path::PathBuf::new(), &[]).unwrap().digest(), with.digest());
    }

    #[test]
    fn a_random_gate_asks_the_networks_that_its_arm_asks() {
        let gate = "gate = { random = true, like = \"a\" }";
        let asks = |rule: &str| {
            let plan = parse("", &(arm("a", rule) + &arm("b", gate))).unwrap();
            (plan.asks_networks(&plan.arms[1]), plan.asks_networks(&plan.arms[2]))
        };
        assert_eq!(asks("gate = { agreement = true }"), (true, true));
        assert_eq!(asks("gate = { change_levels = { least = 3.0 } }"), (false, false));
    }

    #[test]
    fn a_gate_that_makes_no_sense_is_refused_where_it_stands() {
        let random = "gate = { random = true, like = \"a\" }";
        let gated = arm("a", "gate = { change_levels = { least = 1.0 } }");
        for (study, arms, expected) in [
            ("", arm("a", "gate = {}"), "the gate has no rule"),
            ("", arm("a", "gate = { random = true }"), "a random gate needs `like`"),
            ("", arm("a", "gate = { agreement = true, like = \"c\" }"), "`like` is for random gates"),
            (
                "",
                gated.clone() + &arm("b", "gate = { random = true, like = \"a\", agreement = true }"),
                "no other rule",
            ),
            ("", arm("a", "gate = { confidence = {} }"), "`confidence` has no bound"),
            (
                "",
                arm("a", "gate = { confidence = { most = 1.5 } }"),
                "`most` of `confidence` must be between 0 and 1, not 1.5",
            ),
            ("", arm("a", "gate = { change_levels = { least = nan } }"), "must be between 0 and 255, not NaN"),
            (
                "",
                arm("a", "gate = { change_ssim = { least = 0.9, most = 0.1 } }"),
                "lets nothing through: 0.9 is above 0.1",
            ),
            ("", arm("a", "gate = { agrement = true }"), "did you mean `agreement`?"),
            (
                "",
                "[[arm]]\nname = \"a\"\ngate = { agreement = true }\n".to_owned(),
                "no images that a gate could leave out",
            ),
            ("protocol = \"as-published\"", gated.clone(), "no gate can judge them by their source"),
            ("", gated.clone() + &arm("b", &random.replace("\"a\"", "\"aa\"")), "there is no arm named `aa`"),
            ("", gated.clone() + &arm("b", &random.replace("\"a\"", "\"c\"")), "`c` has no gate"),
            ("", arm("a", random), "an arm cannot be the null of itself"),
            ("", gated.clone() + &arm("b", random) + &arm("d", &random.replace("\"a\"", "\"b\"")), "is random itself"),
            ("", gated.clone() + &arm("b", &format!("{random}\nrepeat = 2")), "differs in the gate alone"),
            (
                "",
                format!("{gated}[tune]\nseeds = [9]\n[tune.values]\n\"classifier.label_smoothing\" = [0.0, 0.1]"),
                "[tune] tries arms before anything is gated",
            ),
        ] {
            let message = parse(study, &arms).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("s.toml:"), "{expected} not in {message}");
        }
        assert!(parse("", &(gated + &arm("b", random))).is_ok());
    }
}
