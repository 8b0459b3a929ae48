//! What is found unneeded, what is not, and what keeps anything from being called so.

use super::*;
use crate::data::tests::{PLAN, within};

/// Makes `path` and everything above it, below `runs`, a day old.
fn put(runs: &Path, below: &str, bytes: usize) -> PathBuf {
    let path = runs.join(below);
    fs::create_dir_all(disk::parent(&path)).unwrap();
    fs::write(&path, vec![0; bytes]).unwrap();
    let old = SystemTime::from(Clock::System.now()) - ABANDONED * 2;
    for path in [path.as_path(), disk::parent(&path)] {
        fs::File::open(path).unwrap().set_modified(old).unwrap();
    }
    path
}

fn found(runs: &Path) -> Vec<(&'static str, String, u64)> {
    let workspace = Workspace { runs: runs.to_owned(), reports: PathBuf::new() };
    let found = unneeded(&workspace, Clock::System).unwrap();
    let name = |path: &Path| path.strip_prefix(runs).unwrap().display().to_string();
    found.iter().map(|found| (found.what, name(&found.path), found.bytes)).collect()
}

#[test]
fn what_no_record_refers_to_is_found_with_its_size_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    assert_eq!(found(&runs.join("nowhere")), []);
    let digest = |name: &str| Digest::of_bytes(name.as_bytes()).to_string();
    put(runs, &format!("sets/{}/manifest.jsonl", digest("set")), 10);
    put(runs, &format!("sets/{}.partial/done.jsonl", digest("half")), 20);
    put(runs, &format!("cache/{}.rgb8", digest("pixels")), 30);
    put(runs, &format!("synthetic/{}/SHA256SUMS", digest("rendered")), 40);
    put(runs, &format!("parquet/{}/images.csv", digest("shards")), 45);
    put(runs, "cache/.new-dead", 50);
    put(runs, "cache/notes.txt", 60);
    let expected = [
        ("decoded pixels", format!("cache/{}.rgb8", digest("pixels")), 30),
        ("extracted images", format!("parquet/{}", digest("shards")), 45),
        ("left by a killed process", "cache/.new-dead".to_owned(), 50),
        ("rendered images", format!("synthetic/{}", digest("rendered")), 40),
        ("set of no study", format!("sets/{}", digest("set")), 10),
        ("unfinished set", format!("sets/{}.partial", digest("half")), 20),
    ];
    assert_eq!(found(runs), expected);
    let workspace = Workspace { runs: runs.to_owned(), reports: PathBuf::new() };
    for unneeded in unneeded(&workspace, Clock::System).unwrap() {
        remove(&unneeded).unwrap();
    }
    assert_eq!(found(runs), []);
    assert!(runs.join("cache/notes.txt").is_file(), "what is not ours is left alone");
}

#[test]
fn of_images_that_were_kept_under_several_bounds_the_newest_file_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    let digest = Digest::of_bytes(b"pixels");
    let paths = [3, 10, 2].map(|kept| put(runs, &format!("cache/{digest}.first-{kept}.rgb8"), kept));
    put(runs, &format!("cache/{digest}.rgb8"), 100);
    let newest = SystemTime::from(Clock::System.now()) - YOUNG * 2;
    fs::File::open(&paths[1]).unwrap().set_modified(newest).unwrap();
    let cache = entries(&runs.join("cache")).unwrap();
    assert_eq!(earlier_bounds(&cache), [paths[0].clone(), paths[2].clone()].into());
}

#[test]
fn what_may_be_about_to_be_used_or_cannot_be_judged_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    let set = format!("sets/{}", Digest::of_bytes(b"set"));
    let manifest = put(runs, &format!("{set}/manifest.jsonl"), 1);
    fs::File::open(disk::parent(&manifest)).unwrap().set_modified(Clock::System.now().into()).unwrap();
    assert_eq!(found(runs), [], "it was made just now");
    put(runs, &format!("{set}/manifest.jsonl"), 1);
    let lock = fs::File::create(runs.join(format!("{set}.lock"))).unwrap();
    lock.lock().unwrap();
    assert_eq!(found(runs), [], "somebody is at work on it");
    lock.unlock().unwrap();
    assert_eq!(found(runs).len(), 1);
    put(runs, "studies/tiny/0badcafe0bad/study.json", 5);
    let workspace = Workspace { runs: runs.to_owned(), reports: PathBuf::new() };
    let error = unneeded(&workspace, Clock::System).unwrap_err();
    assert!(error.to_string().contains("study.json"), "a study that cannot be read may need it: {error}");
}

#[test]
fn a_batch_that_cannot_be_read_keeps_anything_from_being_called_unneeded_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    put(runs, &format!("cache/{}.rgb8", Digest::of_bytes(b"pixels")), 30);
    put(runs, "batches/tiny/.new-dead/tasks.jsonl", 5);
    assert_eq!(found(runs).len(), 2, "what a killed `submit` left is no batch");
    put(runs, "batches/tiny/0badcafe/batch.json", 5);
    let workspace = Workspace { runs: runs.to_owned(), reports: PathBuf::new() };
    let error = unneeded(&workspace, Clock::System).unwrap_err();
    let told = augtrial_base::words::chain(&error);
    assert!(told.contains("batches/tiny/0badcafe cannot be read") && told.contains("remove the folder"), "{told}");
}

#[test]
fn what_a_study_needs_that_has_no_run_yet_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    let plan = Plan::parse("tiny.toml", PLAN, PathBuf::new(), &[]).unwrap();
    within(runs, |context| {
        let draws = Draws::read(&plan, context).unwrap();
        draws.first().pool().unwrap();
        keep_needs(&draws, &Registry::lead(runs, Clock::System).unwrap()).unwrap();
    });
    let old = SystemTime::from(Clock::System.now()) - ABANDONED * 2;
    for path in ["cache", "synthetic"].into_iter().flat_map(|name| entries(&runs.join(name)).unwrap()) {
        fs::File::open(path).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(found(runs), []);
    let needs = runs.join("studies/tiny").join(plan.digest().short()).join(NEEDS);
    let bytes = fs::read(&needs).unwrap();
    fs::write(&needs, &bytes[1..]).unwrap();
    let workspace = Workspace { runs: runs.to_owned(), reports: PathBuf::new() };
    let error = unneeded(&workspace, Clock::System).unwrap_err();
    assert!(error.to_string().contains(NEEDS), "{error}");
    fs::remove_file(&needs).unwrap();
    let whats: Vec<&str> = found(runs).iter().map(|(what, ..)| *what).collect();
    assert_eq!(whats, ["decoded pixels", "rendered images"]);
}
