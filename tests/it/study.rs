//! Whole studies, from the experiment file to the report.

use crate::lab::{Lab, TINY};

/// Everything recorded that must be equal when the same file is run twice: no times, no paths.
const RESULTS: &str = "select arm, seed, trial_key, training_set, test_set, weights, test_top1, test_loss_nats, \
                       selected_epoch from runs order by arm, seed";
const METRICS: &str = "select r.arm, r.seed, e.epoch, e.split, e.loss_nats, e.top1, e.learning_rate, e.samples, e.updates \
                       from epochs e join runs r on r.id = e.run order by 1, 2, 3, 4";

/// Results and metrics as the registry has them.
pub fn recorded(lab: &Lab) -> String {
    lab.run(&["runs", "query", RESULTS]) + &lab.run(&["runs", "query", METRICS])
}

#[test]
fn a_study_runs_to_its_report_and_a_second_run_repeats_nothing() {
    let lab = Lab::new(TINY);
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("smallest reachable p") && plan.contains("to run"), "{plan}");

    let first = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(first.contains("4 trials trained, 0 reused, 0 failed"), "{first}");
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    assert!(report.to_lowercase().contains("synthetic"), "the report says what the images are");
    for arm in ["control", "flipped"] {
        assert!(report.contains(arm), "{arm} is in the report");
    }
    assert!(lab.tree("reports/tiny").iter().any(|(name, _)| name.contains("/figures/")));

    parts_are_kept(&lab);
    assert!(lab.run(&["runs", "verify"]).contains("ok: 4 runs"));
    let before = (recorded(&lab), lab.tree("reports/tiny"));
    let second = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(second.contains("0 trials trained, 4 reused, 0 failed"), "{second}");
    assert_eq!((recorded(&lab), lab.tree("reports/tiny")), before, "same record, same bytes of the report");
    lab.run(&["report", "tiny"]);
    assert_eq!(lab.tree("reports/tiny"), before.1, "the registry alone gives the same report");

    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("made before") && plan.contains("4 trials  finished"), "{plan}");
    assert!(plan.contains("training left: none"), "{plan}");
    let more = lab.run(&["plan", "experiment.toml", "--seeds", "+1"]);
    assert!(more.contains("from 4 past runs of this kind on this machine"), "{more}");
    let larger = lab.run(&["plan", "experiment.toml", "--set", "ingest.width_px=48"]);
    assert!(larger.contains("from 4 past runs on this machine, scaled by the input's area"), "{larger}");
    let otherwise = lab.run(&["plan", "experiment.toml", "--set", "classifier.precision=\"bf16\""]);
    assert!(otherwise.contains("from the network's operations"), "{otherwise}");
    let predictions: usize =
        lab.run(&["export", "predictions", "p.csv"]).split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert_eq!(std::fs::read_to_string(lab.path("p.csv")).unwrap().lines().count(), predictions + 1);
    let shown = lab.run(&["runs", "show", "latest"]);
    for row in ["waiting for data", "forward", "backward", "optimizer", "evaluation", "images/s", "peak memory"] {
        assert!(shown.contains(row), "{row} is in\n{shown}");
    }
    lab.run(&["export", "epochs", "epochs.parquet"]);
    lab.run(&["runs", "reindex"]);
    assert_eq!(recorded(&lab), before.0, "the index is rebuilt from the folders");
}

