//! The record of a run: whole before it is called finished, checked afterwards, and no run's damage is another's.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::interruption::{any_line, kill_when};
use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

const RUN: [&str; 5] = ["run", "experiment.toml", "-q", "--checkpoint-every", "1epoch"];

/// One arm and one seed.
fn one_trial() -> String {
    TINY.split("[[arm.offline]]").next().unwrap().replace("seeds = [1, 2]", "seeds = [1]")
}

fn lab() -> Lab {
    Lab::new(&one_trial())
}

fn only_control(lab: &Lab) -> Output {
    lab.command(&RUN).args(["--arm", "control"]).output().unwrap()
}

fn run_folders(lab: &Lab) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(lab.path("runs/trials")).unwrap().map(|run| run.unwrap().path()).collect();
    folders.sort();
    folders
}

/// Every operation on disk of a run of one trial, in order, as the fault hook of debug builds counts them.
fn operations(lab: &Lab, fault: &str) -> (Output, Vec<String>) {
    let log = lab.path("operations");
    let fault = format!("{fault}:{}", log.display());
    let mut command = lab.command(&RUN);
    let output = command.args(["--arm", "control"]).env("AUGTRIAL_FAULT", fault).output().unwrap();
    let lines = fs::read_to_string(log).unwrap_or_default();
    (output, lines.lines().map(str::to_owned).collect())
}

/// Killed, or out of space, at each turn of a run's end: the next start finishes it to the same bits, with its weights.
#[test]
fn whatever_happens_at_a_runs_end_the_next_start_mends_it() {
    let counted = lab();
    let (output, all) = operations(&counted, "0:count");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = recorded(&counted);
    let place = |what: &str| {
        let found = all.iter().position(|line| line == what);
        found.unwrap_or_else(|| panic!("no operation `{what}` among {all:#?}")) + 1
    };
    let turns = ["write predictions.jsonl", "rename predictions.jsonl", "write done.json", "rename done.json"];
    for (what, kind) in turns.into_iter().map(|turn| (turn, "kill")).chain([
        ("remove checkpoint.safetensors", "kill"),
        ("remove checkpoint.safetensors", "eio"),
        ("write done.json", "enospc"),
        ("write weights.safetensors", "enospc"),
        ("write weights.safetensors", "kill"),
    ]) {
        let lab = lab();
        let (output, _) = operations(&lab, &format!("{}:{kind}", place(what)));
        // A checkpoint that cannot be removed is no reason to lose a result.
        let fails = (what, kind) != ("remove checkpoint.safetensors", "eio");
        assert_eq!(!output.status.success(), fails, "{kind} at {what}: {}", text(&output.stderr));
        let folder = run_folders(&lab).remove(0);
        if folder.join("done.json").exists() {
            assert!(folder.join("weights.safetensors").exists(), "{kind} at {what}: finished without weights");
        }
        let again = only_control(&lab);
        assert!(again.status.success(), "{kind} at {what}: {}", text(&again.stderr));
        assert_eq!(recorded(&lab), expected, "{kind} at {what}");
        assert_eq!(run_folders(&lab).len(), 1, "{kind} at {what}: no attempt is doubled");
        assert!(folder.join("weights.safetensors").exists(), "{kind} at {what}");
        assert!(!folder.join("checkpoint.safetensors").exists(), "{kind} at {what}");
        lab.run(&["runs", "verify"]);
    }
}

#[test]
fn a_run_that_an_older_program_left_without_its_weights_gets_them() {
    let lab = lab();
    let (output, all) = operations(&lab, "0:count");
    assert!(output.status.success());
    let place = all.iter().position(|line| line == "remove checkpoint.safetensors").unwrap() + 1;
    let killed = Lab::new(&one_trial());
    operations(&killed, &format!("{place}:kill"));
    let folder = run_folders(&killed).remove(0);
    let weights = folder.join("weights.safetensors");
    let expected = fs::read(&weights).unwrap();
    fs::remove_file(&weights).unwrap();
    // As the first edition recorded it: without the digests of its files.
    for name in ["header.json", "done.json"] {
        let mut value: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
        let fields = value.as_object_mut().unwrap();
        fields.remove("files");
        fields.remove("digest");
        if name == "header.json" {
            fields["format"] = 1.into();
        }
        fs::write(folder.join(name), value.to_string()).unwrap();
    }
    let again = only_control(&killed);
    assert!(text(&again.stdout).contains("0 trials trained, 1 reused"), "{}", text(&again.stderr));
    assert_eq!(fs::read(&weights).unwrap(), expected);
    assert!(!folder.join("checkpoint.safetensors").exists());
}

