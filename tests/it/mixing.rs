//! Arms that mix batches, make features or balance classes: through the whole program, and replayed to the bit.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::lab::{Lab, TINY};

/// The tiny study with these arms beside its control.
fn study(arms: &str) -> String {
    let (before, _) = TINY.split_once("[[arm]]\nname = \"flipped\"").unwrap();
    format!("{}{arms}", before.replace("seeds = [1, 2]", "seeds = [1]"))
}

/// Runs the study, replays every run of it, and gives the plan and the report.
fn run_and_replay(lab: &Lab, file: &str, name: &str) -> (Value, String) {
    let plan = serde_json::from_str(&lab.run(&["plan", file, "-q", "--json"])).unwrap();
    lab.run(&["run", file, "-q"]);
    let runs: Value = serde_json::from_str(&lab.run(&["runs", "list", "--study", name, "--json"])).unwrap();
    for run in runs.as_array().unwrap() {
        let (id, arm) = (run["run"].as_str().unwrap(), &run["arm"]);
        let told = lab.run(&["replay", id, "-q"]);
        assert!(told.contains("\nidentical: "), "{arm}: {told}");
    }
    (plan, fs::read_to_string(lab.path(&format!("reports/{name}/report.md"))).unwrap())
}

fn training_images(plan: &Value, arm: &str) -> u64 {
    let arms = plan["arms"].as_array().unwrap();
    arms.iter().find(|found| found["name"] == arm).unwrap()["training_images"].as_u64().unwrap()
}

#[test]
fn arms_that_mix_batches_are_run_and_replayed_to_the_bit() {
    let ways = [
        ("mixup", "{ mixup = { alpha = 0.2 } }"),
        ("ricap", "{ ricap = {} }"),
        ("mosaic", "{ mosaic = {} }"),
        ("pairing", "{ sample_pairing = {} }"),
        ("hidden", "{ manifold_mixup = { stages = [0, 1, 3] } }"),
        ("any", "{ any_of = { of = [{ mixup = {} }, { cutmix = {} }], each = \"element\" } }"),
    ];
    let arms = ways.map(|(name, mix)| format!("\n[[arm]]\nname = \"{name}\"\nmix = {mix}\n"));
    let lab = Lab::new(&study(&arms.concat()));
    let (plan, report) = run_and_replay(&lab, "experiment.toml", "tiny");
    for (name, _) in ways {
        assert_eq!(training_images(&plan, name), training_images(&plan, "control"), "{name} mixes what is there");
    }
    let cited = ["Zhang", "Yun", "Takahashi", "Verma", "Inoue"];
    assert!(cited.iter().all(|author| report.contains(author)), "{report}");
    // No two ways leave the same weights.
    let weights: BTreeSet<Vec<u8>> = lab.weights().iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(weights.len(), ways.len() + 1);
}

#[test]
fn classes_are_balanced_by_drawing_by_repeats_or_by_copies() {
    let copies = "[[arm.offline]]\ncopies = 3\napply = [{ horizontal_flip = { p = 1.0 } }, { gaussian_noise = {} }]\n";
    let arms = [("sampler", ""), ("oversample", ""), ("copies", copies)]
        .map(|(balance, more)| format!("\n[[arm]]\nname = \"{balance}\"\nbalance = \"{balance}\"\n{more}"));
    let lab = Lab::new(&study(&arms.concat()));
    let (plan, _) = run_and_replay(&lab, "experiment.toml", "tiny");
    let classes: Vec<u64> = serde_json::from_value(plan["parts"]["train"].clone()).unwrap();
    let (most, all) = (classes.iter().max().unwrap(), classes.iter().sum::<u64>());
    assert!(all < most * classes.len() as u64, "the classes differ in size");
    assert_eq!(training_images(&plan, "sampler"), all);
    assert_eq!(training_images(&plan, "oversample"), most * classes.len() as u64);
    // Three copies of each image are all there are.
    assert_eq!(training_images(&plan, "copies"), classes.iter().map(|count| (4 * count).min(*most)).sum::<u64>());
}

#[test]
fn features_are_made_for_a_head_and_the_runs_are_replayed_to_the_bit() {
    let lab = Lab::new(&study(""));
    lab.run(&["run", "experiment.toml", "-q"]);
    fs::copy(&lab.weights()[0], lab.path("start.safetensors")).unwrap();
    let ways = [("smote", "{ smote = { k = 2 } }"), ("between", "{ interpolation = {} }"), ("noise", "{ noise = {} }")];
    let arms = ways.map(|(name, features)| format!("\n[[arm]]\nname = \"{name}\"\nfeatures = {features}\n"));
    let frozen = study(&arms.concat()).replace("\"tiny\"", "\"heads\"").replace(
        "batch_size = 16",
        "batch_size = 16\npretrained = \"start.safetensors\"\nfreeze = \"all-but-head\"\nhead_learning_rate = 0.05",
    );
    lab.write("heads.toml", &frozen);
    let (_, report) = run_and_replay(&lab, "heads.toml", "heads");
    for author in ["Chawla", "DeVries"] {
        assert!(report.contains(author), "{author}: {report}");
    }
}
