//! Reading and checking records.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::super::testing::*;
use super::*;
use augtrial_base::testing::{Mutation, fuzz};

#[test]
fn a_study_has_its_newest_plan_and_all_runs_by_arm_seed_and_attempt() {
    let runs = tempfile::tempdir().unwrap();
    let old = plan("demo");
    let mut new = plan("demo");
    new.study.alpha = 0.01;
    let at = |secs| Registry::lead(runs.path(), clock(secs)).unwrap();
    complete(begin(&at(1), &old, 0, 2));
    complete(begin(&at(1), &old, 0, 1));
    begin(&at(1), &plan("other"), 0, 1).fail("on purpose").unwrap();
    complete(begin(&at(2), &new, 1, 1));
    let registry = at(3);

    let study = registry.study("demo").unwrap();
    assert_eq!((study.plan, study.plan_toml), (new.digest(), new.to_toml()));
    let trials: Vec<_> = study.runs.iter().map(|run| (run.header.arm.as_str(), run.header.seed)).collect();
    assert_eq!(trials, [("flips", 1), ("plain", 1), ("plain", 2)]);
    assert!(study.runs.iter().all(|run| run.counts && run.state.test.is_some()));
    assert_eq!(registry.plan_toml(&old.digest()).unwrap(), Some(old.to_toml()));

    let studies = registry.studies().unwrap();
    let counts: Vec<_> = studies.iter().map(|s| (s.study.as_str(), s.runs, s.finished, s.failed, s.arms)).collect();
    assert_eq!(counts, [("demo", 3, 3, 0, 2), ("other", 1, 0, 1, 1)]);
}

#[test]
fn an_unknown_study_gives_the_nearest_name() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    begin(&registry, &plan("trashnet"), 0, 1).fail("on purpose").unwrap();
    let error = registry.study("trashnett").unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"there is no study `trashnett`; nearest: trashnet");
}

/// Changes a file of the one finished run of a new registry, and gives what becomes of the run and of another beside it.
fn after(change: impl Fn(&std::path::Path)) -> (Vec<String>, usize) {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let plan = plan("demo");
    complete(begin(&registry, &plan, 0, 1));
    let guard = begin(&registry, &plan, 1, 1);
    let folder = guard.dir().to_owned();
    complete(guard);
    drop(registry);
    change(&folder);
    let registry = open(runs.path());
    let problems = registry.set_aside().unwrap().into_iter().map(|aside| aside.problem).collect();
    let counted = registry.list(&crate::Filter { counted: true, ..crate::Filter::default() }).unwrap().len();
    Registry::reindex_after(registry, runs.path());
    (problems, counted)
}

impl Registry {
    /// A rebuilt index says the same.
    fn reindex_after(live: Self, runs_dir: &std::path::Path) {
        let dump = live.dump().unwrap();
        drop(live);
        Self::reindex(runs_dir).unwrap();
        assert_eq!(open(runs_dir).dump().unwrap(), dump);
    }
}

/// What somebody does to a run's folder.
type Change = Box<dyn Fn(&std::path::Path)>;

#[test]
fn a_record_that_was_changed_after_its_end_is_set_aside_with_its_reason_and_the_rest_goes_on() {
    let cut = |name: &'static str| {
        move |folder: &std::path::Path| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            let lines: Vec<_> = text.split_inclusive('\n').collect();
            fs::write(folder.join(name), lines[..lines.len() - 1].concat()).unwrap();
        }
    };
    let replaced = |name: &'static str, from: &'static str, to: &'static str| {
        move |folder: &std::path::Path| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            assert!(text.contains(from), "{name} has {from}");
            fs::write(folder.join(name), text.replacen(from, to, 1)).unwrap();
        }
    };
    let changes: [(Change, &str); 8] = [
        (Box::new(cut("predictions.jsonl")), "predictions.jsonl has"),
        (Box::new(cut("events.jsonl")), "events.jsonl has"),
        (Box::new(replaced("provenance.json", "bench", "bunch")), "provenance.json was changed"),
        (Box::new(replaced("plan.toml", "images = 60", "images = 61")), "plan.toml was changed"),
        (Box::new(replaced("done.json", "0.75", "0.76")), "done.json does not have the digest"),
        (Box::new(replaced("done.json", "{", "[")), "is not a valid record"),
        (Box::new(replaced("header.json", "\"run\"", "\"ran\"")), "is not a valid record"),
        (Box::new(|folder| fs::remove_file(folder.join("provenance.json")).unwrap()), "provenance.json is missing"),
    ];
    for (change, expected) in changes {
        let (problems, counted) = after(change);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
        assert_eq!(counted, 1, "{expected}: the other run counts");
    }
    assert_eq!(after(|_| {}), (Vec::new(), 2));
}