/// Every image of the data set stands in one part, and the test part is what the runs were tested on.
fn parts_are_kept(lab: &Lab) {
    let studies = lab.tree("runs/studies");
    let (_, bytes) = studies.iter().find(|(name, _)| name.ends_with("parts.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    assert_eq!(reader.headers().unwrap(), vec!["part", "class", "path", "image", "derived"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 72, "every image once");
    let mut test: Vec<String> = rows.iter().filter(|row| &row[0] == "test").map(|row| row[3].to_owned()).collect();
    let trials = lab.tree("runs/trials");
    let (_, predictions) = trials.iter().find(|(name, _)| name.ends_with("predictions.jsonl")).unwrap();
    let image =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["image"].as_str().unwrap().to_owned();
    let mut tested: Vec<String> = std::str::from_utf8(predictions).unwrap().lines().map(image).collect();
    test.sort();
    tested.sort();
    assert_eq!(test, tested);
}

#[test]
fn the_same_file_and_seed_twice_give_the_same_bits_and_an_arms_name_decides_nothing() {
    let (one, two) = (Lab::new(TINY), Lab::new(&TINY.replace("\"flipped\"", "\"mirrors\"")));
    for lab in [&one, &two] {
        lab.run(&["run", "experiment.toml", "-q", "--seeds", "1"]);
    }
    assert_eq!(recorded(&one), recorded(&two).replace("mirrors", "flipped"));
    assert_eq!(one.sets(), two.sets(), "the set's bytes are the same");
    let other = Lab::new(TINY);
    other.run(&["run", "experiment.toml", "-q", "--seeds", "3"]);
    assert_ne!(recorded(&one), recorded(&other), "another seed is another trial");
}

#[test]
fn a_bound_of_one_decoded_image_changes_no_bit_and_no_key() {
    let one_image = "ingest.cache_gb=1e-6"; // of 16 x 16 px: 768 bytes
    let (whole, bounded) = (Lab::new(TINY), Lab::new(TINY));
    whole.run(&["run", "experiment.toml", "-q"]);
    let plan = bounded.run(&["plan", "experiment.toml", "--set", one_image]);
    let kept = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(kept.contains("keeps the decoded pixels of 1 of 72 originals and 0 of 43 derived images"), "{plan}");
    bounded.run(&["run", "experiment.toml", "-q", "--set", one_image]);
    assert_eq!(recorded(&bounded), recorded(&whole));
    assert_eq!(bounded.sets(), whole.sets());
    let cached = |lab: &Lab| -> Vec<u64> {
        let files = lab.tree("runs/cache").into_iter().filter(|(name, _)| name.contains(".rgb8"));
        files.map(|(_, bytes)| bytes.len() as u64 / 768).collect()
    };
    assert_eq!((cached(&bounded), cached(&whole).len()), (vec![1], 2), "the originals, and one set");
    // The bound is no part of a trial.
    let again = whole.run(&["run", "experiment.toml", "-q", "--set", one_image]);
    assert!(again.contains("0 trials trained, 4 reused, 0 failed"), "{again}");
}

#[test]
fn arms_seeds_and_values_can_be_chosen_and_are_recorded() {
    let lab = Lab::new(TINY);
    let arguments = [
        "run",
        "experiment.toml",
        "-q",
        "--arm",
        "control",
        "--seeds",
        "7",
        "--set",
        "classifier.budget={ epochs = 1 }",
    ];
    let done = lab.run(&arguments);
    assert!(done.contains("1 trial trained"), "{done}");
    let shown = lab.run(&["runs", "show", "latest"]);
    assert!(shown.contains("classifier.budget={ epochs = 1 }"), "{shown}");
    let unknown = lab.fail(2, &["run", "experiment.toml", "--arm", "controll"]);
    assert!(unknown.contains("did you mean `control`?"), "{unknown}");
}

#[test]
fn as_published_is_marked_and_mixes_derived_images_into_the_test_part() {
    let lab = Lab::new(&TINY.replace("seeds = [1, 2]", "seeds = [1]\nprotocol = \"as-published\""));
    lab.run(&["run", "experiment.toml", "-q"]);
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    assert!(report.to_lowercase().contains("as-published"), "the report says so");
    let names: Vec<String> = lab.tree("runs/studies").into_iter().map(|(name, _)| name).collect();
    for arm in ["control", "flipped"] {
        assert!(names.iter().any(|name| name.ends_with(&format!("parts-{arm}.csv"))), "{names:?}");
    }
    let derived = lab.run(&["runs", "query", "select count(*) as n from predictions where derived = 1"]);
    assert!(derived.chars().any(|c| ('1'..='9').contains(&c)), "{derived}");
}

#[test]
fn a_diverging_trial_fails_with_its_reason_and_the_others_go_on() {
    let lab = Lab::new(
        &TINY.replace("seeds = [1, 2]", "seeds = [1]").replace("learning_rate = 0.01", "learning_rate = 1e30"),
    );
    let errors = lab.fail(4, &["run", "experiment.toml", "-q"]);
    assert!(errors.contains("is not finite in epoch") && errors.contains("2 of 2 trials have no result"), "{errors}");
    let again = lab.fail(4, &["run", "experiment.toml", "-q"]);
    assert!(again.contains("--retry-failed tries again"), "{again}");
    assert!(lab.run(&["runs", "list"]).contains("failed"));
}
