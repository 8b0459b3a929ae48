//! Export, import, and what is refused.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::testing::*;
use augtrial_base::testing::{Mutation, fuzz};

/// A registry of one study with two finished runs, one of them with weights, and one that goes on.
fn study() -> (tempfile::TempDir, Registry) {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let plan = plan("demo");
    complete(begin(&registry, &plan, 0, 1));
    complete(begin(&registry, &plan, 1, 1));
    registry.write_study("demo", &plan.digest(), &"sheet").unwrap();
    registry.write_picture("demo", &plan.digest(), b"pixels").unwrap();
    (runs, registry)
}

fn runs_of(registry: &Registry) -> BTreeSet<RunId> {
    registry.runs_of(Some("demo")).unwrap().iter().map(|run| run.run).collect()
}

/// Everything that the runs of a registry say.
fn records(registry: &Registry) -> Vec<(crate::RunSummary, Vec<augtrial_base::events::Prediction>)> {
    let runs = registry.runs_of(Some("demo")).unwrap();
    runs.into_iter().map(|run| (run.clone(), registry.predictions(run.run).unwrap())).collect()
}

fn export(registry: &Registry, folder: &Path) -> PathBuf {
    let path = folder.join("demo.tar.zst");
    let exported = registry.export_records(&["demo".to_owned()], &runs_of(registry), &path, true).unwrap();
    assert_eq!((exported.runs, exported.unfinished), (2, 0));
    path
}

#[test]
fn another_registry_has_the_same_records_and_taking_them_in_again_changes_nothing() {
    let (_runs, registry) = study();
    let folder = tempfile::tempdir().unwrap();
    let path = export(&registry, folder.path());
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path());
    assert_eq!(other.import_records(&path).unwrap(), Imported { runs: 2, known: 0, studies: 1 });
    assert!(records(&other) == records(&registry), "equal but for the times of files");
    let sheet: Option<String> = other.read_study("demo", &plan("demo").digest()).unwrap();
    assert_eq!(sheet.as_deref(), Some("sheet"));
    assert_eq!(other.import_records(&path).unwrap(), Imported { runs: 0, known: 2, studies: 0 });
    for run in other.runs_of(Some("demo")).unwrap() {
        other.verify(run.run).unwrap();
    }
}

#[test]
fn pictures_stay_behind_if_that_is_asked_for() {
    let (_runs, registry) = study();
    let (folder, digest) = (tempfile::tempdir().unwrap(), augtrial_base::digest::Digest::of_bytes(b"pixels"));
    let plan = plan("demo").digest();
    for pictures in [true, false] {
        let path = folder.path().join(format!("{pictures}.tar.zst"));
        registry.export_records(&["demo".to_owned()], &runs_of(&registry), &path, pictures).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let other = open(elsewhere.path());
        assert_eq!(other.import_records(&path).unwrap(), Imported { runs: 2, known: 0, studies: 1 });
        assert_eq!(other.read_picture("demo", &plan, &digest).is_ok(), pictures);
    }
}

#[test]
fn the_same_records_give_the_same_bytes() {
    let (_runs, registry) = study();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = |folder: &Path| fs::read(export(&registry, folder)).unwrap();
    assert_eq!(bytes(one.path()), bytes(two.path()));
}

#[test]
fn an_archive_whose_name_says_so_is_gzipped_and_holds_the_same() {
    let (_runs, registry) = study();
    let folder = tempfile::tempdir().unwrap();
    let (usual, gzipped) = (export(&registry, folder.path()), folder.path().join("demo.tar.gz"));
    registry.export_records(&["demo".to_owned()], &runs_of(&registry), &gzipped, true).unwrap();
    let begins = |path: &Path, magic: &[u8]| fs::read(path).unwrap().starts_with(magic);
    // RFC 8878, 3.1.1: the magic number of a Zstandard frame.
    assert!(begins(&gzipped, &GZIP) && begins(&usual, &[0x28, 0xb5, 0x2f, 0xfd]));
    assert_eq!(names_in(&gzipped), names_in(&usual));
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(open(elsewhere.path()).import_records(&gzipped).unwrap(), Imported { runs: 2, known: 0, studies: 1 });
}

#[test]
fn weights_stay_behind_and_a_record_without_them_is_whole_and_one_without_anything_else_is_not() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    fs::write(guard.dir().join("weights.safetensors"), [7; 1000]).unwrap();
    let run = guard.run();
    complete_with(guard, &["weights.safetensors"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.tar.zst");
    registry.export_records(&[], &runs_of(&registry), &path, true).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path());
    assert_eq!(other.import_records(&path).unwrap().runs, 1);
    other.verify(run).unwrap();
    fs::remove_file(RunFolder::of(elsewhere.path(), run).file("predictions.jsonl")).unwrap();
    assert!(other.verify(run).unwrap_err().to_string().contains("predictions.jsonl is missing"));
}

/// Names of everything in an archive but its list, sorted.
fn names_in(path: &Path) -> BTreeSet<String> {
    let mut archive = tar::Archive::new(uncompressed(File::open(path).unwrap()).unwrap());
    let names =
        archive.entries().unwrap().map(|entry| String::from_utf8_lossy(&entry.unwrap().path_bytes()).into_owned());
    names.filter(|name| name != CONTENTS).collect()
}