#[test]
fn a_record_that_is_restored_counts_again_and_one_set_aside_says_why_when_it_is_asked_for() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let (run, done) = (guard.run(), guard.dir().join("done.json"));
    complete(guard);
    let whole = fs::read(&done).unwrap();
    fs::write(&done, b"{").unwrap();
    let registry = open(runs.path());
    let error = registry.show(&run.to_string()[..8]).unwrap_err();
    assert!(matches!(&error, RegistryError::Damaged { run: of, .. } if *of == run), "{error}");
    fs::write(&done, whole).unwrap();
    let registry = open(runs.path());
    assert_eq!(registry.set_aside().unwrap().len(), 0);
    assert!(registry.show("latest").unwrap().counts);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_the_system_cannot_read_is_an_error_and_says_nothing_of_the_record() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let notes = guard.dir().join("notes");
    fs::write(&notes, b"").unwrap();
    record_whole(&mut guard);
    guard.finish_with(&["notes"]).unwrap();
    drop(registry);
    fs::remove_file(&notes).unwrap();
    // It has no bytes, as the file had, and reading it gives an input/output error.
    std::os::unix::fs::symlink("/proc/self/mem", &notes).unwrap();
    let shown = open(runs.path()).show("latest").map(drop);
    for error in [shown, Registry::reindex(runs.path()).map(drop)].map(Result::unwrap_err) {
        assert!(matches!(&error, RegistryError::Io { path, .. } if *path == notes), "{error}");
    }
    fs::remove_file(&notes).unwrap();
    fs::write(&notes, b"").unwrap();
    let registry = open(runs.path());
    assert_eq!(registry.set_aside().unwrap(), []);
    assert!(registry.show("latest").unwrap().counts);
}

#[test]
fn every_byte_of_a_large_file_is_compared_only_when_the_run_is_verified() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let (run, weights) = (guard.run(), guard.dir().join("weights"));
    fs::write(&weights, vec![7; 9 << 20]).unwrap();
    record_whole(&mut guard);
    guard.finish_with(&["weights"]).unwrap();
    let registry = open(runs.path());
    registry.verify(run).unwrap();
    let mut bytes = fs::read(&weights).unwrap();
    bytes[1 << 20] ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert!(registry.show("latest").is_ok());
    let error = registry.verify(run).unwrap_err();
    assert!(error.to_string().contains("weights was changed since the run ended"), "{error}");
    fs::write(&weights, b"short").unwrap();
    assert!(registry.show("latest").is_err());
}

#[test]
fn a_record_of_the_first_format_opens_and_is_compared_by_its_counts() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let folder = guard.dir().to_owned();
    complete(guard);
    drop(registry);
    let first = |name: &str| {
        let mut value: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
        let fields = value.as_object_mut().unwrap();
        fields.remove("files");
        fields.remove("digest");
        if name == "header.json" {
            fields["format"] = 1.into();
        }
        fs::write(folder.join(name), value.to_string()).unwrap();
    };
    first("done.json");
    assert_eq!(open(runs.path()).set_aside().unwrap().len(), 1, "a sealed record without its seal");
    first("header.json");
    assert!(open(runs.path()).show("latest").unwrap().counts);
    fs::write(folder.join("predictions.jsonl"), b"").unwrap();
    let problem = open(runs.path()).set_aside().unwrap().remove(0).problem;
    assert_eq!(problem, "predictions.jsonl has 0 predictions, and 2 images were tested");
}

/// The files of a finished run that its seal is to cover.
fn record_files(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.metadata().unwrap().len() > 0);
    let mut names: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "lock");
    names.sort();
    names
}

/// Whether two files are equal, or the same JSON with other blanks, as `done.json` may be: its digest is of what it says.
fn says_the_same(one: &[u8], other: &[u8]) -> bool {
    let json = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    one == other || json(one).is_some_and(|value| Some(value) == json(other))
}

#[test]
fn no_change_of_a_record_makes_its_reader_panic_or_passes_unnoticed() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let (run, folder) = (guard.run(), guard.dir().to_owned());
    complete(guard);
    drop(registry);
    let names = record_files(&folder);
    assert!(names.len() >= 5, "{names:?}");

    let strategy = (any::<prop::sample::Index>(), prop::collection::vec(Mutation::any(), 1..5));
    fuzz("changed records of runs", 100, &strategy, |(name, changes)| {
        let name = &names[name.index(names.len())];
        let path = folder.join(name);
        let sound = std::fs::read(&path).unwrap();
        let bytes = Mutation::all(&changes, &sound);
        std::fs::write(&path, &bytes).unwrap();
        // Whatever becomes of the run, the index can be rebuilt and every command goes on.
        let rebuilt = Registry::reindex(runs.path()).and_then(|_| Registry::lead(runs.path(), clock(0)));
        let looked = rebuilt.and_then(|registry| Ok((registry.set_aside()?, registry.verify(run))));
        std::fs::write(&path, &sound).unwrap();
        let (_, verified) = looked.map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
        prop_assert!(verified.is_err() || says_the_same(&bytes, &sound), "{name} was changed, and it passes");
        Ok(())
    });
    open(runs.path()).verify(run).unwrap();
}
