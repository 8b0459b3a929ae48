//! What in `[tune]` makes no sense, and values that the keys cannot have.

use std::collections::BTreeSet;

use super::search::{Candidates, combinations};
use super::{MOST_TRIES, Stage, TRIES, Tune, assignment, first_problem};
use crate::arm::Arm;
use crate::check::slug_problem;
use crate::copies;
use crate::dataset::SplitRule;
use crate::file::{ExperimentFile, Redraw};
use crate::{MOST_SEEDS, Plan};

/// Keys of the classifier that may differ between arms: how it is trained, and not what is trained or for how long.
const OF_CLASSIFIER: [&str; 5] = ["optimizer", "schedule", "label_smoothing", "head_learning_rate", "command.settings"];
/// Keys of an arm that are its recipe.
const OF_ARM: [&str; 5] = ["repeat", "offline", "edit", "online", "mix"];

/// A mistake: where (`None`: at the key of `values` that is named, if one is), what, and a help.
pub(crate) struct Wrong {
    /// Below `tune`.
    pub at: &'static str,
    /// The key of `values`.
    pub key: Option<String>,
    pub message: String,
    pub help: Option<String>,
}

/// Everything in `[tune]` that has the right shape and makes no sense.
pub(crate) fn mistakes(file: &ExperimentFile) -> Vec<Wrong> {
    let Some(tune) = &file.tune else { return Vec::new() };
    let mut found = Vec::new();
    if tune.stage == Stage::Tries {
        return found;
    }
    let mut report = |at: &'static str, message: String, help: Option<&str>| {
        found.push(Wrong { at, key: None, message, help: help.map(str::to_owned) });
    };
    seeds(file, tune, &mut report);
    names(file, tune, &mut report);
    number(tune, &mut report);
    for (key, typed) in &tune.values {
        let mut report = |message: String, help: Option<String>| {
            found.push(Wrong { at: "values", key: Some(key.clone()), message, help });
        };
        if !may_be_tuned(key) {
            let keys = OF_CLASSIFIER.map(|key| format!("`classifier.{key}`")).join(", ");
            report(
                format!("`{key}` cannot be tuned"),
                Some(format!(
                    "tune keys of {keys}, or of an arm's recipe, e.g. `arm[1].online[0].rand_augment.magnitude`"
                )),
            );
        } else if key.starts_with("arm[") && file.arms.iter().any(|arm| copies::expanded(arm).len() > 1) {
            report(
                "keys of arms cannot be tuned beside an arm that lists its copies: arms would change their numbers"
                    .to_owned(),
                Some("write an arm for each number of copies".to_owned()),
            );
        } else if let Err(problem) = Candidates::of(typed) {
            report(problem.to_owned(), None);
        }
    }
    found
}

