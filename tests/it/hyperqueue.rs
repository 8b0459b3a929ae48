//! A real `HyperQueue` on this machine: a server and a worker of two cores, and in the end there are the bits of a local run. The
//! program `hq` is built from its repository by `make test-hyperqueue`.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// How long all trials may take.
const PATIENCE: Duration = Duration::from_mins(8);

/// A server and its worker, until this is dropped.
struct HyperQueue {
    folder: tempfile::TempDir,
    processes: Vec<Child>,
}

impl HyperQueue {
    fn start() -> Self {
        let mut queue = Self { folder: tempfile::tempdir().unwrap(), processes: Vec::new() };
        queue.spawn(&["server", "start", "--host", "127.0.0.1"]);
        queue.wait_until("the server", |queue| queue.client(&["server", "info"]).is_some());
        queue.spawn(&["worker", "start", "--cpus", "2"]);
        let is_there = |queue: &Self| {
            let listed = queue.client(&["worker", "list", "--output-mode", "json"]);
            listed.is_some_and(|json| json.as_array().is_some_and(|workers| workers.len() == 1))
        };
        queue.wait_until("the worker", is_there);
        queue
    }

    fn hq(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("hq");
        command.arg("--server-dir").arg(self.folder.path()).args(arguments).stdin(Stdio::null());
        command
    }

    fn spawn(&mut self, arguments: &[&str]) {
        let mut command = self.hq(arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.processes.push(child.expect("`hq` is on the PATH: `make test-hyperqueue` builds it"));
    }

    /// What a client says, if it succeeds; null if that is no JSON.
    fn client(&self, arguments: &[&str]) -> Option<Value> {
        let output = self.hq(arguments).output().unwrap();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    fn wait_until(&self, what: &str, ready: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ready(self) {
            assert!(Instant::now() < deadline, "{what} never came");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The program in the lab, with this server.
    fn run(&self, lab: &Lab, arguments: &[&str]) -> String {
        let output = lab.command(arguments).env("HQ_SERVER_DIR", self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}\n{}", text(&output.stderr), logs(lab));
        text(&output.stdout)
    }

    fn status(&self, lab: &Lab) -> Value {
        serde_json::from_str(&self.run(lab, &["status", "--json"])).unwrap()
    }

    fn wait_for(&self, lab: &Lab, finished: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counts = self.status(lab)["counts"].clone();
            if counts["finished"] == finished && counts["queued"] == 0 && counts["running"] == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{counts}\n{}", logs(lab));
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

impl Drop for HyperQueue {
    fn drop(&mut self) {
        let _ = self.hq(&["server", "stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn logs(lab: &Lab) -> String {
    let logs = lab.tree("runs/batches").into_iter().filter(|(name, _)| name.contains("/logs/"));
    logs.map(|(name, bytes)| format!("--- {name}\n{}", text(&bytes))).collect::<Vec<_>>().concat()
}

#[test]
#[ignore = "needs HyperQueue: `make test-hyperqueue`"]
fn a_study_on_hyperqueue_has_the_bits_of_a_local_run_and_what_was_cancelled_is_submitted_again() {
    let four = TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3, 4]").replace("updates = 6", "updates = 30");
    let (queue, lab, ran) = (HyperQueue::start(), Lab::new(&four), Lab::new(&four));
    let submitted = queue.run(&lab, &["submit", "experiment.toml", "-q", "--place", "hyperqueue"]);
    assert!(submitted.contains("8 trials in 8 tasks for hyperqueue, after 1 task for sets"), "{submitted}");
    let again = queue.run(&lab, &["submit", "experiment.toml", "-q", "--place", "hyperqueue"]);
    assert!(again.contains("nothing is left to submit"), "what is in the queue is not submitted twice: {again}");
    assert!(queue.client(&["job", "cancel", "last"]).is_some());
    let missing = |queue: &HyperQueue| {
        let counts = &queue.status(&lab)["counts"];
        counts["queued"] == 0 && counts["running"] == 0 && counts["missing"].as_u64().unwrap() > 0
    };
    queue.wait_until("the end of what was cancelled", missing);
    queue.run(&lab, &["resubmit", "--missing", "-q"]);
    queue.wait_for(&lab, 8);
    assert!(queue.run(&lab, &["collect"]).contains("8 trials finished, 0 without a result"));
    assert!(lab.path("reports/tiny/report.md").is_file());

    ran.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(recorded(&lab), recorded(&ran));
    assert_eq!(lab.sets(), ran.sets());
    let runs =
        lab.run(&["runs", "query", "select 'runs=' || count(*) || ' trials=' || count(distinct trial_key) from runs"]);
    assert!(runs.contains("trials=8"), "{runs}");
    assert!(lab.run(&["runs", "verify"]).contains("ok: "));
}
