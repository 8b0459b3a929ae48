//! What nothing refers to any more: sets without a study, decoded pixels and rendered images of no plan, and what killed processes
//! left unfinished. Nothing of it is part of a record, and all of it is made anew when it is needed.
//!
//! A study refers to its sets in `study.json`, a batch in `sets.jsonl`; a plan, which every run has, to the rendered images and
//! decoded pixels that it is trained on, and by its recipes to the evaluation sets that are made of test images. A study that makes
//! its sets may have no run for hours: what its plan refers to stands in `needs.json` from its start. Where one of these cannot be
//! read, nothing is called unneeded. Folders of evaluation sets are decoded anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::data::synthetic_digest;
use super::places::Batch;
use super::prepared::Draws;
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

/// Beside `study.json`: what a study needs, as far as its data and its plan tell.
const NEEDS: &str = "needs.json";

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

/// Keeps beside the study's record what its data and its plan refer to, before there is a run that has the plan.
pub(super) fn keep_needs(draws: &Draws<'_>, registry: &Registry) -> Result<(), StudyError> {
    let (plan, data) = (draws.plan, &draws.first().data);
    let mut needed = Needed::default();
    needed.plan(plan, Some(&data.manifest));
    data.folders.iter().for_each(|folder| needed.images(plan, &folder.manifest));
    let json = serde_json::to_vec(&needed).expect("digests have a JSON form");
    registry.write_study_file(&plan.study.name, &plan.digest(), NEEDS, &json)?;
    Ok(())
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
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Needed {
    sets: BTreeSet<Digest>,
    /// Files of decoded pixels.
    pixels: BTreeSet<Digest>,
    rendered: BTreeSet<Digest>,
    /// An image of each plan whose data set is extracted from shards: the folder that has it has the others.
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
        for folder in plans_of_studies(runs)? {
            let sheet: Option<StudySheet> = read(&folder.join("study.json"))?;
            for arm in sheet.into_iter().flat_map(|sheet| sheet.arms) {
                needed.sets.extend(arm.sets.into_iter().chain(arm.gated_from));
                needed.sets.extend(arm.redrawn.into_iter().flat_map(|redrawn| redrawn.sets));
            }
            if let Some(needs) = read(&folder.join(NEEDS))? {
                needed.add(needs);
            }
        }
        for folder in Batch::folders(runs, None)? {
            let unreadable = |error| StudyError::UnreadableBatch { folder: folder.clone(), source: Box::new(error) };
            needed.batch(&folder).map_err(unreadable)?;
        }
        needed.evaluation_sets(&runs.join("sets"))?;
        needed.pixels_of_sets(&runs.join("sets"));
        Ok(needed)
    }

    fn add(&mut self, other: Self) {
        self.sets.extend(other.sets);
        self.pixels.extend(other.pixels);
        self.rendered.extend(other.rendered);
        self.extracted.extend(other.extracted);
        self.recipes.extend(other.recipes);
    }

    fn batch(&mut self, folder: &Path) -> Result<(), StudyError> {
        let batch = Batch::open(folder)?;
        let assignment = batch.assignment()?;
        let plan = assignment.plan()?;
        self.plan(&plan, Some(&assignment.manifest));
        assignment.beside.folders.iter().for_each(|folder| self.images(&plan, &folder.manifest));
        self.sets.extend(batch.set_tasks()?.into_iter().flat_map(|task| task.sets));
        Ok(())
    }

    fn plan(&mut self, plan: &Plan, manifest: Option<&Manifest>) {
        if let Dataset::Synthetic(synthetic) = plan.dataset {
            self.rendered.insert(synthetic_digest(synthetic));
        }
        self.recipes.extend(further::recipes(plan));
        if let (Dataset::Parquet(_), Some(manifest)) = (&plan.dataset, manifest) {
            self.extracted.extend(manifest.images.first().map(|image| image.digest));
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

/// The folder of every study under every plan.
fn plans_of_studies(runs: &Path) -> Result<Vec<PathBuf>, StudyError> {
    let mut plans = Vec::new();
    for study in entries(&runs.join("studies"))? {
        plans.extend(entries(&study)?.into_iter().filter(|plan| plan.is_dir()));
    }
    Ok(plans)
}

/// The value in a JSON file; nothing if it is not there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StudyError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(at(path))?,
    };
    let wrong = |source: serde_json::Error| StudyError::Read { path: path.to_owned(), source: source.into() };
    serde_json::from_slice(&bytes).map(Some).map_err(wrong)
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
mod tests;
