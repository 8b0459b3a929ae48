//! Opening, leading, finding and rebuilding.

use std::fs;

use super::super::testing::*;
use super::super::{BeginRun, Filter, QueryLimits, SetDigests, Standing, Status, StatusKind, TrialState};
use super::*;
use augtrial_base::clock::rfc3339;
use augtrial_base::digest::Digest;
use augtrial_base::events::RunEvent;
use augtrial_plan::Trial;

fn status(registry: &Registry, run: RunId) -> Status {
    registry.show(&run.to_string()).unwrap().status
}

#[test]
fn a_run_is_alive_as_long_as_its_lock_is_held() {
    let runs = tempfile::tempdir().unwrap();
    let (registry, other) = (open(runs.path()), open(runs.path()));
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    assert_eq!(status(&other, run), Status::Running);
    assert!(matches!(other.folders().resume(run), Err(RegistryError::Running { .. })));
    drop(guard);
    assert_eq!(status(&other, run), Status::Interrupted);
    let guard = other.folders().resume(run).unwrap();
    assert_eq!(status(&registry, run), Status::Running);
    guard.fail("no reason").unwrap();
    assert_eq!(status(&registry, run), Status::Failed { reason: "no reason".to_owned() });
    assert!(matches!(registry.folders().resume(run), Err(RegistryError::Ended { status: "failed", .. })));
}

#[test]
fn looking_at_a_lost_run_does_not_keep_others_from_resuming_it() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    drop(guard);
    let look = registry.folder(run).unwrap().look().unwrap();
    assert!(matches!(look, super::super::folder::Look::Free(Some(_))));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(120));
            drop(look);
        });
        assert!(registry.folders().resume(run).is_ok());
    });
}

#[test]
fn of_two_finished_attempts_the_first_to_finish_counts() {
    let runs = tempfile::tempdir().unwrap();
    let plan = plan("demo");
    let registry = open(runs.path());
    let first = begin(&registry, &plan, 0, 1);
    let second = begin(&registry, &plan, 0, 1);
    let (one, two) = (first.run(), second.run());
    assert_ne!(one, two);
    complete(second);
    let key = trial_key(&plan, Trial { arm: &plan.arms[0], seed: 1 });
    let trial = registry.trial_state(&key).unwrap();
    assert_eq!((trial.attempts, trial.running), (2, Some(one)));
    assert_eq!(trial.standing(), Standing::Finished { run: two });
    assert_eq!(registry.folders().standing(&key).unwrap(), trial.standing(), "folders alone say the same");
    assert_eq!(trial.counted.as_ref().map(|run| run.run), Some(two));

    // Attempt 1 finishes a second later, and does not take the place of what was already seen.
    let mut first = first;
    record_all(&mut first, &start_events());
    train(&mut first, 1, EPOCHS);
    let [selected, opened, tested, _] = end_events();
    record_all(&mut first, &[selected, opened, tested]);
    first.write_predictions(&predictions()).unwrap();
    let weights = Digest::of_bytes(b"weights");
    first.record(&RunEvent::Finished { at: rfc3339(clock(1).now()), weights }).unwrap();
    first.finish().unwrap();
    registry.catch_up().unwrap();
    let trial = registry.trial_state(&key).unwrap();
    assert_eq!(trial.counted.map(|run| run.run), Some(two));
    assert_eq!(registry.list(&Filter { counted: true, ..Filter::default() }).unwrap().len(), 1);
    let counted = [key, Digest::of_bytes(b"none")].map(|key| registry.trial_state(&key).unwrap().counted);
    let counted = counted.map(|found| found.map(|found| registry.record_of(&found).unwrap().header.run));
    assert_eq!(counted, [Some(two), None]);
}

#[test]
fn failed_and_lost_attempts_never_count() {
    let runs = tempfile::tempdir().unwrap();
    let plan = plan("demo");
    let registry = open(runs.path());
    begin(&registry, &plan, 0, 1).fail("out of memory").unwrap();
    let lost = begin(&registry, &plan, 0, 1);
    let lost_run = lost.run();
    drop(lost);
    let key = trial_key(&plan, Trial { arm: &plan.arms[0], seed: 1 });
    let trial = registry.trial_state(&key).unwrap();
    assert_eq!(trial.counted, None);
    assert_eq!((trial.running, trial.resumable, trial.attempts), (None, Some(lost_run), 2));
    assert_eq!(trial.failed.len(), 1);
    assert_eq!(trial.standing(), Standing::Interrupted { run: lost_run });
    assert_eq!(registry.folders().standing(&key).unwrap(), trial.standing(), "folders alone say the same");
    assert_eq!(registry.trial_state(&Digest::of_bytes(b"other")).unwrap(), TrialState::default());
}

