//! What nothing refers to any more: sets without a study, decoded pixels and rendered images of no plan, and what killed processes
//! left unfinished. Nothing of it is part of a record, and all of it is made anew when it is needed.
//!
//! A study refers to its sets in `study.json`, a batch in `sets.jsonl`; a plan, which every run has, to the rendered images and
//! decoded pixels that it is trained on, and by its recipes to the evaluation sets that are made of test images. Where one of these
//! cannot be read, nothing is called unneeded. Folders of evaluation sets are decoded anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::data::synthetic_digest;
use super::places::{Batch, BatchError};
use super::sheet::StudySheet;
use super::{StudyError, Workspace, further, sets};
use augtrial_augment::store;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_data::cache::{Picture, Working};
use augtrial_data::extract;
use augtrial_data::manifest::Manifest;
use augtrial_plan::Plan;
use augtrial_plan::dataset::Dataset;
use augtrial_registry::{Filter, Registry};

/// What was changed so lately may be about to be used.
const YOUNG: Duration = Duration::from_hours(1);
/// A set in the making is continued by the next run, and so is kept for longer.
const ABANDONED: Duration = Duration::from_hours(24);

/// Something that can be removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unneeded {
    /// What it is, e.g. `set of no study`.
    pub what: &'static str,
    pub path: PathBuf,
    pub bytes: u64,
}

/// Everything below the runs that nothing refers to, sorted.
///
/// # Errors
/// If a record that might refer to something cannot be read.
pub fn unneeded(workspace: &Workspace, clock: Clock) -> Result<Vec<Unneeded>, StudyError> {
    let runs = &workspace.runs;
    if !runs.is_dir() {
        return Ok(Vec::new());
    }
    let needed = Needed::of(workspace, clock)?;
    let mut found = Vec::new();
    for folder in folders(runs).map_err(at(runs))? {
        let abandoned = disk::abandoned(&folder).map_err(at(&folder))?;
        found.extend(abandoned.into_iter().map(|path| ("left by a killed process", path)));
    }
    for path in entries(&runs.join("sets"))? {
        let (stem, unfinished) = (stem(&path), has_ending(&path, "partial"));
        let is_set = path.is_dir() && stem.is_some_and(|set| !needed.sets.contains(&set));
        if is_set && is_older(&path, if unfinished { ABANDONED } else { YOUNG }) && !is_in_work(&path) {
            found.push((if unfinished { "unfinished set" } else { "set of no study" }, path));
        }
    }
    let cache = entries(&runs.join("cache"))?;
    let earlier_bounds = earlier_bounds(&cache);
    for path in cache {
        let unneeded = |digest| !needed.pixels.contains(&digest) || earlier_bounds.contains(&path);
        if has_ending(&path, "rgb8") && stem(&path).is_some_and(unneeded) && is_older(&path, YOUNG) {
            found.push(("decoded pixels", path));
        }
    }
    for path in entries(&runs.join("synthetic"))? {
        let unneeded = path.is_dir() && stem(&path).is_some_and(|digest| !needed.rendered.contains(&digest));
        if unneeded && is_older(&path, YOUNG) {
            found.push(("rendered images", path));
        }
    }
    for path in entries(&runs.join("parquet"))? {
        let unneeded =
            path.is_dir() && stem(&path).is_some() && extract::images_of(&path).is_disjoint(&needed.extracted);
        if unneeded && is_older(&path, YOUNG) {
            found.push(("extracted images", path));
        }
    }
    let mut found: Vec<Unneeded> = found
        .into_iter()
        .map(|(what, path)| Ok(Unneeded { what, bytes: bytes_of(&path).map_err(at(&path))?, path }))
        .collect::<Result<_, StudyError>>()?;
    found.sort();
    Ok(found)
}

/// Removes it. What is gone already is no error.
///
/// # Errors
/// Whatever the system gives.
pub fn remove(unneeded: &Unneeded) -> Result<(), StudyError> {
    match disk::discard(&unneeded.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StudyError::Remove { path: unneeded.path.clone(), source: error })
        }
        _ => Ok(()),
    }
}

/// Files that hold the first images of as many pictures as a later file does, which was written under another `cache_gb`.
fn earlier_bounds(cache: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut newest: BTreeMap<Digest, (SystemTime, &PathBuf)> = BTreeMap::new();
    let mut earlier = BTreeSet::new();
    for path in cache.iter().filter(|path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains('.'))) {
        let (Some(digest), Ok(changed)) = (stem(path), path.metadata().and_then(|found| found.modified())) else {
            continue;
        };
        match newest.get_mut(&digest) {
            Some(known) if known.0 >= changed => _ = earlier.insert(path.clone()),
            Some(known) => _ = earlier.insert(std::mem::replace(known, (changed, path)).1.clone()),
            None => _ = newest.insert(digest, (changed, path)),
        }
    }
    earlier
}

/// What records refer to.
#[derive(Default)]
struct Needed {
    sets: BTreeSet<Digest>,
    /// Files of decoded pixels.
    pixels: BTreeSet<Digest>,
    rendered: BTreeSet<Digest>,
    /// Images of plans whose data set is extracted from shards.
    extracted: BTreeSet<Digest>,
    /// Of evaluation sets that are made of test images.
    recipes: BTreeSet<Digest>,
}

