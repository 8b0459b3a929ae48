//! Studies whose trials a command trains, and results that were made elsewhere: whole, and without LibTorch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A copy of `examples/external`, removed at the end.
struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/external");
        for name in ["nearest_mean.py", "nearest_mean.toml"] {
            fs::copy(examples.join(name), lab.path(name)).unwrap();
        }
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_augtrial"));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null());
        command
            .env_remove("AUGTRIAL_RUNS")
            .env_remove("AUGTRIAL_REPORTS")
            .env_remove("AUGTRIAL_JOBS")
            .env_remove("COLUMNS");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?} failed:\n{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stderr)
    }

    /// Every file in run folders that is called so.
    fn in_runs(&self, name: &str) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.path("runs/trials")).unwrap().map(|entry| entry.unwrap().path());
        folders.map(|folder| folder.join(name)).filter(|path| path.exists()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(unix)]
#[test]
fn a_study_of_a_command_is_the_same_by_way_of_a_place_and_needs_no_libtorch_there() {
    let (ran, submitted) = (Lab::new(), Lab::new());
    ran.run(&["run", "nearest_mean.toml", "-q"]);
    let told = submitted.run(&["submit", "nearest_mean.toml", "-q", "--place", "slurm", "--dry-run"]);
    assert!(told.contains("6 trials in 6 tasks for slurm, after 1 task for sets"), "{told}");
    let folder = told.lines().find_map(|line| line.strip_prefix("folder: ")).unwrap();
    let trials = fs::read_to_string(Path::new(folder).join("trials.sbatch")).unwrap();
    assert!(!trials.contains("augtrial-torch") && !trials.contains("--mem"), "its memory is not known: {trials}");

    submitted.run(&["submit", "nearest_mean.toml", "-q", "--place", "local", "--max-at-once", "2"]);
    let report = submitted.path("reports/nearest-mean/report.md");
    let end = Instant::now() + Duration::from_mins(4);
    let finished = || submitted.run(&["status"]).contains("6 trials: 6 finished");
    while !(report.is_file() && finished()) {
        assert!(Instant::now() < end, "{}", submitted.run(&["status", "--all"]));
        std::thread::sleep(Duration::from_millis(100));
    }
    let compared = |lab: &Lab| lab.run(&["compare", "nearest-mean", "--json"]);
    assert_eq!(compared(&submitted), compared(&ran));
}

#[test]
fn a_study_of_a_command_runs_to_its_report_and_its_predictions_compare_to_the_same_answers() {
    let lab = Lab::new();
    let plan = lab.run(&["plan", "nearest_mean.toml"]);
    assert!(plan.contains("training left: not known"), "{plan}");
    let first = lab.run(&["run", "nearest_mean.toml", "-q"]);
    assert!(first.contains("6 trials trained, 0 reused, 0 failed"), "{first}");
    let second = lab.run(&["run", "nearest_mean.toml", "-q"]);
    assert!(second.contains("0 trials trained, 6 reused"), "{second}");

    // Without the marks that keep Markdown from reading a command as markup.
    let report = fs::read_to_string(lab.path("reports/nearest-mean/report.md")).unwrap().replace('\\', "");
    assert!(report.contains("was trained by a command, `python3 nearest_mean.py`"), "{report}");
    assert!(report.contains("equal bits in a second run") && !report.contains("ResNet"), "{report}");
    assert!(lab.run(&["runs", "verify"]).contains("ok: 6 runs"));
    assert_eq!(
        (lab.in_runs("trainer.json").len(), lab.in_runs("trainer").len()),
        (6, 0),
        "the record stays, the work goes"
    );
    assert!(lab.fail(2, &["replay", "latest"]).contains("was trained by the command `python3 nearest_mean.py`"));

    lab.run(&["export", "predictions", "predictions.parquet"]);
    lab.run(&["export", "runs", "runs.csv"]);
    let answers = |compared: &str| -> Vec<String> {
        compared.lines().filter(|line| line.contains("Holm-adjusted p")).map(str::to_owned).collect()
    };
    let ours = answers(&lab.run(&["compare", "nearest-mean"]));
    let given = lab.run(&["compare", "--results", "predictions.parquet", "--report", "given"]);
    assert!(given.contains("warning: Results given, not made here."), "{given}");
    assert_eq!((answers(&given), ours.is_empty()), (ours, false));
    assert!(fs::read_to_string(lab.path("given/report.md")).unwrap().contains("Results given, not made here."));
    let by_run = lab.run(&["compare", "--results", "runs.csv", "--metric-column", "test_top1"]);
    assert!(by_run.contains("Predictions: a table of them"), "{by_run}");
}

#[cfg(unix)]
#[test]
fn a_study_of_a_command_is_stopped_and_continues_after_the_last_checkpoint() {
    let lab = Lab::new();
    let run =
        ["run", "nearest_mean.toml", "-q", "--seeds", "1", "--arm", "control", "--set", "classifier.budget.epochs=150"];
    let mut running = lab.command(&run).spawn().unwrap();
    // A folder may get its name between being listed and being read.
    let checkpointed = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains("checkpointed"));
    let has_checkpoint = || lab.path("runs/trials").is_dir() && lab.in_runs("events.jsonl").iter().any(checkpointed);
    while !has_checkpoint() {
        assert!(running.try_wait().unwrap().is_none(), "it runs until it is stopped");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let stopped = Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap();
    assert!(stopped.success() && running.wait().unwrap().code() == Some(4), "interrupted");
    // As if it had been stopped after saving a further epoch and before saying so.
    let saved = &lab.in_runs("trainer/state/means.json")[0];
    let mut state: serde_json::Value = serde_json::from_slice(&fs::read(saved).unwrap()).unwrap();
    for list in [0, 1] {
        let last = state[list].as_array().unwrap().last().unwrap().clone();
        state[list].as_array_mut().unwrap().push(last);
    }
    fs::write(saved, state.to_string()).unwrap();
    let done = lab.run(&run);
    assert!(done.contains("1 trial trained"), "{done}");
    let events = fs::read_to_string(&lab.in_runs("events.jsonl")[0]).unwrap();
    let resumed: Vec<&str> = events.lines().filter(|line| line.contains("\"resumed\"")).collect();
    assert!(resumed.len() == 1 && !resumed[0].contains("\"epoch\":0"), "{resumed:?}");
    assert_eq!(events.lines().filter(|line| line.contains("\"split\":\"validation\"")).count(), 150);
}

#[test]
fn a_command_that_fails_ends_its_trials_with_its_last_words_and_not_the_study() {
    let lab = Lab::new();
    let script = fs::read_to_string(lab.path("nearest_mean.py")).unwrap();
    let broken =
        script.replace("    selected = manifest", "    raise SystemExit('no disk left')\n    selected = manifest");
    fs::write(lab.path("nearest_mean.py"), broken).unwrap();
    let errors = lab.fail(4, &["run", "nearest_mean.toml", "-q"]);
    assert!(errors.contains("ended with code 1") && errors.contains("no disk left"), "{errors}");
    let left = ["trainer.json", "trainer.log", "trainer"].map(|name| lab.in_runs(name).len());
    assert_eq!(left, [6, 6, 0], "what tells of the failure stays, the work goes");
    fs::write(lab.path("nearest_mean.py"), script).unwrap();
    let done = lab.run(&["run", "nearest_mean.toml", "-q"]);
    assert!(done.contains("6 trials trained"), "another script, other trials: {done}");
}