#[test]
fn a_damaged_checkpoint_costs_what_is_in_it_and_no_more() {
    let (undisturbed, killed) = (Lab::new(&one_trial().replace("updates = 6", "updates = 12")), lab());
    killed.write("experiment.toml", one_trial().replace("updates = 6", "updates = 12"));
    assert!(only_control(&undisturbed).status.success());
    let mut child = killed.command(&RUN).args(["--arm", "control"]).spawn().unwrap();
    let trials = killed.path("runs/trials");
    assert!(kill_when(&mut child, || any_line(&trials, "events.jsonl", "checkpointed")), "killed in the middle");
    let folder = run_folders(&killed).remove(0);
    // Its worker stops by itself, and may write a checkpoint until then.
    while fs::File::open(folder.join("lock")).unwrap().try_lock().is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    fs::write(folder.join("checkpoint.safetensors"), b"damaged").unwrap();
    let output = killed.command(&["run", "experiment.toml", "--arm", "control"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("is damaged") && text(&output.stderr).contains("the trial begins anew"));
    assert_eq!(recorded(&killed), recorded(&undisturbed));
    assert_eq!(run_folders(&killed).len(), 1, "it is the same attempt");
}

#[test]
fn a_damaged_record_is_set_aside_with_its_reason_and_every_command_goes_on() {
    let lab = lab();
    lab.run(&RUN);
    lab.run(&["report", "tiny", "--verify"]);
    let damaged = run_folders(&lab).remove(0);
    let predictions = fs::read_to_string(damaged.join("predictions.jsonl")).unwrap();
    let lines: Vec<_> = predictions.split_inclusive('\n').collect();
    fs::write(damaged.join("predictions.jsonl"), lines[..3].concat()).unwrap();
    let id = damaged.file_name().unwrap().to_str().unwrap().to_owned();

    let listed = lab.output(&["runs", "list"]);
    assert!(!text(&listed.stdout).contains(&id) && listed.status.success());
    let told = text(&listed.stderr);
    assert!(told.contains(&format!("run {id} is set aside")) && told.contains("predictions.jsonl has"), "{told}");
    assert!(lab.fail(5, &["runs", "show", &id]).contains("is set aside"));
    let verified = lab.output(&["runs", "verify"]);
    assert_eq!(verified.status.code(), Some(3));
    assert!(text(&verified.stdout).contains(&format!("run {id}: predictions.jsonl has")), "{}", text(&verified.stdout));
    assert!(lab.fail(3, &["report", "tiny", "--verify"]).contains("records of 1 run"));
    lab.run(&["runs", "reindex"]);
    lab.run(&["report", "tiny"]);
    fs::write(damaged.join("done.json"), b"{").unwrap();
    fs::write(damaged.join("header.json"), b"\0").unwrap();
    for command in [&["runs", "list"][..], &["runs", "reindex"], &["compare", "tiny"], &["report", "tiny"]] {
        lab.run(command);
    }
    let again = lab.run(&RUN);
    assert!(again.contains("1 trial trained, 1 reused"), "the trial is run again: {again}");
    assert_eq!(run_folders(&lab).len(), 3);
}

#[test]
fn a_weights_file_that_was_changed_is_found_by_verify() {
    let lab = lab();
    assert!(only_control(&lab).status.success());
    let weights = run_folders(&lab)[0].join("weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let output = lab.output(&["runs", "verify"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("weights.safetensors was changed"), "{}", text(&output.stdout));
}
