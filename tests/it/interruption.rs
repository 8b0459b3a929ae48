//! `kill -9`, other signals and a full disk: nothing is lost, nothing is doubled.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// One arm, so that the killed trial is the one looked at.
/// Long enough to be disturbed while it trains, on machines that do other things too.
fn one_arm() -> String {
    TINY.replace("seeds = [1, 2]", "seeds = [1]").replace("updates = 6", "updates = 60")
}

/// Exit code of a study that was stopped.
const INTERRUPTED: i32 = 4;
const RUN: [&str; 5] = ["run", "experiment.toml", "-q", "--checkpoint-every", "1epoch"];

/// What a run of [`one_arm`] that nobody disturbs records, and how long it takes.
static UNDISTURBED: LazyLock<(String, Duration)> = LazyLock::new(|| {
    let lab = Lab::new(&one_arm());
    let start = Instant::now();
    lab.run(&RUN);
    let took = start.elapsed();
    (recorded(&lab), took)
});

fn undisturbed() -> &'static str {
    &UNDISTURBED.0
}

/// Sends a signal to a process that has not been waited for.
fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The processes that a process has started.
pub fn children(process: u32) -> Vec<String> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

/// Kills the study with its workers by SIGKILL as soon as `ready`, and says whether it was still at work.
pub fn kill_when(child: &mut Child, mut ready: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_mins(2);
    while child.try_wait().unwrap().is_none() {
        if ready() {
            let mut all = children(child.id());
            all.push(child.id().to_string());
            // A worker may end by itself between the two lines.
            Command::new("kill").arg("-KILL").args(&all).stderr(Stdio::null()).status().unwrap();
            return !child.wait().unwrap().success();
        }
        assert!(Instant::now() < deadline, "the moment to kill at never came");
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// Waits for something while the process is at work.
pub fn wait_until(child: &mut Child, mut ready: impl FnMut(&Child) -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !ready(child) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the moment never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn any_line(folder: &Path, file: &str, part: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let mut files = entries.flatten().map(|entry| entry.path().join(file));
    files.any(|path| std::fs::read_to_string(path).is_ok_and(|lines| lines.contains(part)))
}

#[test]
fn a_study_killed_in_training_is_continued_to_the_same_bits() {
    let killed = Lab::new(&one_arm());
    let mut child = killed.command(&RUN).spawn().unwrap();
    let trials = killed.path("runs/trials");
    assert!(kill_when(&mut child, || any_line(&trials, "events.jsonl", "checkpointed")), "killed in the middle");
    // A killed process takes a moment to end, and holds its trial until then.
    let deadline = Instant::now() + Duration::from_mins(1);
    while !killed.run(&["runs", "list"]).contains("interrupted") {
        assert!(Instant::now() < deadline, "{}", killed.run(&["runs", "list"]));
        std::thread::sleep(Duration::from_millis(20));
    }
    let plan = killed.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("interrupted, to be continued"), "{plan}");

    killed.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(recorded(&killed), undisturbed());
    let attempts = killed.run(&["runs", "query", "select max(attempt) as most, sum(resumes) as resumed from runs"]);
    assert!(attempts.contains(" 1 ") || attempts.contains('1'), "{attempts}");
}

#[test]
fn a_trial_killed_before_its_first_checkpoint_begins_again_with_its_record() {
    let lab = Lab::new(&one_arm());
    let mut child = lab.command(&["run", "experiment.toml", "-q", "--checkpoint-every", "1000epochs"]).spawn().unwrap();
    let trials = lab.path("runs/trials");
    assert!(kill_when(&mut child, || any_line(&trials, "events.jsonl", "validation")), "killed in the middle");
    lab.run(&RUN);
    assert_eq!(recorded(&lab), undisturbed());
    no_epoch_is_recorded_twice(&lab);
    assert!(lab.run(&["runs", "query", "select 'resumes=' || max(resumes) as found from runs"]).contains("resumes=1"));
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
    let lab = Lab::new(&one_arm());
    let script =
        format!("trap '' XFSZ; ulimit -f 1500; exec '{}' run experiment.toml -q", env!("CARGO_BIN_EXE_augtrial"));
    let output = Command::new("bash").args(["-c", &script]).current_dir(lab.path("")).output().unwrap();
    let errors = text(&output.stderr);
    assert!(!output.status.success(), "a checkpoint is larger than the limit");
    assert!(errors.contains("cannot write the checkpoint") && errors.contains("checkpoint.safetensors"), "{errors}");
    assert!(errors.contains("File too large") || errors.contains("No space"), "{errors}");

    lab.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(recorded(&lab), undisturbed());
}

#[test]
fn a_signal_leaves_a_resumable_state() {
    let lab = Lab::new(&one_arm().replace("updates = 60", "updates = 600"));
    let mut child = lab.command(&["run", "experiment.toml", "-q"]).spawn().unwrap();
    let trials = lab.path("runs/trials");
    wait_until(&mut child, |_| any_line(&trials, "events.jsonl", "prepared"));
    send("INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(INTERRUPTED), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("run the same command again"), "{}", text(&output.stderr));
    assert!(lab.run(&["plan", "experiment.toml"]).contains("interrupted, to be continued"));
}

#[test]
fn a_run_that_is_asked_to_save_does_and_goes_on() {
    let lab = Lab::new(&one_arm());
    let mut child = lab.command(&["run", "experiment.toml", "-q", "--checkpoint-every", "1000epochs"]).spawn().unwrap();
    let trials = lab.path("runs/trials");
    let saved = || trials.read_dir().unwrap().flatten().any(|run| run.path().join("checkpoint.safetensors").exists());
    wait_until(&mut child, |_| any_line(&trials, "events.jsonl", "prepared"));
    wait_until(&mut child, |child| {
        // Before the first update there is nothing to save, and so it is asked until there is.
        send("USR1", child);
        saved()
    });
    assert!(!any_line(&trials, "events.jsonl", "checkpointed"), "saved because it was asked to");
    assert!(kill_when(&mut child, || any_line(&trials, "events.jsonl", "validation")), "it went on, and was killed");
    lab.run(&RUN);
    assert_eq!(recorded(&lab), undisturbed());
    assert!(lab.run(&["runs", "query", "select 'resumes=' || max(resumes) as found from runs"]).contains("resumes=1"));
}

fn no_epoch_is_recorded_twice(lab: &Lab) {
    let runs = lab.path("runs/trials").read_dir().unwrap().flatten();
    for events in runs.map(|run| std::fs::read_to_string(run.path().join("events.jsonl")).unwrap()) {
        let parse = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let epochs = events.lines().map(parse).filter(|event| event["event"] == "epoch");
        let mut parts: Vec<_> =
            epochs.map(|event| (event["metrics"]["epoch"].as_u64(), event["metrics"]["split"].to_string())).collect();
        parts.sort();
        let all = parts.len();
        parts.dedup();
        assert_eq!(parts.len(), all, "{events}");
    }
}

/// Another one every time, unless the environment gives it: different moments add up.
#[expect(
    clippy::disallowed_methods,
    reason = "the moments of the kills are to differ from run to run; they are printed"
)]
fn kill_seed() -> u64 {
    let given = std::env::var("AUGTRIAL_KILL_SEED").ok();
    given.map_or_else(
        || RandomState::new().build_hasher().finish(),
        |seed| seed.parse().expect("AUGTRIAL_KILL_SEED is a number"),
    )
}

/// Ends runs by random signals at random moments until that happened so often; every study is let to its end.
fn killed_at_random(kills: u32) {
    let seed = kill_seed();
    println!("AUGTRIAL_KILL_SEED={seed} kills alike");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut done = 0;
    while done < kills {
        let lab = Lab::new(&one_arm());
        loop {
            let signal = ["KILL", "TERM", "INT"][rng.random_range(0..3)];
            let rule = ["1epoch", "3epochs", "1s"][rng.random_range(0..3)];
            let delay = UNDISTURBED.1.mul_f64(rng.random());
            let mut child = lab.command(&["run", "experiment.toml", "-q", "--checkpoint-every", rule]).spawn().unwrap();
            std::thread::sleep(delay);
            let in_time = child.try_wait().unwrap().is_none();
            if in_time {
                send(signal, &child);
            }
            let status = child.wait().unwrap();
            // A signal that comes before it is listened to ends the process; one that comes after the last update, nothing.
            let told = format!("seed {seed}, kill {done}: {signal} after {delay:?}: {status}");
            assert!(matches!(status.code(), None | Some(0 | INTERRUPTED)), "{told}");
            done += u32::from(in_time);
            if status.success() || done == kills {
                break;
            }
        }
        lab.run(&RUN);
        assert_eq!(recorded(&lab), undisturbed(), "seed {seed}, {done} kills");
        let runs =
            lab.run(&["runs", "query", "select 'runs=' || count(*) || ' attempt=' || max(attempt) as found from runs"]);
        assert!(runs.contains("runs=2 attempt=1"), "no attempt is doubled: {runs}");
        no_epoch_is_recorded_twice(&lab);
    }
}

#[test]
fn killed_at_random_moments_a_study_ends_in_the_same_bits() {
    killed_at_random(4);
}

#[test]
#[ignore = "takes minutes: `make test-long`"]
fn killed_at_fifty_random_moments_studies_end_in_the_same_bits() {
    killed_at_random(50);
}