#[test]
fn an_index_that_was_lost_or_fell_behind_is_made_good_when_the_registry_opens() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let plan = plan("demo");
    complete(begin(&registry, &plan, 0, 1));
    let mut guard = begin(&registry, &plan, 1, 1);
    record_all(&mut guard, &start_events());
    drop(guard);
    let (expected, [flips, plain]) = {
        let listed = registry.list(&Filter::default()).unwrap();
        (registry.dump().unwrap(), [listed[0].run, listed[1].run])
    };
    // As if killed between folder and index: an event is missing, and so is the end of the other run.
    let mut behind = Index::open(&runs.path().join(INDEX_FILE)).unwrap();
    behind.write(|db| db.execute("UPDATE runs SET events = 1, stamp = '' WHERE id = ?1", [flips])).unwrap();
    let undone = "UPDATE runs SET outcome = NULL, ended_at = NULL WHERE id = ?1";
    behind.write(|db| db.execute(undone, [plain])).unwrap();
    assert_eq!(registry.list(&Filter::default()).unwrap()[1].status, Status::Finished, "the folder decides");
    drop((registry, behind));
    assert_eq!(open(runs.path()).dump().unwrap(), expected);

    fs::remove_file(runs.path().join(INDEX_FILE)).unwrap();
    assert_eq!(open(runs.path()).dump().unwrap(), expected);

    fs::remove_dir_all(runs.path().join("trials").join(flips.to_string())).unwrap();
    let left = open(runs.path()).list(&Filter::default()).unwrap();
    assert_eq!(left.iter().map(|run| run.run).collect::<Vec<_>>(), [plain]);
}

#[test]
fn a_damaged_index_is_rebuilt_and_one_in_use_is_left_alone() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    complete(begin(&registry, &plan("demo"), 0, 1));
    let expected = registry.dump().unwrap();
    assert!(matches!(Registry::reindex(runs.path()), Err(RegistryError::InUse { .. })));
    drop(registry);
    fs::write(runs.path().join(INDEX_FILE), "this is no database").unwrap();
    assert!(matches!(Registry::lead(runs.path(), clock(0)), Err(RegistryError::Index { .. })));
    assert_eq!(Registry::reindex(runs.path()).unwrap(), 1);
    assert_eq!(open(runs.path()).dump().unwrap(), expected);
    let names: Vec<_> = fs::read_dir(runs.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{names:?}");
}

#[test]
fn an_index_of_a_newer_augtrial_is_refused_and_left_as_it_is() {
    let runs = tempfile::tempdir().unwrap();
    drop(open(runs.path()));
    let path = runs.path().join(INDEX_FILE);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 7).unwrap();
    db.close().unwrap();
    let before = fs::read(&path).unwrap();
    let error = Registry::lead(runs.path(), clock(0)).unwrap_err();
    assert!(matches!(error, RegistryError::NewerIndex { found: 7, known: 3, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_half_made_folder_is_no_run() {
    let runs = tempfile::tempdir().unwrap();
    drop(open(runs.path()));
    fs::create_dir(runs.path().join("trials/.new-abc")).unwrap();
    fs::create_dir(runs.path().join("trials/notes")).unwrap();
    assert!(open(runs.path()).list(&Filter::default()).unwrap().is_empty());
}

#[test]
fn a_copied_folder_is_set_aside_and_one_of_a_newer_format_stops_its_trial_alone() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let plan = plan("demo");
    let guard = begin(&registry, &plan, 0, 1);
    let dir = guard.dir().to_owned();
    drop((guard, registry));
    let copy = dir.with_file_name("00000000000000aa");
    fs::create_dir(&copy).unwrap();
    let header = fs::read_to_string(dir.join("header.json")).unwrap();
    fs::write(copy.join("header.json"), &header).unwrap();
    fs::write(dir.join("header.json"), header.replace("\"format\": 2", "\"format\": 3")).unwrap();
    let registry = open(runs.path());
    let problems: Vec<_> = registry.set_aside().unwrap().into_iter().map(|aside| aside.problem).collect();
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().any(|problem| problem.contains("the folder was renamed or copied")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("use a newer augtrial")), "{problems:?}");
    assert_eq!(registry.list(&Filter::default()).unwrap().len(), 0);
    let key = trial_key(&plan, Trial { arm: &plan.arms[0], seed: 1 });
    assert!(registry.trial_state(&key).is_err(), "what a newer program did is not done again");
    assert!(matches!(registry.folders().standing(&key), Err(RegistryError::NewerFormat { .. })));
    let other = trial_key(&plan, Trial { arm: &plan.arms[1], seed: 1 });
    assert_eq!(registry.trial_state(&other).unwrap().standing(), Standing::Planned);
}

#[test]
fn a_folder_without_runs_is_an_empty_registry_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let registry = Registry::open(&runs, clock(0)).unwrap();
    assert!(registry.list(&Filter::default()).unwrap().is_empty());
    assert_eq!(registry.query("select count(*) from runs", &QueryLimits::default()).unwrap().rows.len(), 1);
    assert!(matches!(registry.resolve("latest"), Err(RegistryError::NoRuns)));
    assert!(!runs.exists());
}

