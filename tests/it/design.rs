//! A design of two factors, from its plan to where its published difference comes from.

use serde_json::Value;

use crate::lab::{Lab, TINY};

/// Leakage and what is counted: four cells of two trainings each.
fn design() -> String {
    let study = TINY.replace("updates = 6", "updates = 3");
    format!(
        "{study}\n{}",
        r#"
[design]
published = { protocol = "as-published", images = "all" }

[[factor]]
name = "protocol"
title = "When images were augmented"
levels = [{ name = "leak-free" }, { name = "as-published", set = { "study.protocol" = "as-published" } }]

[[factor]]
name = "images"
levels = [{ name = "originals", counted = "originals" }, { name = "all" }]
"#
    )
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_design_is_planned_run_and_explained_and_what_only_counts_otherwise_is_trained_once() {
    let lab = Lab::new(&design());
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("2 factors, 4 of 4 cells") && plan.contains("16 trials in all"), "{plan}");
    assert!(plan.contains("leak-free--originals"), "{plan}");
    let one = lab.run(&["plan", "experiment.toml", "--factor", "protocol=leak-free", "--cell", "leak-free--all"]);
    assert!(
        one.contains("1 of 4 cells")
            && one.contains("4 trials in all, 4 distinct (equal trials are run once), 4 left to train"),
        "{one}"
    );

    // What a first sitting with some of the seeds recorded can be looked at, and put away.
    lab.run(&["run", "experiment.toml", "-q", "--seeds", "1"]);
    let sitting = lab.run(&["explain", "experiment.toml", "--seeds", "1"]);
    assert!(
        sitting.contains(
            "is not divided: of seeds that are complete in every cell, it needs at least 2 values, there is 1."
        ),
        "{sitting}"
    );
    let none = lab.fail(2, &["explain", "experiment.toml"]);
    assert!(none.contains("no cell of the design tiny has a result with seeds 1-2"), "{none}");
    assert!(lab.run(&["export", "records", "experiment.toml", "sitting.tar.zst"]).starts_with("wrote 4 runs"));
    let done = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(done.contains("4 trials trained, 4 reused, 0 failed"), "{done}");
    let again = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(again.contains("0 trials trained, 8 reused, 0 failed"), "{again}");

    let json: Value = serde_json::from_str(&lab.run(&["explain", "experiment.toml", "--json"])).unwrap();
    let names: Vec<&str> =
        json["cells"].as_array().unwrap().iter().map(|cell| cell["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["leak-free--originals", "leak-free--all", "as-published--originals", "as-published--all"]);
    let mean = |cell: usize, arm: usize| number(&json["cells"][cell]["arms"][arm]["mean"]["Ok"]);
    // Without derived images in the test part, all that is counted are originals.
    assert!((mean(0, 1) - mean(1, 1)).abs() < 1e-9);
    let contrast = &json["contrasts"][0];
    assert_eq!(contrast["complete"], serde_json::json!([1, 2]));
    let attribution = &contrast["attribution"]["Ok"];
    let shares: Vec<f64> =
        attribution["shares"].as_array().unwrap().iter().map(|share| number(&share["share"]["point"])).collect();
    assert_eq!(shares.len(), 2);
    let whole = number(&attribution["difference"]["point"]);
    assert!((shares.iter().sum::<f64>() - whole).abs() < 1e-12, "{shares:?} and {whole}");

    let told = lab.run(&["explain", "experiment.toml"]);
    for part in [
        "As published, flipped is",
        "protocol (as-published instead of leak-free):",
        "training noise varies",
        "tested on images of its own",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Some of the seeds have a page of their own.
    let page = lab.path("reports/tiny/explained/report.md");
    let before = std::fs::read(&page).unwrap();
    let of_some = lab.run(&["explain", "experiment.toml", "--seeds", "1"]);
    assert!(of_some.contains("page: reports/tiny/explained-"), "{of_some}");
    assert_eq!(std::fs::read(&page).unwrap(), before);
    // It says what its runs were made by: all of them, and in which some differ.
    let page = String::from_utf8(before).unwrap();
    for part in [
        "**runs**: 8",
        "**last run**: ",
        "**device**: cpu, ",
        r"**overrides**: study.seeds=\[1\] (4 runs); none (4 runs)",
        "**command 2**: ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Its records travel, and another machine goes on from them.
    lab.run(&["export", "records", "experiment.toml", "all.tar.zst"]);
    let elsewhere = Lab::new(&design());
    std::fs::copy(lab.path("all.tar.zst"), elsewhere.path("all.tar.zst")).unwrap();
    assert!(elsewhere.run(&["import", "all.tar.zst"]).starts_with("8 runs taken in, 0 here before"));
    assert_eq!(elsewhere.run(&["explain", "experiment.toml"]), told);
    // Some of its seeds can be looked at there, and its cells by name, though no run began under these plans.
    let some = elsewhere.run(&["explain", "experiment.toml", "--seeds", "2"]);
    assert!(some.contains("4 cells, 1 seed"), "{some}");
    assert!(elsewhere.run(&["compare", "tiny--leak-free"]).contains("2 seeds"));
    assert!(elsewhere.run(&["run", "experiment.toml", "-q"]).contains("0 trials trained, 8 reused, 0 failed"));
    assert!(elsewhere.run(&["runs", "verify"]).contains('8'));

    // A cell is a study like any other.
    assert!(lab.run(&["compare", "tiny--as-published"]).contains("As-published protocol"));
}

#[test]
fn a_file_without_factors_has_no_cells_to_choose_and_nothing_to_explain() {
    let lab = Lab::new(TINY);
    assert!(lab.fail(2, &["plan", "experiment.toml", "--cell", "any"]).contains("declares no factors"));
    assert!(lab.fail(2, &["explain", "experiment.toml"]).contains("declares no factors"));
    let lab = Lab::new(&design());
    assert!(
        lab.fail(2, &["plan", "experiment.toml", "--factor", "protocol=leaky"]).contains("leak-free, as-published")
    );
}
