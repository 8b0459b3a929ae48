//! `kill -9` and a full disk: nothing is lost, nothing is doubled.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// One arm, so that the killed trial is the one looked at.
fn one_arm() -> String {
    TINY.replace("seeds = [1, 2]", "seeds = [1]").replace("updates = 6", "updates = 12")
}

/// Kills the process with SIGKILL as soon as `ready`, and says whether it was still at work.
pub fn kill_when(child: &mut Child, mut ready: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_mins(2);
    while child.try_wait().unwrap().is_none() {
        if ready() {
            child.kill().unwrap();
            return !child.wait().unwrap().success();
        }
        assert!(Instant::now() < deadline, "the moment to kill at never came");
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

pub fn any_line(folder: &Path, file: &str, part: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let mut files = entries.flatten().map(|entry| entry.path().join(file));
    files.any(|path| std::fs::read_to_string(path).is_ok_and(|lines| lines.contains(part)))
}

#[test]
fn a_study_killed_in_training_is_continued_to_the_same_bits() {
    let whole = Lab::new(&one_arm());
    whole.run(&["run", "experiment.toml", "-q"]);

    let killed = Lab::new(&one_arm());
    let mut child = killed.command(&["run", "experiment.toml", "-q"]).spawn().unwrap();
    let trials = killed.path("runs/trials");
    assert!(kill_when(&mut child, || any_line(&trials, "events.jsonl", "checkpointed")), "killed in the middle");
    assert!(killed.run(&["runs", "list"]).contains("lost"));
    let plan = killed.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("was interrupted"), "{plan}");

    killed.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(recorded(&killed), recorded(&whole));
    let attempts = killed.run(&["runs", "query", "select max(attempt) as most, sum(resumes) as resumed from runs"]);
    assert!(attempts.contains(" 1 ") || attempts.contains('1'), "{attempts}");
}

#[test]
fn a_study_killed_while_it_makes_a_set_continues_there() {
    let experiment = one_arm()
        .replace("copies = 1", "copies = 60")
        .replace("{ gaussian_noise = {} }", "{ gaussian_noise = {} }, { lab_scale = {} }, { rotation = {} }");
    let run = ["run", "experiment.toml", "-q", "--set", "classifier.budget={ updates = 2 }"];
    let whole = Lab::new(&experiment);
    whole.run(&run);

    let killed = Lab::new(&experiment);
    let mut child = killed.command(&run).spawn().unwrap();
    let sets = killed.path("runs/sets");
    assert!(kill_when(&mut child, || any_line(&sets, "done.jsonl", "digest")), "killed in the middle");
    assert!(
        !sets.read_dir().unwrap().flatten().any(|entry| entry.path().join("manifest.jsonl").exists()
            && !entry.file_name().to_string_lossy().ends_with(".partial")),
        "a set in the making is not taken for whole"
    );

    killed.run(&run);
    assert_eq!(killed.sets(), whole.sets());
    assert_eq!(recorded(&killed), recorded(&whole));
}

/// A limit on the size of files stands in for a full disk: writing beyond it fails alike.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_study_with_the_path_and_loses_nothing() {
    let whole = Lab::new(&one_arm());
    whole.run(&["run", "experiment.toml", "-q"]);

    let lab = Lab::new(&one_arm());
    let script =
        format!("trap '' XFSZ; ulimit -f 20000; exec '{}' run experiment.toml -q", env!("CARGO_BIN_EXE_augtrial"));
    let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(lab.path("")).output().unwrap();
    let errors = text(&output.stderr);
    assert!(!output.status.success(), "a checkpoint is larger than the limit");
    assert!(errors.contains("cannot write the checkpoint") && errors.contains("checkpoint.safetensors"), "{errors}");
    assert!(errors.contains("File too large") || errors.contains("No space"), "{errors}");

    lab.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(recorded(&lab), recorded(&whole));
}

#[test]
fn a_signal_leaves_a_resumable_state() {
    let lab = Lab::new(&one_arm().replace("updates = 12", "updates = 200"));
    let mut child = lab.command(&["run", "experiment.toml", "-q"]).spawn().unwrap();
    let trials = lab.path("runs/trials");
    let deadline = Instant::now() + Duration::from_mins(2);
    while !any_line(&trials, "events.jsonl", "prepared") {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("run the same command again"), "{}", text(&output.stderr));
    assert!(lab.run(&["plan", "experiment.toml"]).contains("was interrupted"));
}