#[test]
fn of_a_run_that_a_command_trained_the_record_travels_and_neither_its_weights_nor_its_folder() {
    let runs = tempfile::tempdir().unwrap();
    let registry = open(runs.path());
    let guard = begin(&registry, &plan("demo"), 0, 1);
    let run = guard.run();
    fs::create_dir(guard.dir().join("trainer")).unwrap();
    for name in ["trainer/train.rgb8", "seen.png", "trainer.json", TRAINER_WEIGHTS] {
        fs::write(guard.dir().join(name), [7; 1000]).unwrap();
    }
    complete_with(guard, &["trainer.json", TRAINER_WEIGHTS]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.tar.zst");
    registry.export_records(&[], &runs_of(&registry), &path, false).unwrap();
    let record = ["header.json", "plan.toml", "provenance.json", "events.jsonl", "predictions.jsonl", "done.json"];
    let expected = record.iter().chain(&["trainer.json"]).map(|name| format!("trials/{run}/{name}")).collect();
    assert_eq!(names_in(&path), expected);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path());
    assert_eq!(other.import_records(&path).unwrap().runs, 1);
    other.verify(run).unwrap();
    // What was taken in goes on to a third registry as it came.
    let again = folder.path().join("again.tar.zst");
    other.export_records(&[], &runs_of(&other), &again, false).unwrap();
    assert_eq!(fs::read(&again).unwrap(), fs::read(&path).unwrap());
}

#[test]
fn an_archive_is_replaced_and_every_other_file_is_left_as_it_is() {
    let (_runs, registry) = study();
    let folder = tempfile::tempdir().unwrap();
    let path = export(&registry, folder.path());
    let first = fs::read(&path).unwrap();
    assert_eq!(fs::read(export(&registry, folder.path())).unwrap(), first);
    let mut other = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    append(&mut other, "photo.png", 6, b"pixels".as_slice()).unwrap();
    let other = other.into_inner().unwrap().finish().unwrap();
    for content in [b"thesis".to_vec(), Vec::new(), other, first[..20].to_vec()] {
        fs::write(&path, &content).unwrap();
        let error = registry.export_records(&[], &runs_of(&registry), &path, true).unwrap_err();
        assert!(matches!(error, RegistryError::InTheWay { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    assert!(registry.export_records(&[], &runs_of(&registry), folder.path(), true).is_err(), "a folder");
}

#[test]
fn a_record_that_another_process_puts_in_place_meanwhile_is_compared_too() {
    let (runs, registry) = study();
    let run = *runs_of(&registry).first().unwrap();
    let theirs = RunFolder::of(runs.path(), run);
    for same in [true, false] {
        let elsewhere = tempfile::tempdir().unwrap();
        let ours = RunFolder::of(elsewhere.path(), run);
        fs::create_dir_all(ours.path()).unwrap();
        fs::copy(theirs.file(DONE), ours.file(DONE)).unwrap();
        if !same {
            fs::write(ours.file(DONE), "{}").unwrap();
        }
        let taken = take_run(&theirs, &ours, Path::new("demo.tar.zst"));
        match taken {
            Ok(taken) => assert!(same && !taken),
            Err(error) => assert!(!same && error.to_string().contains("with another record"), "{error}"),
        }
    }
}

#[test]
fn another_record_under_the_same_id_is_refused_and_nothing_is_taken_in() {
    let (_runs, registry) = study();
    let folder = tempfile::tempdir().unwrap();
    let path = export(&registry, folder.path());
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path());
    other.import_records(&path).unwrap();
    let runs = RunFolder::list(elsewhere.path()).unwrap();
    let done = RunFolder::of(elsewhere.path(), runs[0]).file(DONE);
    fs::write(&done, fs::read_to_string(&done).unwrap() + " ").unwrap();
    fs::remove_dir_all(RunFolder::of(elsewhere.path(), runs[1]).path()).unwrap();
    let error = other.import_records(&path).unwrap_err().to_string();
    assert!(error.contains("is here already, with another record"), "{error}");
    assert_eq!(RunFolder::list(elsewhere.path()).unwrap().len(), 1);
}

#[test]
fn only_the_places_of_records_are_written_to() {
    let run = "00000000000000ff";
    for inside in [format!("trials/{run}/done.json"), "studies/demo/abc/study.json".to_owned()] {
        assert!(is_inside(&inside), "{inside}");
    }
    for outside in [
        "../done.json",
        "/etc/passwd",
        "sets/abc/manifest.jsonl",
        "trials/x/done.json",
        "trials/00000000000000ff/../../up",
        "trials/00000000000000ff",
        "studies/../../up/x",
        "studies/demo/.new-x/y",
        "registry.sqlite",
    ] {
        assert!(!is_inside(outside), "{outside}");
    }
}

#[test]
fn no_change_of_an_archive_makes_its_reader_panic_or_is_taken_in() {
    let (_runs, registry) = study();
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(export(&registry, folder.path())).unwrap();
    let path = folder.path().join("changed.tar.zst");
    fuzz("changed archives of records", 60, &prop::collection::vec(Mutation::any(), 1..4), |changes| {
        let bytes = Mutation::all(&changes, &sound);
        fs::write(&path, &bytes).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let other = open(elsewhere.path());
        match other.import_records(&path) {
            // What comes behind the end of the archive, and names in headers that nobody reads, change no record.
            Ok(_) => prop_assert!(records(&other) == records(&registry)),
            Err(RegistryError::Archive { .. }) => {
                let left =
                    if trials(elsewhere.path()).is_dir() { RunFolder::list(elsewhere.path()).unwrap() } else { vec![] };
                prop_assert!(left.is_empty(), "a refused archive leaves nothing");
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
        Ok(())
    });
}
