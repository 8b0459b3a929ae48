//! Lists and trials.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::record::{Done, Header};
use crate::testing::*;
use augtrial_base::events::{RunEvent, Split};

#[test]
fn a_list_is_filtered_and_newest_first() {
    let runs = tempfile::tempdir().unwrap();
    let [finished, failed, lost] = three_runs(runs.path());
    let registry = open(runs.path());
    let list =
        |filter: &Filter| -> Vec<RunId> { registry.list(filter).unwrap().into_iter().map(|run| run.run).collect() };
    let all = Filter::default;
    assert_eq!(list(&all()), [lost, failed, finished]);
    assert_eq!(list(&Filter { arm: Some("plain".to_owned()), ..all() }), [lost, finished]);
    assert_eq!(list(&Filter { seed: Some(1), ..all() }), [failed, finished]);
    assert_eq!(list(&Filter { seed: Some(u64::MAX), ..all() }), []);
    assert_eq!(list(&Filter { study: Some("other".to_owned()), ..all() }), []);
    assert_eq!(list(&Filter { counted: true, ..all() }), [finished]);
    for (kind, run) in [("finished", finished), ("failed", failed), ("interrupted", lost)] {
        assert_eq!(list(&Filter { status: Some(kind.parse().unwrap()), ..all() }), [run]);
    }
}

#[test]
fn the_index_gives_every_measurement_back_as_it_was_recorded() {
    let runs = tempfile::tempdir().unwrap();
    let [finished, failed, _] = three_runs(runs.path());
    let registry = open(runs.path());
    let expected: Vec<_> =
        (1..=EPOCHS).flat_map(|epoch| [Split::Train, Split::Validation].map(|split| metrics(epoch, split))).collect();
    assert_eq!(registry.epochs(finished).unwrap(), expected);
    assert_eq!(registry.epochs(failed).unwrap(), []);
}

#[test]
fn runs_are_of_one_study_or_of_all_and_a_typo_is_met_with_the_nearest_name() {
    let runs = tempfile::tempdir().unwrap();
    three_runs(runs.path());
    let registry = open(runs.path());
    begin(&registry, &plan("other"), 0, 1).fail("on purpose").unwrap();
    assert_eq!(registry.runs_of(None).unwrap().len(), 4);
    assert_eq!(registry.runs_of(Some("demo")).unwrap().len(), 3);
    let error = registry.runs_of(Some("dem")).unwrap_err();
    assert!(matches!(error, RegistryError::UnknownStudy { nearest, .. } if nearest == ["demo"]));
}

#[test]
fn a_registry_opened_for_reading_writes_nothing_and_sees_what_others_write() {
    let runs = tempfile::tempdir().unwrap();
    assert!(Registry::open_read_only(runs.path()).unwrap().is_none());
    assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 0, "looking makes nothing");
    let registry = open(runs.path());
    let mut guard = begin(&registry, &plan("demo"), 0, 1);
    let look = Registry::open_read_only(runs.path()).unwrap().unwrap();
    record_all(&mut guard, &start_events());
    train(&mut guard, 1, 2);
    assert_eq!(look.epochs(guard.run()).unwrap().len(), 4);
    let listed = &look.list(&Filter::default()).unwrap()[0];
    assert_eq!((&listed.status, listed.epochs, listed.total_epochs), (&Status::Running, 2, Some(EPOCHS)));
    let trial = look.trial_state(&guard.header().trial_key).unwrap();
    assert_eq!(trial.standing(), Standing::Running { run: guard.run() });
}

#[test]
fn a_run_that_ended_since_it_was_indexed_counts_for_those_who_only_look() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let mut guard = begin_in(registry.folders(), &plan("demo"), 0, 1);
    registry.index(guard.run()).unwrap();
    let (run, key) = (guard.run(), guard.header().trial_key);
    record_whole(&mut guard);
    guard.finish().unwrap();
    let look = Registry::open_read_only(runs.path()).unwrap().unwrap();
    assert_eq!(look.trial_state(&key).unwrap().standing(), Standing::Finished { run });
}

#[test]
fn what_a_run_made_of_its_images_comes_in_their_order() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    complete(begin(&registry, &plan("demo"), 0, 1));
    let run = registry.resolve("latest").unwrap();
    let expected: Vec<_> = predictions().iter().map(Classified::of).collect();
    assert_eq!(registry.classified(run).unwrap(), expected);
}

/// A finished run's folder, written without syncing.
fn write_folder(runs_dir: &Path, seed: u64, epochs: u32) {
    let plan = plan("large");
    let key = Digest::of_value("test-trial", &seed);
    let run = RunId::derive(&key, 1);
    let dir = runs_dir.join("trials").join(run.to_string());
    fs::create_dir_all(&dir).unwrap();
    let digest = Digest::of_bytes(b"set");
    let sets =
        crate::SetDigests { manifest: digest, split: digest, training: digest, validation: digest, test: digest };
    let header = Header {
        format: 1,
        run,
        study: "large".to_owned(),
        arm: "plain".to_owned(),
        role: Role::Control,
        seed,
        attempt: 1,
        trial_key: key,
        plan: plan.digest(),
        sets,
        protocol: Protocol::LeakFree,
        synthetic: true,
        created_at: AT.to_owned(),
    };
    let events: Vec<RunEvent> =
        start_events().into_iter().chain((1..=epochs).flat_map(epoch_events)).chain(end_events()).collect();
    let lines: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    let done = Done::Finished { at: AT.to_owned(), summary: RunState::after(&events) };
    fs::write(dir.join("header.json"), serde_json::to_string(&header).unwrap()).unwrap();
    fs::write(dir.join("provenance.json"), "{}").unwrap();
    fs::write(dir.join("plan.toml"), plan.to_toml()).unwrap();
    fs::write(dir.join("events.jsonl"), lines).unwrap();
    let predictions: String =
        predictions().iter().map(|prediction| serde_json::to_string(prediction).unwrap() + "\n").collect();
    fs::write(dir.join("predictions.jsonl"), predictions).unwrap();
    fs::write(dir.join("done.json"), serde_json::to_string(&done).unwrap()).unwrap();
}

#[test]
#[ignore = "writes a thousand run folders; run it by name to see how long a list takes"]
fn a_thousand_runs_of_a_hundred_epochs_are_listed_in_a_fifth_of_a_second() {
    let runs = tempfile::tempdir().unwrap();
    (0..1000).for_each(|seed| write_folder(runs.path(), seed, 100));
    let start = Instant::now();
    assert_eq!(Registry::reindex(runs.path()).unwrap(), 1000);
    eprintln!("reindex: {:?}", start.elapsed());
    let start = Instant::now();
    let registry = open(runs.path());
    eprintln!("open: {:?}", start.elapsed());
    let start = Instant::now();
    let listed = registry.list(&Filter::default()).unwrap();
    let elapsed = start.elapsed();
    eprintln!("list: {elapsed:?}");
    assert!(listed.len() == 1000 && listed.iter().all(|run| run.counts));
    assert!(elapsed < Duration::from_millis(200), "{elapsed:?}");
    let start = Instant::now();
    assert_eq!(registry.study("large").unwrap().runs.len(), 1000);
    eprintln!("study: {:?}", start.elapsed());
}
