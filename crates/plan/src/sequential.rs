//! `[sequential]`: at which numbers of seeds a study may be looked at, declared before any result can be seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::SplitRule;
use super::design::Mistake;
use super::file::{ExperimentFile, Redraw};

/// Looks at most.
const MOST_LOOKS: usize = 50;
/// Seeds of the first look at least: fewer pairs are not judged.
const LEAST_SEEDS: u32 = 3;

/// `[sequential]`: looks at the results before all seeds are run. Intervals and p values are adjusted for them, and a run stops at
/// the look where every contrast has an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sequential {
    /// Numbers of seeds, rising, in the order of `study.seeds`; the last one is all of them.
    pub looks: Vec<u32>,
    #[serde(default)]
    pub spending: Spending,
}

/// How the level of significance is spent over the looks (Lan and DeMets 1983).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spending {
    /// Little early and nearly all at the end, like the boundaries of O'Brien and Fleming.
    #[default]
    ObrienFleming,
    /// About as much at each look, like the boundaries of Pocock.
    Pocock,
}

/// Everything in `[sequential]` that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let Some(sequential) = &file.sequential else { return Vec::new() };
    let mut found = Vec::new();
    let mut report = |at: &str, message: String, help: Option<&str>| {
        let path = if at.is_empty() { "sequential".to_owned() } else { format!("sequential.{at}") };
        found.push(Mistake { path, message, help: help.map(str::to_owned) });
    };
    let looks = &sequential.looks;
    if !(2..=MOST_LOOKS).contains(&looks.len()) {
        let help = "name the numbers of seeds, e.g. `looks = [4, 7, 10]`; with one look leave [sequential] out";
        report("looks", format!("`looks` must have 2 to {MOST_LOOKS} looks"), Some(help));
    }
    if looks.windows(2).any(|pair| pair[0] >= pair[1]) {
        report("looks", "`looks` must rise".to_owned(), None);
    }
    if looks.first().is_some_and(|first| *first < LEAST_SEEDS) {
        report("looks", format!("a look needs {LEAST_SEEDS} seeds: fewer pairs are not judged"), None);
    }
    let seeds = file.study.seeds.len();
    if looks.last().is_some_and(|last| *last as usize != seeds) {
        let help = "the last look is at all seeds of the study";
        report(
            "looks",
            format!("the looks end at {}, and the study has {seeds} seeds", looks[looks.len() - 1]),
            Some(help),
        );
    }
    if file.study.redraw.contains(&Redraw::Split) || matches!(file.split, Some(SplitRule::Folds(_))) {
        let message =
            "where the data are divided anew for every seed, runs share images, and no boundary of looks holds";
        report("", message.to_owned(), Some("leave [sequential] out, or draw the division once"));
    }
    if !file.factors.is_empty() {
        let message = "a design with factors is compared over all of its cells, which end at different looks";
        report("", message.to_owned(), Some("leave [sequential] out"));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::{Plan, PlanError};

    fn parse(study: &str, more: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1, 2, 3, 4, 5]\n{study}\n[dataset.synthetic]\n[classifier.budget]\nepochs = 1\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n[[arm]]\nname = \"t\"\nrepeat = 2\n{more}"
        );
        Plan::parse("s.toml", &text, PathBuf::new(), &[])
    }

    #[test]
    fn looks_are_read_back_and_a_plan_without_them_is_written_as_before() {
        let plan = parse("", "[sequential]\nlooks = [3, 5]\nspending = \"pocock\"\n").unwrap();
        let again = Plan::parse("again", &plan.to_toml(), PathBuf::new(), &[]).unwrap();
        assert_eq!((again.digest(), &again.sequential), (plan.digest(), &plan.sequential));
        assert!(!parse("", "").unwrap().to_toml().contains("sequential"));
    }

    #[test]
    fn looks_that_make_no_sense_are_refused_at_their_place() {
        for (study, looks, expected) in [
            ("", "looks = [5]", "`looks` must have 2 to 50 looks"),
            ("", "looks = [4, 4, 5]", "`looks` must rise"),
            ("", "looks = [2, 5]", "a look needs 3 seeds"),
            ("", "looks = [3, 6]", "the looks end at 6, and the study has 5 seeds"),
            ("redraw = [\"split\"]", "looks = [3, 5]", "no boundary of looks holds"),
        ] {
            let error = parse(study, &format!("[sequential]\n{looks}\n")).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("s.toml:1"), "{expected} not in {error}");
        }
        let factor = "[sequential]\nlooks = [3, 5]\n[[factor]]\nname = \"f\"\nlevels = [{ name = \"a\" }, { name = \"b\", counted = \"originals\" }]\n";
        assert!(parse("", factor).unwrap_err().to_string().contains("a design with factors"));
    }
}
