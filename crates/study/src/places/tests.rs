//! What all places have in common: names, scripts that a shell can read, requests that are refused.

use std::path::{Path, PathBuf};

use super::status::InQueue;
use super::*;
use augtrial_base::digest::Digest;

/// A batch of two tasks for sets and seven for trials, in `folder`.
pub(super) fn example(place: &str, request: Request, folder: &Path) -> Batch {
    let plan = Digest::of_bytes(b"plan");
    Batch {
        format: Batch::FORMAT,
        token: "0badcafe".to_owned(),
        place: place.to_owned(),
        study: "tiny".to_owned(),
        plan,
        made_at: "2026-01-31T12:00:00.000Z".to_owned(),
        folder: folder.to_owned(),
        trainer: PathBuf::from("/opt/aug trial/augtrial-torch"),
        without_torch: false,
        collector: PathBuf::from("/opt/aug trial/augtrial"),
        runs: PathBuf::from("/shared/runs"),
        reports: PathBuf::from("/shared/reports"),
        threads: 2,
        memory_mib: Some(700),
        set_memory_mib: 900,
        defaults: [("OMP_WAIT_POLICY".to_owned(), "PASSIVE".to_owned())].into(),
        pinned: [("ATEN_CPU_CAPABILITY".to_owned(), Some("avx2".to_owned())), ("DNNL_MAX".to_owned(), None)].into(),
        experiment: None,
        set_tasks: 2,
        trial_tasks: 7,
        trials: 7,
        request,
    }
}

#[test]
fn a_place_is_found_by_its_name_and_a_typing_error_gets_help() {
    for place in PLACES {
        assert_eq!(super::place(place.name()).unwrap().name(), place.name());
        assert!(!place.help().is_empty());
    }
    assert!(super::place("slrum").err().unwrap().contains("did you mean `slurm`"));
    assert!(super::place("moon").err().unwrap().contains("slurm, hyperqueue, parallel, local"));
}

#[test]
fn the_folder_of_libtorch_comes_before_what_a_cluster_has_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut batch = example("local", Request::default(), folder.path());
    batch.defaults.insert("LD_LIBRARY_PATH".to_owned(), "/my torch/lib".to_owned());
    let script = format!("{}echo \"$LD_LIBRARY_PATH $OMP_WAIT_POLICY\"", super::script::environment(&batch));
    let told = |own: &str| {
        let mut bash = std::process::Command::new("bash");
        bash.env_clear().env("OMP_WAIT_POLICY", "ACTIVE");
        if !own.is_empty() {
            bash.env("LD_LIBRARY_PATH", own);
        }
        let output = bash.args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(told(""), "/my torch/lib ACTIVE");
    assert_eq!(told("/cluster"), "/my torch/lib:/cluster ACTIVE");
}

#[test]
fn every_script_of_every_place_is_sound_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let request = Request { trials_per_task: 1, at_once: Some(3), ..Request::default() };
    for place in PLACES {
        let files = place.files(&example(place.name(), request.clone(), folder.path()));
        assert!(files.iter().any(|(name, _)| *name == SUBMIT_SCRIPT), "{}", place.name());
        for (name, text) in files {
            assert!(text.starts_with("#!/bin/bash\n# ") && text.contains("study tiny"), "{}: {name}", place.name());
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let checked = std::process::Command::new("bash").arg("-n").arg(&path).output().unwrap();
            assert!(checked.status.success(), "{}: {name}: {checked:?}", place.name());
        }
    }
}

#[test]
fn what_a_place_cannot_do_is_refused_with_what_to_do_instead() {
    let partition = || Request { partition: Some("gpu".to_owned()), ..Request::default() };
    let hosts = || Request { hosts: Some("a\nb\n".to_owned()), ..Request::default() };
    let refused = |name: &str, request: Request| super::place(name).unwrap().accept(request, 4).unwrap_err();
    assert!(refused("local", partition()).contains("`--partition` means nothing to the place `local`"));
    assert!(refused("local", hosts()).contains("--place parallel"));
    assert!(refused("hyperqueue", partition()).contains("when its workers are started"));
    assert!(refused("slurm", hosts()).contains("--nodelist"));
    assert!(super::place("parallel").unwrap().accept(hosts(), 4).is_ok());
}

#[test]
fn a_runner_that_is_at_work_is_seen_by_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let batch = example("local", Request::default(), folder.path());
    let local = super::place("local").unwrap();
    assert_eq!(local.ask(&batch), Ok(Answer::new()), "nobody has begun");
    let lock = std::fs::File::create(folder.path().join("runner.lock")).unwrap();
    assert_eq!(local.ask(&batch), Ok(Answer::new()), "its runner has ended");
    lock.lock().unwrap();
    let missing = format!("{{\"of\":[{{\"arm\":\"flipped\",\"seed\":1}}],\"sets\":[\"{}\"]}}\n", batch.plan);
    std::fs::write(folder.path().join("sets.jsonl"), format!("{missing}{{\"of\":[],\"sets\":[]}}\n")).unwrap();
    let answer = local.ask(&batch).unwrap();
    assert_eq!(answer.len(), 8, "seven trials, and the set that is not there");
    assert_eq!(answer[&(Stage::Trials, 6)], InQueue::Waiting);
    lock.unlock().unwrap();
    lock.lock_shared().unwrap();
    assert_eq!(local.ask(&batch), Ok(Answer::new()), "somebody else looks, too");
}

#[test]
fn a_batch_starts_although_somebody_looks_at_its_lock_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    // Without tasks it only collects, by a program that is not there.
    let batch = Batch { set_tasks: 0, trial_tasks: 0, ..example("local", Request::default(), folder.path()) };
    for (name, text) in super::place("local").unwrap().files(&batch) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for script in ["run.sh", "submit.sh"] {
        let lock = std::fs::File::create(folder.path().join("runner.lock")).unwrap();
        lock.lock_shared().unwrap();
        let started = std::process::Command::new("bash")
            .arg(folder.path().join(script))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        lock.unlock().unwrap();
        let output = started.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("this batch is being run"), "{script}: {told}");
    }
}
