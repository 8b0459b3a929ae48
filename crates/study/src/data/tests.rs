//! Tests of what a study finds of its data on disk: complete, damaged, or in the making.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Barrier, Mutex};

use super::*;
use crate::Workspace;
use crate::prepared::Draws;
use crate::sets::Pool;
use augtrial_base::progress::{Progress, Shown};

pub(crate) const PLAN: &str = r#"
[study]
name = "tiny"
seeds = [1]
[dataset.synthetic]
images = 72
width_px = 16
height_px = 12
[ingest]
width_px = 16
height_px = 12
[classifier]
budget = { epochs = 1 }
input = { width_px = 32, height_px = 32 }
[[arm]]
name = "control"
role = "control"
[[arm]]
name = "noise"
[[arm.offline]]
copies = 1
apply = [{ gaussian_noise = {} }]
"#;

fn plan() -> Plan {
    Plan::parse("tiny.toml", PLAN, PathBuf::new(), &[]).unwrap()
}

/// Does something in a workspace; returns the notes that were shown, too.
pub fn within<T>(runs: &Path, work: impl FnOnce(&Context<'_>) -> T) -> (T, Vec<String>) {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&notes);
    let progress = Progress::relayed(move |shown| {
        if let Shown::Note(line) = shown {
            sink.lock().unwrap().push(line);
        }
    });
    let workspace = Workspace { runs: runs.to_owned(), reports: runs.join("reports") };
    let (stop, save) = (AtomicBool::new(false), AtomicBool::new(false));
    let context = Context::new(&workspace, &progress, &stop, &save);
    let result = work(&context);
    let notes = notes.lock().unwrap().clone();
    (result, notes)
}

/// Every file below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_rendered_data_set_that_lacks_files_is_made_anew_and_it_is_said() {
    let runs = tempfile::tempdir().unwrap();
    let plan = plan();
    let read = || within(runs.path(), |context| StudyData::read(&plan, context).unwrap().manifest);
    let (whole, notes) = read();
    assert_eq!((whole.images.len(), notes.len()), (72, 0));
    assert!(whole.ignored.iter().all(|file| file.path != CHECKSUMS));
    let images = files(&runs.path().join("synthetic"), ".png");
    for image in &images[..3] {
        fs::remove_file(image).unwrap();
    }
    let (mended, notes) = read();
    assert_eq!(mended, whole);
    assert!(matches!(&notes[..], [note] if note.contains("made anew") && note.ends_with("is missing")), "{notes:?}");
    fs::write(&images[5], b"another").unwrap();
    let (mended, notes) = read();
    assert!(mended == whole && notes[0].ends_with("has another content than was written"), "{notes:?}");
    assert_eq!(read().1, [] as [String; 0]);
}

#[test]
fn of_four_first_starts_at_once_each_has_the_data() {
    let runs = tempfile::tempdir().unwrap();
    let (plan, barrier) = (plan(), Barrier::new(4));
    let manifests: Vec<Arc<Manifest>> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            within(runs.path(), |context| StudyData::read(&plan, context).unwrap().manifest).0
        };
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(manifests.iter().all(|manifest| manifest.images.len() == 72 && *manifest == manifests[0]));
}

#[test]
fn a_set_is_never_made_from_a_damaged_cache() {
    let plan = plan();
    let make = |runs: &Path| {
        within(runs, |context| {
            let draws = Draws::read(&plan, context).unwrap();
            let sets = draws.first().sets_of(&plan.arms[1]).unwrap().sets;
            sets[0].set.images.iter().map(|image| image.digest).collect::<Vec<_>>()
        })
    };
    let (sound, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (expected, _) = make(sound.path());
    within(damaged.path(), |context| {
        let data = StudyData::read(&plan, context).unwrap();
        drop(Pool::open(&plan, &data, context).unwrap());
    });
    let [cache] = &files(damaged.path(), ".rgb8")[..] else { panic!("one cache") };
    let bytes = fs::read(cache).unwrap();
    fs::write(cache, bytes.iter().map(|byte| byte ^ 0xFF).collect::<Vec<_>>()).unwrap();
    let (made, notes) = make(damaged.path());
    assert_eq!(made, expected);
    assert!(notes.iter().any(|note| note.contains("decoded pixels are made anew")), "{notes:?}");
}