fn seeds(file: &ExperimentFile, tune: &Tune, report: &mut impl FnMut(&'static str, String, Option<&str>)) {
    let (seeds, studys) = (&tune.seeds, &file.study.seeds);
    if seeds.is_empty() || seeds.len() > MOST_SEEDS {
        report("seeds", format!("`seeds` must have 1 to {MOST_SEEDS} seeds"), None);
    }
    if seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() {
        report("seeds", "`seeds` has a seed twice; a repeated seed repeats the same trial".to_owned(), None);
    }
    if let Some(shared) = seeds.iter().find(|seed| studys.contains(seed)) {
        let help =
            "choose seeds that the study does not use: a value chosen by a seed's luck would meet the same luck again";
        report("seeds", format!("seed {shared} is a seed of the study too"), Some(help));
    }
    if file.study.redraw.contains(&Redraw::Split) || matches!(file.split, Some(SplitRule::Folds(_))) {
        let help = "leave `split` out of `redraw`, and folds out, or leave [tune] out";
        let message = "a study that divides its data anew for every seed cannot be tuned: tries would be chosen on images \
                       that are test images of the study";
        report("", message.to_owned(), Some(help));
    }
}

fn names(file: &ExperimentFile, tune: &Tune, report: &mut impl FnMut(&'static str, String, Option<&str>)) {
    let arms: Vec<Arm> = file.arms.iter().flat_map(copies::expanded).collect();
    let arms: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    if slug_problem(&format!("{}{TRIES}", file.study.name)).is_some() && slug_problem(&file.study.name).is_none() {
        report("", format!("the name of the study is too long for its tries, which are called NAME{TRIES}"), None);
    }
    let long =
        |arm: &&&str| slug_problem(arm).is_none() && slug_problem(&Plan::try_arm(arm, MOST_TRIES as u32)).is_some();
    if let Some(arm) = arms.iter().find(long) {
        report("", format!("the name of arm `{arm}` is too long for its tries, which are called NAME--try-N"), None);
    }
    let chosen: Vec<&str> = tune.chosen.keys().map(String::as_str).collect();
    let all = chosen.len() == arms.len() && arms.iter().all(|arm| chosen.contains(arm));
    match (tune.stage, tune.chosen.is_empty()) {
        (Stage::Tuned, _) if !all => {
            report("chosen", "`chosen` must name the try of every arm, and of nothing else".to_owned(), None);
        }
        (Stage::Declared, false) => {
            let help = "leave it out: `augtrial run` searches, and records what it chose";
            report("chosen", "`chosen` is written by the program".to_owned(), Some(help));
        }
        _ => {}
    }
}

fn number(tune: &Tune, report: &mut impl FnMut(&'static str, String, Option<&str>)) {
    if tune.values.is_empty() {
        report("values", "nothing is tried: name keys with what is tried for each".to_owned(), None);
    }
    let all: Vec<Candidates> = tune.values.values().filter_map(|typed| Candidates::of(typed).ok()).collect();
    if all.len() < tune.values.len() {
        return;
    }
    match (tune.tries, combinations(&all)) {
        (Some(tries), _) if !(1..=MOST_TRIES).contains(&(tries as usize)) => {
            report("tries", format!("`tries` must lie between 1 and {MOST_TRIES}, not {tries}"), None);
        }
        (None, None) => {
            report("", "a range needs `tries`: how many values are drawn from it for every arm".to_owned(), None);
        }
        (None, Some(n)) if n > MOST_TRIES => report(
            "values",
            format!("these lists have {n} combinations, and {MOST_TRIES} may be tried"),
            Some("say with `tries` how many of them are drawn at random"),
        ),
        (Some(_), _) | (None, Some(_)) => {}
    }
}

fn may_be_tuned(key: &str) -> bool {
    let below =
        |name: &str, top: &str| name == top || name.strip_prefix(top).is_some_and(|rest| rest.starts_with(['.', '[']));
    if let Some(rest) = key.strip_prefix("classifier.") {
        return OF_CLASSIFIER.iter().any(|top| below(rest, top));
    }
    let of_arm = key.strip_prefix("arm[").and_then(|rest| rest.split_once("]."));
    of_arm.is_some_and(|(index, rest)| index.parse::<usize>().is_ok() && OF_ARM.iter().any(|top| below(rest, top)))
}

/// Values that a key cannot have, each tried by itself in a plan that is sound without.
pub(crate) fn wrong_values(plan: &Plan) -> Vec<Wrong> {
    let Some(tune) = plan.tune.as_ref().filter(|tune| tune.stage == Stage::Declared) else { return Vec::new() };
    let text = Plan { tune: None, ..plan.clone() }.to_toml();
    let mut found = Vec::new();
    for (key, typed) in &tune.values {
        let Ok(candidates) = Candidates::of(typed) else { continue };
        let problem = candidates.examples().iter().find_map(|value| {
            let changed = assignment(key, value).and_then(|assignment| {
                Plan::parse("try", &text, plan.base.clone(), &[assignment]).map_err(|error| first_problem(&error))
            });
            changed.err().map(|problem| (value.to_string(), problem))
        });
        if let Some((value, problem)) = problem {
            let message = format!("{value} cannot be tried: {problem}");
            found.push(Wrong { at: "values", key: Some(key.clone()), message, help: None });
        }
    }
    found
}
