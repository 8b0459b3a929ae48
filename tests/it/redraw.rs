//! Studies that draw anew for every seed, test on folds, or are judged on further sets, run to their comparison.

use serde_json::Value;

use crate::lab::{Lab, TINY};

fn compared(lab: &Lab) -> Value {
    serde_json::from_str(&lab.run(&["compare", "tiny", "--json"])).unwrap()
}

#[test]
fn a_redrawn_study_is_judged_for_new_images_and_cached_like_any_other() {
    let lab = Lab::new(&TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3]\nredraw = [\"split\", \"sets\"]"));
    lab.run(&["run", "experiment.toml", "-q"]);
    let document = compared(&lab);
    let share = document["test_share"].as_f64().unwrap();
    assert!((0.25..0.5).contains(&share), "14 of 72 images are tested, 43 trained on: {share}");
    let contrast = &document["contrasts"][0];
    assert_eq!((&contrast["scope"], &contrast["test_set"]), (&Value::from("new-images"), &Value::Null));
    assert!(contrast["statistics"]["test_share"].as_f64().is_some() && contrast["new_images"]["p"].as_f64().is_some());
    let trials = || std::fs::read_dir(lab.path("runs/trials")).unwrap().count();
    assert_eq!(trials(), 6);
    lab.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(trials(), 6, "nothing is done twice");
    let sets = std::fs::read_dir(lab.path("runs/sets")).unwrap().count();
    assert!(sets >= 3, "one a seed: {sets}");
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    for part in ["Every seed has a division of its own", "Nadeau and Bengio 2003", "Divisions of it were drawn anew"] {
        assert!(report.contains(part), "{part}:\n{report}");
    }
}

#[test]
fn folds_and_evaluation_sets_are_run_and_reported() {
    let folds = TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3]").replace(
        "[split.stratified]\nvalidation = 0.2\ntest = 0.2",
        "[split.folds]\nk = 3\n\n[[evaluation]]\nname = \"noise\"\nfrom = { corrupted = { apply = [{ gaussian_noise = {} }] } }",
    );
    let lab = Lab::new(&folds);
    lab.run(&["run", "experiment.toml", "-q"]);
    let document = compared(&lab);
    assert!(document["test_share"].as_f64().unwrap() > 0.5, "a third is tested");
    let noise = &document["evaluations"][0];
    assert_eq!((&noise["name"], &noise["images"]), (&Value::from("noise"), &Value::from(24)));
    assert_eq!(noise["arms"][0]["values"].as_array().unwrap().len(), 3);
    assert_eq!(document["other_metrics"].as_array().unwrap().len(), 6);
    let text = lab.run(&["compare", "tiny", "--full"]);
    for part in ["Other metrics", "On the evaluation set noise, 24 images", "log loss"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    assert!(report.contains("Evaluation sets") && report.contains("Other metrics"), "{report}");
    lab.run(&["runs", "verify"]);
}
