//! Many trials at once: the same bits as one after another, and nobody's end is the study's.

use std::process::{Child, Output};
use std::time::{Duration, Instant};

use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// A real bundle with tiny networks of random weights.
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/torch/fixtures/ip2p/bundle");

/// Two arms without sets and one seed; long enough to be met at work.
fn two_trials() -> String {
    let online = TINY.split("[[arm.offline]]").next().unwrap();
    online.replace("seeds = [1, 2]", "seeds = [1]").replace("updates = 6", "updates = 15")
}

fn run(jobs: &str) -> [&str; 7] {
    ["run", "experiment.toml", "-q", "--checkpoint-every", "1epoch", "--jobs", jobs]
}

#[test]
fn sets_and_trials_of_several_processes_have_the_bits_of_one() {
    let one_seed = TINY.replace("seeds = [1, 2]", "seeds = [1]");
    let edited = format!(
        "{one_seed}\n[[arm]]\nname = \"edited\"\n[arm.edit.ip2p]\nbundle = \"{BUNDLE}\"\nsteps = 2\n\
         [arm.edit.ip2p.instructions]\n\"*\" = [\"make it rust\"]\n\
         [[arm]]\nname = \"control-by-another-name\"\n"
    );
    let (one, three) = (Lab::new(&edited), Lab::new(&edited));
    let plan = three.run(&["plan", "experiment.toml", "--jobs", "3"]);
    assert!(plan.contains("jobs: 3 at once, 1 thread each"), "{plan}");
    let alone = one.run(&run("1"));
    let together = three.run(&run("3"));
    for done in [&alone, &together] {
        assert!(done.contains("3 trials trained, 1 reused, 0 failed"), "{done}");
    }
    assert_eq!(recorded(&three), recorded(&one));
    assert_eq!(three.sets(), one.sets());
    let (mut jobs, sheet) = (Vec::new(), |lab: &Lab| {
        let (_, bytes) = lab.tree("runs/studies").into_iter().find(|(name, _)| name.ends_with("study.json")).unwrap();
        let mut sheet: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        sheet["written_at"].take();
        sheet["base"].take();
        for arm in sheet["arms"].as_array_mut().unwrap() {
            let made = arm.as_object_mut().unwrap().remove("generation_secs");
            assert_eq!(made.is_some(), !arm["sets"].as_array().unwrap().is_empty(), "how long it took is kept");
        }
        sheet
    });
    assert_eq!(sheet(&three), sheet(&one), "the study's record tells of every arm, in order");
    for (name, bytes) in three.tree("runs/trials") {
        if name.ends_with("provenance.json") {
            let provenance: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            jobs.push((provenance["jobs"].clone(), provenance["threads"].clone()));
            assert!(
                provenance["command_line"].as_array().unwrap().contains(&"run".into()),
                "the command that was typed"
            );
        }
    }
    assert_eq!(jobs, vec![(3.into(), 1.into()); 3]);
}

#[test]
fn without_being_asked_small_trials_run_side_by_side() {
    let lab = Lab::new(&TINY.replace("threads = 1\n", ""));
    let mut plan = lab.command(&["plan", "experiment.toml"]);
    let plan = text(&plan.env_remove("AUGTRIAL_JOBS").output().unwrap().stdout);
    let cores = std::thread::available_parallelism().unwrap().get().min(5);
    assert!(plan.contains(&format!("jobs: {cores} at once, 1 thread each")), "{plan}");
    lab.fail(2, &["run", "experiment.toml", "--jobs", "0"]);
}

#[cfg(target_os = "linux")]
mod killed {
    use std::fs;
    use std::os::unix::process::CommandExt as _;
    use std::path::Path;
    use std::process::Command;
    use std::sync::LazyLock;

    use super::*;
    use crate::interruption::children;

    /// What one process records of `two_trials`.
    static WHOLE: LazyLock<String> = LazyLock::new(|| {
        let lab = Lab::new(&two_trials());
        lab.run(&run("1"));
        recorded(&lab)
    });

    /// Starts a study in a process group of its own, as a terminal does, and waits until two workers are past a checkpoint.
    fn started(lab: &Lab) -> Child {
        let mut child = lab.command(&run("2")).process_group(0).spawn().unwrap();
        let trials = lab.path("runs/trials");
        wait_until(&mut child, || {
            let logs = fs::read_dir(&trials).into_iter().flatten().flatten().map(|run| run.path().join("events.jsonl"));
            logs.filter(|log| fs::read_to_string(log).is_ok_and(|log| log.contains("checkpointed"))).count() == 2
        });
        child
    }

