//! Factors, cells, and what is wrong with them.

use std::path::Path;

use super::*;
use crate::dataset::Protocol;

const DESIGN: &str = r#"
[study]
name = "why"
title = "Why?"
seeds = [1, 2]
[dataset.synthetic]
[classifier]
budget = { updates = 10 }
[[arm]]
name = "control"
role = "control"
[[arm]]
name = "copies"
repeat = 2
[design]
reference = { rate = "tuned" }
published = { protocol = "as-published", rate = "low", images = "all" }
[[factor]]
name = "protocol"
title = "Protocol"
levels = [{ name = "leak-free" }, { name = "as-published", set = { "study.protocol" = "as-published" } }]
[[factor]]
name = "rate"
levels = [
    { name = "low", set = { "classifier.optimizer" = { sgd = { learning_rate = 0.00001 } }, "arm[1].repeat" = 3 } },
    { name = "tuned" },
]
[[factor]]
name = "images"
levels = [{ name = "originals", counted = "originals" }, { name = "all" }]
"#;

/// [`DESIGN`] with one factor varied at a time, and a published cell of these levels.
fn one_at_a_time(published: &str) -> String {
    let text = DESIGN.replace("[design]", "[design]\nkind = \"one-at-a-time\"");
    text.replace("protocol = \"as-published\", rate = \"low\", images = \"all\"", published)
}

fn design(text: &str) -> Result<Option<Design>, PlanError> {
    Design::parse("why.toml", text, Path::new(""), &[])
}

#[test]
fn every_combination_of_levels_is_a_plan_of_its_own() {
    let design = design(DESIGN).unwrap().unwrap();
    let names: Vec<String> = design.cells.iter().map(|cell| design.cell_name(cell)).collect();
    assert_eq!(names[..3], ["leak-free--low--originals", "leak-free--low--all", "leak-free--tuned--originals"]);
    assert_eq!(names.len(), 8);
    assert_eq!(names[design.reference], "leak-free--tuned--originals");
    assert_eq!(names[design.published.unwrap()], "as-published--low--all");
    let published = &design.cells[design.published.unwrap()];
    assert_eq!(published.plan.study.protocol, Protocol::AsPublished);
    assert_eq!(published.plan.arms[1].repeat, 3);
    assert_eq!(published.plan.study.name, "why--as-published--low");
    let title = "Why? (Protocol: as-published, rate: low, images: all)";
    assert_eq!(design.cells[5].plan.study.title.as_deref(), design.cells[4].plan.study.title.as_deref());
    assert!(title.starts_with("Why?") && published.counted == Counted::All);
}

#[test]
fn cells_that_differ_in_what_counts_alone_share_a_plan() {
    let design = design(DESIGN).unwrap().unwrap();
    let plans = design.plans(&design.cells);
    assert_eq!(plans.len(), 4);
    assert_eq!(design.cells[0].plan, design.cells[1].plan);
    assert_ne!(design.cells[0].counted, design.cells[1].counted);
}

#[test]
fn one_factor_at_a_time_leaves_the_others_as_in_the_reference() {
    let design = design(&one_at_a_time("protocol = \"as-published\"")).unwrap().unwrap();
    let names: Vec<String> = design.cells.iter().map(|cell| design.cell_name(cell)).collect();
    let expected = [
        "leak-free--low--originals",
        "leak-free--tuned--originals",
        "leak-free--tuned--all",
        "as-published--tuned--originals",
    ];
    assert_eq!((names, design.published), (expected.map(str::to_owned).to_vec(), Some(3)));
    let error = self::design(&one_at_a_time("protocol = \"as-published\", rate = \"low\"")).unwrap_err().to_string();
    assert!(error.contains("differs from the reference in 2 factors") && error.contains("kind = \"full\""), "{error}");
}

#[test]
fn a_file_without_factors_is_no_design_and_its_plan_keeps_its_digest() {
    let plain = DESIGN.split("[design]").next().unwrap();
    assert_eq!(design(plain).unwrap(), None);
    let plan = |text: &str| Plan::parse("why.toml", text, "".into(), &[]).unwrap();
    assert_eq!(plan(plain).digest(), plan(DESIGN).digest());
}

#[test]
fn cells_are_chosen_by_name_or_by_levels() {
    let design = design(DESIGN).unwrap().unwrap();
    let choose = |names: &[&str], levels: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let levels: Vec<LevelChoice> = levels.iter().map(|level| level.parse().unwrap()).collect();
        design.choose(&names, &levels).map(|cells| cells.len())
    };
    assert_eq!(choose(&[], &[]), Ok(8));
    assert_eq!(choose(&["leak-free--low--all"], &[]), Ok(1));
    assert_eq!(choose(&[], &["rate=low", "images=all"]), Ok(2));
    assert_eq!(choose(&[], &["rat=low"]), Err("there is no factor `rat`; did you mean `rate`?".to_owned()));
    assert_eq!(choose(&[], &["rate=high"]), Err("there is no level `high`; one of low, tuned".to_owned()));
    assert!("rate".parse::<LevelChoice>().is_err());
}

#[test]
fn every_mistake_in_the_factors_is_told_at_its_place() {
    let wrong = |from: &str, to: &str| {
        let text = DESIGN.replacen(from, to, 1);
        assert_ne!(text, DESIGN);
        design(&text).unwrap_err().to_string()
    };
    let cases = [
        ("name = \"rate\"", "name = \"Rate\"", "`Rate` is not a name"),
        ("name = \"images\"", "name = \"rate\"", "there are two factors named `rate`"),
        ("{ name = \"tuned\" }", "{ name = \"low\" }", "`rate` has two levels named `low`"),
        (", { name = \"all\" }]", "]", "a factor needs at least two levels"),
        ("counted = \"originals\"", "counted = \"all\"", "sets the same as an earlier one"),
        ("{ rate = \"tuned\" }", "{ rat = \"tuned\" }", "there is no factor named `rat`"),
        ("{ rate = \"tuned\" }", "{ rate = \"high\" }", "its levels are low, tuned"),
        ("\"study.protocol\" =", "\"study.name\" =", "a level cannot set `study.name`"),
        (
            "\"study.protocol\" =",
            "\"study.seeds\" =",
            "a level cannot set `study.seeds`: cells are compared seed by seed",
        ),
        ("\"study.protocol\" =", "\"study.primary_metric\" =", "cells are compared by one metric"),
        ("{ name = \"tuned\" }", "{ name = \"t--d\" }", "`t--d` cannot be the name of a level"),
        ("\"study.protocol\" = \"as-published\"", "\"study.protocol\" = \"odd\"", "(cell as-published"),
        ("\"study.protocol\" = \"as-published\"", "\"study.protocl\" = 1", "did you mean `protocol`?"),
    ];
    for (from, to, expected) in cases {
        let error = wrong(from, to);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
