//! Gates, selections and their random nulls, from the plan to the sets' lineage and the report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::lab::{Lab, TINY};

/// Copies that are gated and copies of some originals, each beside its null; the networks that judge have three folds.
fn gated() -> String {
    const STEP: &str =
        "[[arm.offline]]\ncopies = 2\napply = [{ horizontal_flip = { p = 1.0 } }, { gaussian_noise = {} }]\n";
    let arm = |name: &str, rule: &str| format!("\n[[arm]]\nname = \"{name}\"\n{rule}\n{STEP}");
    let study = TINY
        .replace("seeds = [1, 2]", "seeds = [1]")
        .replace("images = 72", "images = 144")
        .replace("updates = 6", "updates = 12");
    let (study, _) = study.split_once("[[arm]]\nname = \"flipped\"").unwrap();
    study.to_owned()
        + "[cross_fit]\nfolds = 3\n"
        + &arm("copied", "")
        + &arm("gated", "gate = { agreement = true, change_levels = { least = 1.0 } }")
        + &arm("chance", "gate = { random = true, like = \"gated\" }")
        + &arm("late", "select = \"late-learned\"\nfraction = 0.5")
        + &arm("unsure", "select = \"low-confidence\"\nfraction = 0.5")
        + &arm("drawn", "select = \"random:unsure\"")
        + &arm("one", "select = \"class:glass\"")
}

/// The lines of the set of an arm behind its header, by the arm's digest in the plan.
fn set_of(lab: &Lab, arm: &str) -> Vec<Value> {
    let plan: Value = serde_json::from_str(&lab.run(&["plan", "experiment.toml", "--json", "-q"])).unwrap();
    let arms = plan["arms"].as_array().unwrap();
    let found = arms.iter().find(|found| found["name"] == arm).unwrap();
    let digest = found["sets"][0]["digest"].as_str().unwrap();
    let manifest = std::fs::read_to_string(lab.path(&format!("runs/sets/{digest}/manifest.jsonl"))).unwrap();
    manifest.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn by_class<'l>(lines: impl IntoIterator<Item = &'l Value>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line["class"].as_u64().unwrap()).or_default() += 1;
    }
    counts
}

fn sources(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().map(|line| line["lineage"]["source"].as_str().unwrap()).collect()
}

#[test]
fn gates_and_selections_leave_out_what_the_networks_say_and_their_nulls_as_much_by_chance() {
    let lab = Lab::new(&gated());
    let shown = lab.run(&["plan", "experiment.toml"]);
    for part in ["Cross-fitted first: 3 networks", "known when the networks that it asks are trained"] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    lab.run(&["run", "experiment.toml", "-q"]);

    let copied = set_of(&lab, "copied");
    let (gated, chance) = (set_of(&lab, "gated"), set_of(&lab, "chance"));
    let left_out = |lines: &[Value]| -> Vec<Value> {
        lines.iter().filter(|line| line.get("missing").is_some()).cloned().collect()
    };
    let (by_rule, by_chance) = (left_out(&gated), left_out(&chance));
    assert!(!by_rule.is_empty() && by_rule.len() < gated.len(), "{} of {}", by_rule.len(), gated.len());
    assert_eq!(by_class(&by_rule), by_class(&by_chance), "the null leaves out as many of every class");
    assert!(by_rule.iter().all(|line| line["missing"]["reason"].as_str().unwrap().starts_with("gated-")));
    assert!(by_rule.iter().any(|line| line["missing"]["detail"].as_str().unwrap().starts_with("taken for ")));
    assert!(by_chance.iter().all(|line| line["missing"]["reason"] == "gated-random"));
    assert_ne!(by_rule, by_chance);
    let digests = |lines: &[Value]| -> BTreeSet<String> {
        lines.iter().filter_map(|line| Some(line.get("digest")?.as_str()?.to_owned())).collect()
    };
    assert!(digests(&gated).is_subset(&digests(&copied)), "what passes is not changed");

    let (unsure, drawn, late, one) =
        (set_of(&lab, "unsure"), set_of(&lab, "drawn"), set_of(&lab, "late"), set_of(&lab, "one"));
    assert_eq!(by_class(&unsure), by_class(&drawn));
    assert_eq!(by_class(&unsure), by_class(&late));
    assert!(sources(&unsure) != sources(&drawn) && sources(&unsure).len() < sources(&copied).len());
    assert_eq!(by_class(&one).len(), 1);
    assert_eq!(by_class(&one).values().next(), by_class(&copied).get(by_class(&one).keys().next().unwrap()));

    // No network has seen a test image of the study, and every training image is held out of one.
    let tested = |study: &str| -> BTreeSet<String> {
        let runs: Value = serde_json::from_str(&lab.run(&["runs", "list", "--study", study, "--json"])).unwrap();
        let paths = runs.as_array().unwrap().iter().flat_map(|run| {
            let id = run["run"].as_str().unwrap();
            let lines = std::fs::read_to_string(lab.path(&format!("runs/trials/{id}/predictions.jsonl"))).unwrap();
            lines
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].to_string())
                .collect::<Vec<_>>()
        });
        paths.collect()
    };
    let (test, judged) = (tested("tiny"), tested("tiny--cross-fit"));
    assert!(test.is_disjoint(&judged));
    assert_eq!(judged.len(), sources(&copied).len());

    let again = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(again.contains("0 trials trained"), "{again}");
    lab.run(&["report", "tiny"]);
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    assert!(report.contains("Images that were made and that gates left out"), "{report}");
    assert!(!report.contains("it is not the arm that was declared"), "what a gate leaves out is declared:\n{report}");
    lab.run(&["report", "tiny", "--verify"]);
}

#[test]
fn quality_is_measured_by_cross_fitted_networks_where_all_seeds_share_a_division() {
    let lab = Lab::new(&gated());
    lab.run(&["run", "experiment.toml", "--arm", "control", "--arm", "gated", "-q"]);
    let json = lab.run(&["quality", "tiny", "--k", "2", "--permutations", "0", "--threads", "1", "--json", "-q"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["cross_fitted"], true);
    let rows = document["rows"].as_array().unwrap();
    let gated = rows.iter().find(|row| row["subject"]["arm"] == "gated" && row["part"] == "all").unwrap();
    assert_eq!(gated["values"]["agreement"], 1.0, "what its gate lets through agrees: {gated}");
}

#[test]
fn a_gated_run_is_replayed_and_what_its_networks_were_is_part_of_it() {
    let lab = Lab::new(&gated());
    lab.run(&["run", "experiment.toml", "--arm", "gated", "-q"]);
    let replayed = lab.run(&["replay", "latest", "-q"]);
    assert!(replayed.contains("\nidentical: "), "{replayed}");
    // Other folds: other networks, another set, another trial.
    lab.write("experiment.toml", gated().replace("folds = 3", "folds = 2"));
    let again = lab.run(&["run", "experiment.toml", "--arm", "gated", "-q"]);
    assert!(again.contains("3 trials trained"), "{again}");
    let error = {
        lab.write("experiment.toml", gated().replace("class:glass", "class:glas"));
        lab.fail(2, &["run", "experiment.toml", "--arm", "one", "-q"])
    };
    assert!(error.contains("`select` names the class `glas`") && error.contains("did you mean `glass`?"), "{error}");
}
