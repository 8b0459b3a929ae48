//! `augtrial replay`: the same bits from the record alone, and what it says when they are not the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use augtrial_base::digest::Digest;
use serde_json::Value;

use crate::lab::{Lab, TINY, text};

/// The exit code of a replay that differs.
const DIFFERENT: i32 = 6;

/// What a finished run leaves in `runs/`: of the arm that has a set and an online transform, two epochs.
static FINISHED: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let lab = Lab::new(TINY);
    lab.run(&["run", "experiment.toml", "-q", "--seeds", "1", "--arm", "flipped"]);
    lab.tree("runs")
});

/// A folder of its own with that run.
fn finished() -> Lab {
    let lab = Lab::new(TINY);
    for (name, content) in &*FINISHED {
        lab.write(&format!("runs/{name}"), content);
    }
    lab
}

fn run_folder(lab: &Lab) -> PathBuf {
    fs::read_dir(lab.path("runs/trials")).unwrap().next().unwrap().unwrap().path()
}

/// Replaces the value of `key` in the one line of the run's events that holds every one of `parts`.
fn tamper(lab: &Lab, parts: &[&str], key: &str, change: impl Fn(f64) -> f64) {
    let path = run_folder(lab).join("events.jsonl");
    let mut changed = 0;
    let lines = fs::read_to_string(&path).unwrap();
    let lines = lines.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if parts.iter().all(|part| line.contains(part)) {
            let value = &mut event["metrics"][key];
            *value = change(value.as_f64().unwrap()).into();
            changed += 1;
        }
        event.to_string() + "\n"
    });
    let lines: String = lines.collect();
    assert_eq!(changed, 1, "one event is meant");
    fs::write(path, lines).unwrap();
    reseal(&run_folder(lab));
}

/// Writes the digests of a record anew, as somebody does who changes it and knows how.
fn reseal(folder: &Path) {
    let path = folder.join("done.json");
    let mut done: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let fields = done.as_object_mut().unwrap();
    fields.remove("digest");
    for (name, mark) in fields["files"].as_object_mut().unwrap() {
        let bytes = fs::read(folder.join(name)).unwrap();
        *mark = serde_json::json!({ "bytes": bytes.len(), "digest": Digest::of_bytes(&bytes).to_string() });
    }
    let digest = Digest::of_value("done-v1", fields);
    fields.insert("digest".to_owned(), digest.to_string().into());
    fs::write(path, done.to_string()).unwrap();
}

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    serde_json::from_str(&text(&lab.output(arguments).stdout)).unwrap()
}

#[test]
fn a_replay_gives_the_recorded_bits_and_leaves_the_record_alone() {
    let lab = finished();
    let before = (lab.tree("runs/trials"), lab.sets(), lab.run(&["runs", "list"]));
    let told = lab.run(&["replay", "latest", "-q"]);
    assert!(told.contains("replayed: 2 of 2 epochs, threads: 1") && told.contains("\nidentical: "), "{told}");
    assert_eq!((lab.tree("runs/trials"), lab.sets(), lab.run(&["runs", "list"])), before);
    let left = fs::read_dir(lab.path("runs")).unwrap().flatten().map(|entry| entry.file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("replay")), "the scratch folder is gone");

    let id = run_folder(&lab).file_name().unwrap().to_str().unwrap().to_owned();
    let part = json(&lab, &["replay", &id[..6], "--epochs", "1", "--json", "-q"]);
    assert_eq!((&part["grade"], &part["run"]), (&"identical".into(), &id.as_str().into()), "{part}");
    assert_eq!((&part["replayed_epochs"], &part["recorded_epochs"]), (&1.into(), &2.into()));
    assert_eq!(part["surroundings"], Value::Array(Vec::new()), "the same machine and program");
    let checks = part["checks"].as_array().unwrap();
    assert!(
        checks.iter().any(|check| check["quantity"] == "validation loss" && check["place"]["epoch"] == 1),
        "{part}"
    );
    assert!(checks.iter().all(|check| check["equal"] == true && check["place"] != "end"), "{part}");
}