#[test]
fn an_index_in_memory_says_what_one_on_disk_says() {
    let runs = tempfile::tempdir().unwrap();
    three_runs(runs.path());
    let on_disk = open(runs.path()).dump().unwrap();
    let before = fs::read_dir(runs.path()).unwrap().count();
    let registry = Registry::in_memory(RunFolders::to_read(runs.path(), clock(0))).unwrap();
    assert_eq!(registry.dump().unwrap(), on_disk);
    let table = registry.query("select count(*) from runs", &QueryLimits::default()).unwrap();
    assert_eq!(table.rows[0][0].to_string(), "3");
    assert!(registry.query("delete from runs", &QueryLimits::default()).is_err());
    registry.catch_up().unwrap();
    assert_eq!(registry.list(&Filter::default()).unwrap().len(), 3, "it still can be written by its owner");
    assert_eq!(fs::read_dir(runs.path()).unwrap().count(), before);
}

#[test]
fn what_killed_processes_left_unfinished_is_removed_when_a_study_begins() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let (lost, old) = (guard.dir().to_owned(), std::time::Duration::from_hours(48));
    drop(guard);
    let held = begin(&registry, &plan("demo"), 0, 2);
    let leftovers = [
        runs.path().join("trials/.new-a"),
        runs.path().join(".replay-b"),
        lost.join(".new-c"),
        held.dir().join(".new-d"),
    ];
    for path in &leftovers {
        fs::write(path, b"half").unwrap();
        let at = std::time::UNIX_EPOCH + old;
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }
    drop(open(runs.path()));
    assert_eq!(leftovers.each_ref().map(|path| path.exists()), [false, false, false, true]);
}

#[test]
fn a_study_whose_name_would_leave_the_store_begins_nothing() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let plan = plan("../up");
    let trial = Trial { arm: &plan.arms[0], seed: 1 };
    let digest = Digest::of_bytes(b"");
    let sets = SetDigests { manifest: digest, split: digest, training: digest, validation: digest, test: digest };
    let begin = BeginRun { plan: &plan, trial, trial_key: digest, sets, provenance: provenance() };
    assert!(matches!(registry.folders().begin(&begin), Err(RegistryError::StudyName(_))));
    assert!(RunFolder::list(runs.path()).unwrap().is_empty());
}

#[test]
fn eight_writers_at_once_lose_nothing_though_some_are_killed() {
    const WRITERS: u64 = 8;
    let runs = tempfile::tempdir().unwrap();
    let plan = plan("demo");
    std::thread::scope(|scope| {
        for seed in 1..=WRITERS {
            let (path, plan) = (runs.path(), &plan);
            scope.spawn(move || {
                let registry = open(path);
                // All attempt the same trial too, so that attempts are contended.
                begin(&registry, plan, 0, 99).fail("on purpose").unwrap();
                let mut guard = begin(&registry, plan, 1, seed);
                if seed % 2 == 0 {
                    return complete(guard);
                }
                record_all(&mut guard, &start_events());
                train(&mut guard, 1, 2);
            });
        }
    });
    let registry = open(runs.path());
    let count = |status| registry.list(&Filter { status: Some(status), ..Filter::default() }).unwrap().len() as u64;
    assert_eq!(count(StatusKind::Failed), WRITERS);
    assert_eq!(count(StatusKind::Finished), WRITERS / 2);
    assert_eq!(count(StatusKind::Interrupted), WRITERS / 2);
    let contended = trial_key(&plan, Trial { arm: &plan.arms[0], seed: 99 });
    let attempts: Vec<_> =
        registry.trial_state(&contended).unwrap().failed.iter().map(|run| u64::from(run.attempt)).collect();
    assert_eq!(attempts, (1..=WRITERS).collect::<Vec<_>>());
    let epochs = registry.query("SELECT count(*) FROM epochs", &QueryLimits::default()).unwrap().rows[0][0].to_string();
    assert_eq!(epochs, (WRITERS / 2 * u64::from(EPOCHS) * 2 + WRITERS / 2 * 4).to_string());
    let live = registry.dump().unwrap();
    drop(registry);
    Registry::reindex(runs.path()).unwrap();
    assert_eq!(open(runs.path()).dump().unwrap(), live);
}
