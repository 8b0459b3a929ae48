//! Recording, resuming and closing runs.

use std::fs;
use std::io::Write as _;

use super::super::testing::*;
use super::super::{QueryLimits, Registry, Status};
use super::*;

/// The index says what the folders say.
fn assert_index_is_true(runs_dir: &Path, registry: Registry) {
    let live = registry.dump().unwrap();
    drop(registry);
    Registry::reindex(runs_dir).unwrap();
    assert_eq!(open(runs_dir).dump().unwrap(), live);
}

#[test]
fn a_whole_run_is_read_back_as_it_was_recorded() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    complete(guard);

    let events = registry.events(run).unwrap();
    let expected: Vec<_> =
        start_events().into_iter().chain((1..=EPOCHS).flat_map(epoch_events)).chain(end_events()).collect();
    assert_eq!(events, expected);
    assert_eq!(registry.predictions(run).unwrap(), predictions());
    let record = registry.show(&run.to_string()).unwrap();
    assert_eq!((record.status, record.counts, record.state.selected_epoch), (Status::Finished, true, Some(2)));
    assert_eq!(record.epochs.len(), 2 * EPOCHS as usize);
    assert_eq!(record.provenance, provenance());
    assert_index_is_true(runs.path(), registry);
}

#[test]
fn resuming_drops_what_came_after_the_checkpoint_and_doubles_nothing() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    record_all(&mut guard, &start_events());
    train(&mut guard, 1, 2);
    guard.record(&epoch_events(3)[0]).unwrap();
    drop(guard); // killed in epoch 3, and its last checkpoint to be read is that of epoch 1

    let mut guard = resume(&registry, run).unwrap();
    assert_eq!(guard.state().checkpoint_epoch, 2);
    let resumed = RunEvent::Resumed { at: AT.to_owned(), epoch: 1 };
    guard.record(&resumed).unwrap();
    assert_eq!((guard.state().epochs, guard.state().checkpoint_epoch, guard.state().resumes), (1, 1, 1));
    train(&mut guard, 2, EPOCHS);
    guard.write_predictions(&predictions()).unwrap();
    record_all(&mut guard, &end_events());
    guard.finish().unwrap();

    let mut expected: Vec<_> = start_events().into_iter().chain(epoch_events(1)).collect();
    expected.push(resumed);
    expected.extend((2..=EPOCHS).flat_map(epoch_events).chain(end_events()));
    assert_eq!(registry.events(run).unwrap(), expected);
    assert_eq!(
        registry.query("SELECT count(*) FROM epochs", &QueryLimits::default()).unwrap().rows[0][0].to_string(),
        "6"
    );
    assert_index_is_true(runs.path(), registry);
}

#[test]
fn a_run_killed_while_it_read_the_test_split_shows_both_openings() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    record_all(&mut guard, &start_events());
    train(&mut guard, 1, EPOCHS);
    record_all(&mut guard, &end_events()[..2]);
    drop(guard);

    let mut guard = resume(&registry, run).unwrap();
    guard.record(&RunEvent::Resumed { at: AT.to_owned(), epoch: EPOCHS }).unwrap();
    assert_eq!(guard.state().selected_epoch, None, "the selection is made again");
    record_all(&mut guard, &end_events());
    assert_eq!(guard.state().test_openings, 2);
    guard.write_predictions(&predictions()).unwrap();
    guard.finish().unwrap();
    let selections = registry.events(run).unwrap().into_iter();
    assert_eq!(selections.filter(|event| matches!(event, RunEvent::Selected { .. })).count(), 1);
}

#[test]
fn a_torn_last_line_is_passed_over_and_a_torn_line_before_it_is_an_error() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let (run, path) = (guard.run(), guard.dir().join("events.jsonl"));
    record_all(&mut guard, &start_events());
    drop(guard);
    let whole = fs::read_to_string(&path).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"epo").unwrap();
    assert_eq!(registry.events(run).unwrap(), start_events());

    let mut guard = resume(&registry, run).unwrap();
    guard.record(&epoch_events(1)[0]).unwrap();
    drop(guard);
    assert_eq!(registry.events(run).unwrap().len(), 3);

    fs::write(&path, format!("{{\"event\":\"epo\n{whole}")).unwrap();
    assert!(matches!(registry.events(run), Err(RegistryError::JsonLine { line: 1, .. })));
}