    fn wait_until(child: &mut Child, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while !ready() {
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the moment never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_alive(pid: &str) -> bool {
        // A zombie whose parent has died is init's to bury, and does nothing any more.
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
    }

    fn kill(signal: &str, target: &str) {
        assert!(Command::new("kill").args([signal, "--", target]).status().unwrap().success());
    }

    fn end(child: Child) -> Output {
        child.wait_with_output().unwrap()
    }

    /// Runs what is left, alone, and holds it to what was never stopped.
    fn finish(lab: &Lab, expected: &str) {
        let done = lab.run(&run("1"));
        assert!(done.contains(expected), "{done}");
        assert_eq!(recorded(lab), *WHOLE);
    }

    fn count(folder: &Path, name: &str) -> usize {
        fs::read_dir(folder).unwrap().flatten().filter(|run| run.path().join(name).exists()).count()
    }

    #[test]
    fn a_killed_worker_costs_one_trial() {
        let lab = Lab::new(&two_trials());
        let child = started(&lab);
        kill("-KILL", &children(child.id())[0]);
        let output = end(child);
        assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("1 trial trained, 0 reused, 1 failed"));
        assert!(text(&output.stderr).contains("worker ended by signal 9"), "{}", text(&output.stderr));
        assert_eq!(count(&lab.path("runs/trials"), "done.json"), 1);
        finish(&lab, "1 trial trained, 1 reused, 0 failed");
    }

    #[test]
    fn an_interrupt_from_the_terminal_stops_everybody_at_a_resumable_point() {
        let lab = Lab::new(&two_trials());
        let child = started(&lab);
        let workers = children(child.id());
        kill("-INT", &format!("-{}", child.id()));
        let output = end(child);
        assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("run the same command again"), "{}", text(&output.stderr));
        assert!(workers.len() == 2 && !workers.iter().any(|worker| is_alive(worker)), "nobody is left behind");
        assert_eq!(lab.run(&["runs", "list"]).matches(" interrupted ").count(), 2);
        finish(&lab, "2 trials trained");
    }

    #[test]
    fn a_wish_to_save_reaches_every_worker() {
        let lab = Lab::new(&two_trials().replace("updates = 15", "updates = 1000"));
        let never = ["run", "experiment.toml", "-q", "--checkpoint-every", "1000epochs", "--jobs", "2"];
        let mut child = lab.command(&never).process_group(0).spawn().unwrap();
        let (leader, trials) = (child.id().to_string(), lab.path("runs/trials"));
        wait_until(&mut child, || trials.exists() && count(&trials, "events.jsonl") == 2);
        wait_until(&mut child, || {
            // Before the first update there is nothing to save, and so it is asked until there is.
            kill("-USR1", &leader);
            count(&trials, "checkpoint.safetensors") == 2
        });
        kill("-INT", &format!("-{leader}"));
        assert_eq!(end(child).status.code(), Some(4), "they went on until they were stopped");
    }

    #[test]
    fn workers_stop_when_their_leader_is_killed() {
        let lab = Lab::new(&two_trials());
        let mut child = started(&lab);
        let workers = children(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        while workers.iter().any(|worker| is_alive(worker)) {
            assert!(Instant::now() < deadline, "a worker goes on without its leader");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(lab.run(&["runs", "list"]).matches(" interrupted ").count(), 2, "they stopped before their end");
    }

    #[test]
    fn a_study_whose_leader_was_killed_is_started_again_at_once() {
        let lab = Lab::new(&two_trials());
        let mut child = started(&lab);
        child.kill().unwrap();
        child.wait().unwrap();
        // Its workers are still stopping: they are waited for, and nobody takes them for another study.
        let output = lab.output(&["run", "experiment.toml", "--jobs", "1"]);
        let told = text(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert!(text(&output.stdout).contains(" 0 failed"), "{told}");
        assert!(!told.contains("another process is training it"), "{told}");
        assert_eq!(recorded(&lab), *WHOLE);
    }

    #[test]
    fn a_trial_that_another_study_is_at_is_left_to_it_and_said_by_whom() {
        let lab = Lab::new(&two_trials().replace("updates = 15", "updates = 1000"));
        let child = started(&lab);
        let other = lab.output(&run("1"));
        assert_eq!(other.status.code(), Some(4));
        let told = text(&other.stderr);
        assert_eq!(told.matches("another process is training it (run").count(), 2, "{told}");
        assert!(children(child.id()).iter().any(|worker| told.contains(&format!("process {worker} on"))), "{told}");
        assert_eq!(lab.run(&["runs", "list"]).matches("running").count(), 2);
        kill("-INT", &format!("-{}", child.id()));
        assert_eq!(end(child).status.code(), Some(4));
    }
}
