//! A real Slurm on this machine (`tools/slurm_sandbox.sh`): tasks are queued again, cancelled and out of time, a node and the
//! controller are killed, and in the end there are the bits of a local run, and nothing twice.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::interruption::any_line;
use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// Two arms of six seeds; each trial long enough to be met at work.
fn twelve_trials() -> String {
    TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3, 4, 5, 6]").replace("updates = 6", "updates = 30")
}

/// How long all trials may take, with nodes that come back and queues that wait.
const PATIENCE: Duration = Duration::from_mins(15);

/// A controller and two nodes of one core, until this is dropped.
struct Slurm {
    folder: tempfile::TempDir,
}

impl Slurm {
    fn start() -> Self {
        let slurm = Self { folder: tempfile::tempdir().unwrap() };
        slurm.sandbox(&["up"]);
        slurm
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("slurm")
    }

    fn sandbox(&self, arguments: &[&str]) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/slurm_sandbox.sh");
        let mut command = Command::new("bash");
        // Its daemons keep what they inherit.
        command.arg(script).args(arguments).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.env("SLURM_SANDBOX", self.root()).env("SLURM_SANDBOX_NODES", "2");
        assert!(command.status().unwrap().success(), "{arguments:?}");
    }

    fn client(&self, program: &str, arguments: &[&str]) -> String {
        let output =
            Command::new(program).args(arguments).env("SLURM_CONF", self.root().join("slurm.conf")).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The program in the lab, with this Slurm.
    fn run(&self, lab: &Lab, arguments: &[&str]) -> String {
        let mut command = lab.command(arguments);
        let output = command.env("SLURM_CONF", self.root().join("slurm.conf")).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn status(&self, lab: &Lab) -> Value {
        serde_json::from_str(&self.run(lab, &["status", "--json"])).unwrap()
    }

    /// Tasks of trials that run now, as Slurm names them.
    fn running(&self) -> Vec<String> {
        let listed = self.client("squeue", &["--me", "--array", "--noheader", "--states=RUNNING", "--format=%i|%j"]);
        let trials =
            listed.lines().filter_map(|line| line.split_once('|')).filter(|(_, name)| name.contains("-trials"));
        trials.map(|(id, _)| id.to_owned()).collect()
    }

    fn wait_until(&self, lab: &Lab, what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            assert!(
                Instant::now() < deadline,
                "{what} never came\n{}\n{}\n{}",
                self.run(lab, &["status", "--all"]),
                self.client("squeue", &["--me", "--array"]),
                logs(lab)
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        self.sandbox(&["down"]);
    }
}

fn logs(lab: &Lab) -> String {
    let logs = lab.tree("runs/batches").into_iter().filter(|(name, _)| name.contains("/logs/"));
    logs.map(|(name, bytes)| format!("--- {name}\n{}", text(&bytes))).collect::<Vec<_>>().concat()
}

fn count(status: &Value, word: &str) -> u64 {
    status["counts"][word].as_u64().unwrap()
}

/// Submits again what is missing until all is there; says how often. A controller that was killed may hold a task that it
/// lost sight of, and drain a node: as a person would, the test cancels the one and takes back the other.
fn until_all_are_finished(slurm: &Slurm, lab: &Lab) -> u32 {
    let mut again = 0;
    slurm.wait_until(lab, "the end", || {
        let status = slurm.status(lab);
        assert_eq!(count(&status, "failed"), 0, "{status}\n{}", logs(lab));
        if count(&status, "held") > 0 {
            let listed = slurm.client("squeue", &["--me", "--array", "--noheader", "--format=%i|%r"]);
            for (held, _) in
                listed.lines().filter_map(|line| line.split_once('|')).filter(|(_, why)| why.contains("held"))
            {
                slurm.client("scancel", &[held]);
            }
        }
        for node in slurm.client("sinfo", &["--noheader", "--Node", "--states=drain", "--format=%N"]).lines() {
            slurm.client("scontrol", &["update", &format!("nodename={node}"), "state=resume"]);
        }
        let missing = count(&status, "missing");
        if missing > 0 && count(&status, "queued") + count(&status, "running") == 0 {
            slurm.run(lab, &["resubmit", "--missing"]);
            again += 1;
        }
        count(&status, "finished") == 12
    });
    again
}

/// Holds a lab to a local run of the same study.
fn expect_the_bits_of(lab: &Lab, expected: &str) {
    assert_eq!(recorded(lab), expected);
    let runs =
        lab.run(&["runs", "query", "select 'runs=' || count(*) || ' trials=' || count(distinct trial_key) from runs"]);
    assert!(runs.contains("runs=12 trials=12"), "{runs}");
    assert!(lab.run(&["runs", "verify"]).contains("ok: 12 runs"));
}

fn local() -> String {
    let lab = Lab::new(&twelve_trials());
    lab.run(&["run", "experiment.toml", "-q"]);
    recorded(&lab)
}

#[test]
#[ignore = "needs Slurm: slurmctld, slurmd, munged"]
fn a_study_on_slurm_has_the_bits_of_a_local_run_whatever_happens_to_its_tasks() {
    let (slurm, lab) = (Slurm::start(), Lab::new(&twelve_trials()));
    let submitted =
        slurm.run(&lab, &["submit", "experiment.toml", "-q", "--place", "slurm", "--checkpoint-every", "1epoch"]);
    assert!(submitted.contains("12 trials in 12 tasks for slurm, after 1 task for sets"), "{submitted}");
    let again = slurm.run(&lab, &["submit", "experiment.toml", "-q", "--place", "slurm"]);
    assert!(again.contains("nothing is left to submit"), "what is in the queue is not submitted twice: {again}");

    let trials = lab.path("runs/trials");
    let at_work = || any_line(&trials, "events.jsonl", "checkpointed") && slurm.running().len() == 2;
    slurm.wait_until(&lab, "work", at_work);
    slurm.client("scontrol", &["requeue", &slurm.running()[0]]);
    slurm.wait_until(&lab, "two tasks at work", || slurm.running().len() == 2);
    slurm.sandbox(&["kill-controller"]);
    let silent = slurm.status(&lab);
    assert!(!silent["queue_silent"].as_array().unwrap().is_empty() && count(&silent, "missing") == 0, "{silent}");
    assert!(count(&silent, "unknown") > 0, "{silent}");
    slurm.sandbox(&["start-controller"]);
    slurm.sandbox(&["kill-node", "n1"]);
    slurm.sandbox(&["start-node", "n1"]);
    slurm.wait_until(&lab, "a task to cancel", || slurm.running().len() == 2);
    slurm.client("scancel", &[&slurm.running()[0]]);

    let again = until_all_are_finished(&slurm, &lab);
    assert!(again >= 1, "what was cancelled is missing until it is submitted again");
    let report = || lab.path("reports/tiny/report.md").is_file() && slurm.client("squeue", &["--me", "-h"]).is_empty();
    slurm.wait_until(&lab, "the collecting job", report);
    expect_the_bits_of(&lab, &local());
    // Safe to repeat.
    assert!(slurm.run(&lab, &["collect"]).contains("12 trials finished, 0 without a result"));
}

#[test]
#[ignore = "needs Slurm: slurmctld, slurmd, munged"]
fn a_task_that_runs_out_of_time_saves_and_goes_on_in_a_new_one() {
    let (slurm, lab) = (Slurm::start(), Lab::new(&twelve_trials()));
    // USR1 comes at once: Slurm counts in minutes, and a task has only one.
    let submit = [
        "submit",
        "experiment.toml",
        "-q",
        "--place",
        "slurm",
        "--time=1",
        "--trials-per-task=3",
        "--",
        "--signal=B:USR1@45",
    ];
    let submitted = slurm.run(&lab, &submit);
    assert!(submitted.contains("12 trials in 4 tasks"), "{submitted}");
    until_all_are_finished(&slurm, &lab);
    let told = logs(&lab);
    assert!(told.contains("saved, and stopped") && told.contains("is in the queue again"), "{told}");
    expect_the_bits_of(&lab, &local());
}
