//! Studies that are handed over instead of waited for, and runs on a file system that machines share: the same bits, nothing
//! twice. What needs a real Slurm is in `slurm.rs`.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::interruption::{any_line, kill_when};
use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// What `status --json` says.
fn status(lab: &Lab) -> Value {
    serde_json::from_str(&lab.run(&["status", "--json"])).unwrap()
}

fn wait_until(lab: &Lab, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(4);
    while !ready() {
        let logs = lab.tree("runs/batches").into_iter().filter(|(name, _)| name.contains("/logs/"));
        let logs = logs.map(|(name, bytes)| format!("--- {name}\n{}", text(&bytes))).collect::<Vec<_>>().concat();
        assert!(Instant::now() < deadline, "{}\n{logs}", lab.run(&["status", "--all"]));
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn batch_folder(told: &str) -> &str {
    told.lines().find_map(|line| line.strip_prefix("folder: ")).expect("submit says where the folder is")
}

#[test]
fn a_study_that_is_submitted_has_the_bits_of_one_that_is_run() {
    let (ran, submitted) = (Lab::new(TINY), Lab::new(TINY));
    ran.run(&["run", "experiment.toml", "-q"]);

    let submit = ["submit", "experiment.toml", "-q", "--place", "local", "--trials-per-task", "2", "--dry-run"];
    let told = submitted.run(&submit);
    assert!(told.contains("4 trials in 2 tasks for local, after 1 task for sets"), "{told}");
    assert!(told.contains("nothing was submitted: read the folder"), "{told}");
    let missing = status(&submitted);
    assert_eq!(missing["counts"]["missing"], 4, "{missing}");
    assert!(submitted.fail(4, &["collect"]).contains("4 of 4 trials have no result"));

    let script = std::path::Path::new(batch_folder(&told)).join("submit.sh");
    assert!(std::process::Command::new("bash").arg(script).status().unwrap().success());
    let report = submitted.path("reports/tiny/report.md");
    wait_until(&submitted, || report.is_file() && status(&submitted)["counts"]["finished"] == 4);
    assert_eq!(recorded(&submitted), recorded(&ran));
    assert_eq!(submitted.sets(), ran.sets());
    assert!(submitted.run(&["collect", "tiny"]).contains("tiny: 4 trials finished, 0 without a result"));
    let nothing = "tiny: nothing is left to submit\n";
    assert_eq!(submitted.run(&["submit", "experiment.toml", "-q", "--place", "local"]), nothing);
    assert_eq!(submitted.run(&["resubmit", "--missing", "-q"]), nothing);
}

#[test]
fn what_cannot_be_submitted_is_told_with_what_to_do() {
    let lab = Lab::new(TINY);
    assert!(lab.fail(2, &["status"]).contains("nothing was submitted: `augtrial submit` does so"));
    assert!(lab.fail(2, &["submit", "experiment.toml", "--place", "slrum"]).contains("did you mean `slurm`?"));
    let refused = lab.fail(2, &["submit", "experiment.toml", "-q", "--place", "local", "--partition", "gpu"]);
    assert!(refused.contains("`--partition` means nothing to the place `local`"), "{refused}");
    // Trials wait for sets, and say so where there are none.
    let told = lab.run(&["submit", "experiment.toml", "-q", "--place", "slurm", "--dry-run", "--arm", "flipped"]);
    let task = ["task", batch_folder(&told), "trials", "0"];
    assert!(lab.fail(3, &task).contains("the sets of arm `flipped` are not there"));
    assert!(lab.fail(2, &["task", batch_folder(&told), "trials", "7"]).contains("tasks.jsonl has no line 7: it has 2"));
}

/// Submits, and waits for the results.
fn submit_and_wait(lab: &Lab, place: &str, trials: usize) {
    lab.run(&["submit", "experiment.toml", "-q", "--place", place]);
    let report = lab.path("reports/tiny/report.md");
    wait_until(lab, || report.is_file() && status(lab)["counts"]["finished"] == trials);
}

#[test]
fn a_study_that_draws_anew_and_has_evaluation_sets_is_the_same_by_way_of_a_place() {
    let study = TINY.replace("seeds = [1, 2]", "seeds = [1, 2]\nredraw = [\"split\", \"sets\"]")
        + "\n[[evaluation]]\nname = \"noise\"\nfrom = { corrupted = { apply = [{ gaussian_noise = {} }] } }\n";
    let (ran, submitted) = (Lab::new(&study), Lab::new(&study));
    ran.run(&["run", "experiment.toml", "-q"]);
    let told = submitted.run(&["submit", "experiment.toml", "-q", "--place", "local", "--dry-run"]);
    assert!(
        told.contains("4 trials in 4 tasks for local, after 4 tasks for sets"),
        "two draws of an arm's set: {told}"
    );
    submit_and_wait(&submitted, "local", 4);
    assert_eq!(recorded(&submitted), recorded(&ran));
    assert_eq!(submitted.sets(), ran.sets());
    let compared = |lab: &Lab| lab.run(&["compare", "tiny", "--json"]);
    assert_eq!(compared(&submitted), compared(&ran));
    assert!(submitted.run(&["clean"]).contains("nothing to remove"));
}

#[test]
fn cells_of_a_design_are_batches_of_their_own_and_need_a_queue() {
    let factor = "\n[[factor]]\nname = \"length\"\nlevels = [{ name = \"short\" }, \
                  { name = \"long\", set = { \"classifier.budget\" = { updates = 8 } } }]\n";
    let lab = Lab::new(&(TINY.to_owned() + factor));
    let refused = lab.fail(2, &["submit", "experiment.toml", "-q", "--place", "local"]);
    assert!(refused.contains("all 2 cells would run at once: choose one by `--cell`"), "{refused}");
    let told = lab.run(&["submit", "experiment.toml", "-q", "--place", "slurm", "--dry-run"]);
    assert_eq!(told.matches("4 trials in 4 tasks for slurm").count(), 2, "{told}");
    let cells: Value = serde_json::from_str(&lab.run(&["status", "experiment.toml", "--json"])).unwrap();
    assert_eq!(cells.as_array().unwrap().len(), 2, "{cells}");
    assert_eq!(lab.run(&["status", "experiment.toml"]).matches("4 trials: 4 missing").count(), 2);
    let one = ["submit", "experiment.toml", "-q", "--place", "slurm", "--dry-run", "--cell", "long"];
    assert_eq!(lab.run(&one).matches("4 trials in 4 tasks").count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_study_killed_on_a_shared_file_system_is_continued_at_once_and_leaves_no_index_file() {
    const SHARED: (&str, &str) = ("AUGTRIAL_FILE_SYSTEM", "shared");
    let one_arm = TINY.replace("seeds = [1, 2]", "seeds = [1]").replace("updates = 6", "updates = 12");
    let (whole, killed) = (Lab::new(&one_arm), Lab::new(&one_arm));
    let run = ["run", "experiment.toml", "-q", "--checkpoint-every", "1epoch"];
    whole.run(&run);

    let mut child = killed.command(&run).env(SHARED.0, SHARED.1).spawn().unwrap();
    let trials = killed.path("runs/trials");
    assert!(kill_when(&mut child, || any_line(&trials, "events.jsonl", "checkpointed")), "killed in the middle");
    let output = killed.command(&["run", "experiment.toml"]).env(SHARED.0, SHARED.1).output().unwrap();
    let told = text(&output.stderr);
    assert!(output.status.success() && told.contains("the index is made in memory"), "{told}");
    assert!(text(&output.stdout).contains("2 trials trained, 0 reused, 0 failed"), "{told}");
    assert!(!killed.path("runs/registry.sqlite").exists());
    let leases: Vec<String> = killed.tree("runs/trials").into_iter().map(|(name, _)| name).collect();
    assert!(leases.iter().any(|name| name.ends_with("/lease.2")), "the killed trial was taken up: {leases:?}");
    assert!(!leases.iter().any(|name| name.ends_with("/lock")), "{leases:?}");
    assert_eq!(recorded(&killed), recorded(&whole));

    let listed = killed.command(&["runs", "list"]).envs([SHARED, ("AUGTRIAL_INDEX_DIR", "index")]).output().unwrap();
    assert!(text(&listed.stdout).matches("finished").count() == 2, "{}", text(&listed.stderr));
    assert_eq!(killed.tree("index").iter().filter(|(name, _)| name.ends_with("registry.sqlite")).count(), 1);
}