impl Needed {
    fn of(workspace: &Workspace, clock: Clock) -> Result<Self, StudyError> {
        let runs = &workspace.runs;
        let mut needed = Self::default();
        let registry = Registry::open(runs, clock)?;
        let all = registry.list(&Filter::default())?;
        let plans: BTreeSet<(String, Digest)> = all.into_iter().map(|run| (run.study, run.plan)).collect();
        for (study, plan) in plans {
            let Some(toml) = registry.plan_toml(&plan)? else { continue };
            let parsed = Plan::parse(&study, &toml, PathBuf::new(), &[])?;
            let sheet: Option<StudySheet> = registry.read_study(&study, &plan)?;
            needed.plan(&parsed, sheet.as_ref().map(|sheet| &sheet.manifest));
        }
        for path in sheets(runs)? {
            let bytes = fs::read(&path).map_err(at(&path))?;
            let wrong = |source: serde_json::Error| StudyError::Read { path: path.clone(), source: source.into() };
            let sheet: StudySheet = serde_json::from_slice(&bytes).map_err(wrong)?;
            for arm in sheet.arms {
                needed.sets.extend(arm.sets.into_iter().chain(arm.gated_from));
                needed.sets.extend(arm.redrawn.into_iter().flat_map(|redrawn| redrawn.sets));
            }
        }
        match Batch::of_study(runs, None) {
            Err(BatchError::Nothing { .. }) => {}
            batches => {
                for batch in batches? {
                    let assignment = batch.assignment()?;
                    let plan = assignment.plan()?;
                    needed.plan(&plan, Some(&assignment.manifest));
                    assignment.beside.folders.iter().for_each(|folder| needed.images(&plan, &folder.manifest));
                    needed.sets.extend(batch.set_tasks()?.into_iter().flat_map(|task| task.sets));
                }
            }
        }
        needed.evaluation_sets(&runs.join("sets"))?;
        needed.pixels_of_sets(&runs.join("sets"));
        Ok(needed)
    }

    fn plan(&mut self, plan: &Plan, manifest: Option<&Manifest>) {
        if let Dataset::Synthetic(synthetic) = plan.dataset {
            self.rendered.insert(synthetic_digest(synthetic));
        }
        self.recipes.extend(further::recipes(plan));
        if let (Dataset::Parquet(_), Some(manifest)) = (&plan.dataset, manifest) {
            self.extracted.extend(manifest.images.iter().map(|image| image.digest));
        }
        if let Some(manifest) = manifest {
            self.images(plan, manifest);
        }
    }

    /// Decoded images of a manifest.
    fn images(&mut self, plan: &Plan, manifest: &Manifest) {
        self.pixels.insert(sets::working(plan).digest(&Picture::of_records(Path::new(""), &manifest.images)));
    }

    /// Sets that were made as a plan's evaluation sets are: no record names them.
    fn evaluation_sets(&mut self, folder: &Path) -> Result<(), StudyError> {
        if self.recipes.is_empty() {
            return Ok(());
        }
        for path in entries(folder)? {
            let Some(digest) = stem(&path).filter(|digest| !self.sets.contains(digest)) else { continue };
            let Ok(set) = store::open(&path) else { continue };
            if set.images.first().is_some_and(|image| self.recipes.contains(&image.lineage.recipe)) {
                self.sets.insert(digest);
            }
        }
        Ok(())
    }

    /// Pixels of the sets that are needed. A set that cannot be read is made anew, and its pixels with it.
    fn pixels_of_sets(&mut self, folder: &Path) {
        for digest in &self.sets {
            let Ok(set) = store::open(&folder.join(digest.to_string())) else { continue };
            let picture = |image: &store::DerivedImage| Picture { file: PathBuf::new(), digest: image.digest };
            let pictures: Vec<Picture> = set.images.iter().map(picture).collect();
            let working = Working { width_px: set.width_px, height_px: set.height_px, max_pixels: 0 };
            self.pixels.insert(working.digest(&pictures));
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StudyError {
    move |source| StudyError::Read { path: path.to_owned(), source }
}

/// Every folder that the program fills: the runs' own, those in it, and those of single runs.
fn folders(runs: &Path) -> io::Result<Vec<PathBuf>> {
    let below = |folder: &Path| -> io::Result<Vec<PathBuf>> {
        let mut found = disk::entries(folder)?;
        found.retain(|path| path.is_dir());
        Ok(found)
    };
    let names = ["trials", "sets", "cache", "synthetic", "parquet", "studies", "batches", "audit", "quality"];
    let mut folders = vec![runs.to_owned()];
    folders.extend(names.map(|name| runs.join(name)));
    folders.extend(below(&runs.join("trials"))?);
    for name in ["studies", "batches"] {
        for study in below(&runs.join(name))? {
            folders.extend(below(&study)?);
            folders.push(study);
        }
    }
    Ok(folders)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StudyError> {
    disk::entries(folder).map_err(at(folder))
}

/// `study.json` of every study under every plan.
fn sheets(runs: &Path) -> Result<Vec<PathBuf>, StudyError> {
    let mut sheets = Vec::new();
    for study in entries(&runs.join("studies"))? {
        sheets.extend(entries(&study)?.into_iter().map(|plan| plan.join("study.json")).filter(|sheet| sheet.is_file()));
    }
    Ok(sheets)
}

/// The digest that a name begins with, up to its first dot.
fn stem(path: &Path) -> Option<Digest> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found == ending)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let now = SystemTime::from(Clock::System.now());
    let changed = path.metadata().and_then(|found| found.modified());
    changed.is_ok_and(|changed| now.duration_since(changed).is_ok_and(|found| found >= age))
}

/// Whether somebody makes this set.
fn is_in_work(set: &Path) -> bool {
    let lock = set.with_extension("lock");
    if disk::shared_file_system(set).is_some() {
        return !matches!(disk::lease_state(&lock), Ok(disk::LeaseState::New | disk::LeaseState::Free));
    }
    lock.exists() && !matches!(disk::lock(&lock, || true), Ok(Some(_)))
}

fn bytes_of(path: &Path) -> io::Result<u64> {
    let found = path.symlink_metadata()?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    fs::read_dir(path)?.map(|entry| bytes_of(&entry?.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
