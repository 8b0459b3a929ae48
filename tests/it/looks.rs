//! A study that may be looked at early: planned with its boundaries, stopped or run on, and refused after the fact.

use serde_json::Value;

use crate::lab::{Lab, TINY};

/// By a metric that no two runs have alike.
fn study(looks: &str) -> String {
    let seeds = "seeds = [1, 2, 3, 4]\nprimary_metric = \"brier\"\ndelta = 0.01";
    format!("{}\n{looks}", TINY.replace("seeds = [1, 2]", seeds).replace("updates = 6", "updates = 2"))
}

const LOOKS: &str = "[sequential]\nlooks = [3, 4]\n";

fn compared(lab: &Lab) -> Value {
    serde_json::from_str(&lab.run(&["compare", "experiment.toml", "--json"])).unwrap()
}

#[test]
fn a_study_stops_at_the_look_that_answers_and_says_that_all_is_adjusted() {
    // A margin that any difference lies within: every contrast is answered at the first look, as equivalent.
    let wide = study(LOOKS).replace("delta = 0.01", "delta = 0.999");
    let lab = Lab::new(&wide);
    let plan = lab.run(&["plan", "experiment.toml"]);
    let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plan.contains("Looks at 3, 4 seeds"), "{plan}");
    let done = lab.run(&["run", "experiment.toml", "-q"]);
    let document = compared(&lab);
    let look = &document["look"];
    assert!(done.contains("6 trials trained, 0 reused, 0 failed"), "{done}\n{look}");
    assert_eq!((&look["number"], &document["contrasts"][0]["verdict"]), (&Value::from(1), &Value::from("equivalent")));
    assert_eq!(look["looks"], serde_json::json!([3, 4]));
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    for part in ["of 2 looks that were declared before", "Lan and DeMets 1983", "Jennison and Turnbull 2000"] {
        assert!(report.contains(part), "{part}:\n{report}");
    }
    let again = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(again.contains("0 trials trained"), "{again}");
}

#[test]
fn a_study_without_an_answer_runs_to_its_last_look_whose_p_is_larger_than_unadjusted() {
    // A margin that no difference of three runs is shown to lie within.
    let lab = Lab::new(&study(LOOKS).replace("delta = 0.01", "delta = 1e-9\nalpha = 1e-9"));
    let done = lab.run(&["run", "experiment.toml", "-q"]);
    let adjusted = compared(&lab);
    assert!(done.contains("8 trials trained, 0 reused, 0 failed"), "{done}");
    assert_eq!((&adjusted["look"]["number"], &adjusted["seeds"]), (&Value::from(2), &serde_json::json!([1, 2, 3, 4])));
    // The same runs under a plan without looks.
    lab.write("experiment.toml", study("").replace("delta = 0.01", "delta = 1e-9\nalpha = 1e-9"));
    lab.run(&["run", "experiment.toml", "-q"]);
    let plain = compared(&lab);
    let p = |document: &Value| document["contrasts"][0]["test_set"]["p"].as_f64().unwrap();
    assert!(p(&adjusted) > p(&plain), "{} and {}", p(&adjusted), p(&plain));
    assert_eq!(plain["look"], Value::Null);
}

#[test]
fn looks_cannot_be_declared_after_results_could_be_seen() {
    let lab = Lab::new(&study(""));
    lab.run(&["run", "experiment.toml", "--seeds", "1,2", "-q"]);
    lab.write("experiment.toml", study(LOOKS));
    let error = lab.fail(2, &["run", "experiment.toml", "-q"]);
    assert!(error.contains("declared before"), "{error}");
    let lab = Lab::new(&study("[sequential]\nlooks = [3, 5]\n"));
    let error = lab.fail(2, &["check", "experiment.toml"]);
    assert!(error.contains("the looks end at 5") && error.contains("looks = [3, 5]"), "{error}");
}
