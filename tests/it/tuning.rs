//! A study that is tuned first: the same tries for every arm, a choice by validation, the study with what was chosen.

use serde_json::Value;

use crate::lab::{Lab, TINY};

fn tuned() -> String {
    format!(
        "{}\n[tune]\nseeds = [101]\n[tune.values]\n\"classifier.optimizer.sgd.learning_rate\" = [0.001, 0.01, 0.02]\n",
        TINY.replace("updates = 6", "updates = 3")
    )
}

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    serde_json::from_str(&lab.run(arguments)).unwrap()
}

fn trials(lab: &Lab) -> usize {
    std::fs::read_dir(lab.path("runs/trials")).unwrap().count()
}

/// Recorded validation Top-1 of each of the tries of an arm, from the folders of their runs.
fn recorded(lab: &Lab, arm: &str) -> Vec<f64> {
    let of_try = |number: usize| {
        let runs =
            lab.run(&["runs", "list", "--study", "tiny--tries", "--arm", &format!("{arm}--try-{number}"), "--json"]);
        let runs: Value = serde_json::from_str(&runs).unwrap();
        runs[0]["validation_top1"].as_f64().unwrap_or_else(|| panic!("{runs}"))
    };
    (1..=3).map(of_try).collect()
}

#[test]
fn a_study_is_planned_searched_run_with_what_was_chosen_and_reported() {
    let lab = Lab::new(&tuned());
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("3 tries of every arm on 1 seed: 6 trials"), "{plan}");
    assert_eq!(json(&lab, &["plan", "experiment.toml", "--json"])["search"]["left"], 6);

    let done = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(done.contains("10 trials trained, 0 reused, 0 failed"), "{done}");
    let document = json(&lab, &["compare", "experiment.toml", "--json"]);
    let tuning = &document["tuning"];
    assert_eq!((tuning["seeds"].clone(), tuning["tries"].as_array().unwrap().len()), (serde_json::json!([101]), 3));
    for arm in tuning["arms"].as_array().unwrap() {
        let scores: Vec<f64> = arm["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect();
        // The list of runs has four digits.
        let recorded = recorded(&lab, arm["arm"].as_str().unwrap());
        let alike = scores.iter().zip(&recorded).all(|(score, recorded)| (score - recorded).abs() < 5.1e-5);
        assert!(alike, "the scores are those of the runs: {scores:?} and {recorded:?}");
        let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let first = scores.iter().position(|score| *score == best).unwrap() + 1;
        assert_eq!(arm["chosen"], first, "the best on validation, of equals the first");
        let curve = arm["expected_best"].as_array().unwrap();
        assert_eq!(curve.len(), 3);
        assert!((curve[2].as_f64().unwrap() - best).abs() < 1e-12);
        // The runs of the study were made with it.
        let rate = tuning["tries"][first - 1]["values"]["classifier.optimizer.sgd.learning_rate"].as_f64().unwrap();
        let runs = json(&lab, &["runs", "list", "--study", "tiny", "--arm", arm["arm"].as_str().unwrap(), "--json"]);
        let run = runs[0]["run"].as_str().unwrap();
        let text = std::fs::read_to_string(lab.path(&format!("runs/trials/{run}/plan.toml"))).unwrap();
        let plan = augtrial_plan::Plan::parse("plan", &text, std::path::PathBuf::new(), &[]).unwrap();
        let own = plan.arms.iter().find(|own| own.name == arm["arm"].as_str().unwrap()).unwrap();
        let augtrial_plan::classifier::Optimizer::Sgd(sgd) = plan.classifier_of(own).optimizer else { panic!() };
        assert_eq!(sgd.learning_rate, rate);
    }
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    for part in ["## Tuning", "Every arm had 3 tries", "unbiased estimator (Tang et al. 2020)", "Dodge et al. 2019"] {
        assert!(report.contains(part), "{part}:\n{report}");
    }
    assert!(lab.run(&["compare", "tiny"]).contains("Tuned before the study: 3 tries of every arm"));

    // Nothing is searched or run twice; more seeds do not search again.
    assert!(lab.run(&["run", "experiment.toml", "-q"]).contains("0 trials trained, 4 reused, 0 failed"));
    let more = lab.run(&["run", "experiment.toml", "--seeds", "+1", "-q"]);
    assert!(more.contains("2 trials trained, 4 reused, 0 failed"), "{more}");
    assert_eq!(trials(&lab), 12);
    lab.run(&["runs", "verify"]);
}

#[test]
fn what_an_arm_is_searched_for_alone_is_warned_of_and_seeds_of_the_study_are_refused() {
    let alone = tuned()
        .replace("\"classifier.optimizer.sgd.learning_rate\" = [0.001, 0.01, 0.02]", "\"arm[1].repeat\" = [1, 2]");
    let lab = Lab::new(&alone);
    let told = lab.run(&["check", "experiment.toml"]);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("`arm[1].repeat` is tuned for arm `flipped`, and nothing for its control"), "{told}");
    let lab = Lab::new(&tuned());
    assert!(!lab.run(&["check", "experiment.toml"]).contains("warning"), "a key of the classifier is searched for all");
    let lab = Lab::new(&tuned().replace("seeds = [101]", "seeds = [1]"));
    let error = lab.fail(2, &["check", "experiment.toml"]);
    assert!(error.contains("seed 1 is a seed of the study too") && error.contains("seeds = [1]"), "{error}");
}