#[test]
fn a_changed_record_is_named_by_epoch_and_quantity() {
    let lab = finished();
    let events = run_folder(&lab).join("events.jsonl");
    let whole = fs::read_to_string(&events).unwrap();
    fs::write(&events, whole.replacen("\"loss_nats\":", "\"loss_nats\":1", 1)).unwrap();
    let errors = lab.fail(5, &["replay", "latest", "-q"]);
    assert!(errors.contains("is set aside, and counts for nothing: events.jsonl"), "{errors}");
    fs::write(&events, whole).unwrap();

    let train = ["\"epoch\":2,", "train"];
    tamper(&lab, &train, "loss_nats", |loss| loss + 1e-7);
    let told = lab.run(&["replay", "latest", "-q"]);
    assert!(told.contains("numerically close: bits first differ at epoch 2, in: train loss"), "{told}");
    assert!(told.contains("Tolerance: losses within 0.1 %"), "{told}");

    tamper(&lab, &train, "loss_nats", |loss| loss + 0.1);
    let output = lab.output(&["replay", "latest", "-q"]);
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(DIFFERENT), "{told}{errors}");
    assert!(told.contains("different: first at epoch 2, in: train loss"), "{told}");
    assert!(told.contains("Nothing that is recorded explains it"), "{told}");
    assert!(errors.contains("differs from its record, first at epoch 2, in: train loss"), "{errors}");
    let first = lab.run(&["replay", "latest", "-q", "--epochs", "1"]);
    assert!(first.contains("identical as far as it was replayed"), "the first epoch was left alone: {first}");

    tamper(&lab, &["\"epoch\":1,", "validation"], "top1", |top1| 1.0 - top1 / 2.0);
    let told = json(&lab, &["replay", "latest", "-q", "--json"]);
    let checks = told["checks"].as_array().unwrap();
    let first = checks.iter().find(|check| check["close"] == false).unwrap();
    assert_eq!((&first["place"]["epoch"], &first["quantity"]), (&1.into(), &"validation Top-1".into()), "{told}");

    fs::remove_file(run_folder(&lab).join("done.json")).unwrap();
    let errors = lab.fail(2, &["replay", "latest", "-q"]);
    assert!(errors.contains("is interrupted; only what has finished can be replayed"), "{errors}");
}

#[test]
fn another_number_of_threads_is_explained() {
    let lab = finished();
    let output = lab.output(&["replay", "latest", "--threads", "2"]);
    let (told, notes) = (text(&output.stdout), text(&output.stderr));
    assert!(notes.contains("threads: 1 then, 2 now: sums are split among threads: bits may differ"), "{notes}");
    assert!(told.contains("sums are split among threads: bits may differ"), "{told}");
    let differs = told.contains("\ndifferent: ") || told.contains("\nnumerically close: ");
    assert!(!differs || told.contains("The surroundings above explain other bits"), "{told}");
    assert_eq!(output.status.code(), Some(if told.contains("\ndifferent: ") { DIFFERENT } else { 0 }), "{told}{notes}");
}

#[test]
fn other_data_are_another_trial_and_are_not_trained_on() {
    let lab = Lab::new(&TINY.replace(
        "[dataset.synthetic]\nimages = 72\nwidth_px = 32\nheight_px = 32",
        "[dataset.folder]\npath = \"photos\"",
    ));
    lab.run(&["dataset", "render", "photos", "--images", "72", "--size", "32x32"]);
    lab.run(&["run", "experiment.toml", "-q", "--seeds", "1", "--arm", "control"]);
    // Of a class that keeps enough without it.
    let image = fs::read_dir(lab.path("photos/paper")).unwrap().flatten().next().unwrap().path();
    let moved = lab.path("away");
    fs::rename(&image, &moved).unwrap();
    let output = lab.output(&["replay", "latest", "-q"]);
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(DIFFERENT), "{told}{errors}");
    assert!(told.contains("cannot be the same trial: the data set is another"), "{told}");
    assert!(told.contains("replayed: 0 of 2 epochs") && told.contains("different: first before training"), "{told}");

    fs::rename(&moved, &image).unwrap();
    // From elsewhere, the recorded relative paths start from the folder that is named.
    fs::create_dir(lab.path("elsewhere")).unwrap();
    let mut command = lab.command(&["replay", "latest", "-q", "--epochs", "1", "--runs", "../runs", "--base", ".."]);
    let output = command.current_dir(lab.path("elsewhere")).output().unwrap();
    assert!(text(&output.stdout).contains("identical"), "{}{}", text(&output.stdout), text(&output.stderr));
}