#[test]
fn what_a_newer_version_adds_is_passed_over_and_a_newer_format_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let (run, dir) = (guard.run(), guard.dir().to_owned());
    guard.record(&started()).unwrap();
    drop(guard);
    let events = format!("{{\"event\":\"started\",\"at\":\"{AT}\",\"new\":1}}\n{{\"event\":\"teleported\"}}\n");
    fs::write(dir.join("events.jsonl"), events).unwrap();
    assert_eq!(registry.events(run).unwrap(), [started()]);

    let header = fs::read_to_string(dir.join("header.json")).unwrap();
    fs::write(dir.join("header.json"), header.replacen('{', "{\"new\": {},", 1)).unwrap();
    assert_eq!(registry.show("latest").unwrap().header.run, run);
    fs::write(dir.join("header.json"), header.replace("\"format\": 2", "\"format\": 3")).unwrap();
    let newer = registry.show("latest");
    assert!(matches!(newer, Err(RegistryError::NewerFormat { found: 3, known: 2, .. })), "{newer:?}");
}

#[test]
fn a_number_that_is_not_finite_is_refused_before_anything_is_written() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    guard.record(&started()).unwrap();
    let metrics = augtrial_base::events::EpochMetrics { loss_nats: f64::NAN, ..metrics(1, Split::Train) };
    let error = guard.observe(&RunEvent::Epoch { metrics }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    guard.fail("the loss diverged").unwrap();
    let failed = RunEvent::Failed { at: AT.to_owned(), reason: "the loss diverged".to_owned() };
    assert_eq!(registry.events(run).unwrap(), [started(), failed]);
    assert_index_is_true(runs.path(), registry);
}

#[test]
fn after_a_failed_write_the_guard_takes_no_more_and_the_run_is_resumable() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    record_all(&mut guard, &start_events());
    // Predictions cannot replace a folder that is not empty: the write fails for a reason that root has too.
    let blocked = guard.dir().join("predictions.jsonl");
    fs::create_dir_all(blocked.join("in-the-way")).unwrap();
    let error = guard.write_predictions(&predictions()).unwrap_err();
    assert!(error.to_string().contains("predictions.jsonl"), "{error}");
    assert!(matches!(guard.record(&end_events()[0]), Err(RegistryError::Broken { .. })));
    assert!(matches!(guard.fail("disk"), Err(RegistryError::Broken { .. })));

    fs::remove_dir_all(blocked).unwrap();
    assert_eq!(registry.show("latest").unwrap().status, Status::Interrupted);
    resume(&registry, run).unwrap().record(&epoch_events(1)[0]).unwrap();
    assert_eq!(registry.events(run).unwrap().len(), 3);
}

#[test]
fn a_run_is_not_finished_before_it_says_so() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    record_all(&mut guard, &start_events());
    assert!(matches!(guard.finish(), Err(RegistryError::NotFinished { .. })));
    assert_eq!(registry.show(&run.to_string()).unwrap().status, Status::Interrupted);
}

#[test]
fn a_run_is_not_finished_without_everything_that_a_finished_run_has() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    record_whole(&mut guard);
    let (run, weights) = (guard.run(), guard.dir().join("weights"));
    assert!(matches!(guard.finish_with(&["weights"]), Err(RegistryError::Missing { .. })));
    assert_eq!(registry.show(&run.to_string()).unwrap().status, Status::Interrupted, "it can be resumed");

    let guard = resume(&registry, run).unwrap();
    fs::write(weights, b"weights").unwrap();
    guard.finish_with(&["weights"]).unwrap();
    let mut guard = begin(&registry, &plan("demo"), 0, 2);
    record_whole(&mut guard);
    guard.write_predictions(&predictions()[..1]).unwrap();
    assert!(matches!(guard.finish(), Err(RegistryError::NotFinished { .. })));
}

#[test]
fn a_long_reason_is_recorded_by_its_beginning_and_kept_whole_in_a_file_of_its_own() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let (run, dir) = (guard.run(), guard.dir().to_owned());
    let reason = "x".repeat(100_000);
    let recorded = guard.fail(&reason).unwrap();
    assert_eq!(recorded.chars().count(), REASON_CHARS);
    let found = registry.show(&run.to_string()).unwrap().status;
    assert_eq!(found, Status::Failed { reason: recorded });
    assert!(fs::metadata(dir.join("events.jsonl")).unwrap().len() < 1000);
    assert_eq!(fs::read_to_string(dir.join("failure.txt")).unwrap().trim(), reason);
    fs::write(dir.join("failure.txt"), b"another").unwrap();
    assert!(registry.verify(run).is_err(), "the file belongs to the record");
}

#[test]
fn whoever_meets_a_held_run_is_told_by_whom() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let error = registry.folders().resume(guard.run()).unwrap_err();
    let told = error.to_string();
    assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
    assert_eq!(registry.holder(guard.run()).unwrap().pid, std::process::id());
}
