//! The registry: where runs begin, are resumed, and are found again.
//!
//! Which attempt counts: **of a trial's attempts, the one that finished first counts** (by the time in `done.json`, then by
//! attempt number). Failed and lost attempts never count, and no later attempt replaces one that counts, so that
//! nobody can run a trial again until its number pleases.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RegistryError;
use super::files;
use super::folder::RunFolder;
use super::id::{RunId, check_study_name};
use super::index::Index;
use super::provenance::Provenance;
use super::record::{Header, RECORD_FORMAT, SetDigests};
use super::recorder::RunGuard;
use crate::clock::{Clock, rfc3339};
use crate::digest::Digest;
use crate::events::{Prediction, RunEvent};
use crate::plan::dataset::Dataset;
use crate::plan::{Plan, Trial};

const INDEX_FILE: &str = "registry.sqlite";
const LOCK_FILE: &str = "registry.lock";

/// All runs below one folder.
#[derive(Debug)]
pub struct Registry {
    pub(super) runs_dir: PathBuf,
    pub(super) index: Index,
    clock: Clock,
    store: Arc<File>,
}

/// What begins: an attempt at a trial of a plan.
#[derive(Clone, Debug)]
pub struct BeginRun<'a> {
    pub plan: &'a Plan,
    pub trial: Trial<'a>,
    /// Digest of everything that decides the result.
    pub trial_key: Digest,
    pub sets: SetDigests,
    pub provenance: Provenance,
}

impl Registry {
    /// Opens the registry in `runs_dir`, creating it if need be, and brings its index up to date with the run folders.
    ///
    /// # Errors
    /// If the folder cannot be used, a run folder is damaged, or the index was made by a newer augtrial.
    pub fn open(runs_dir: &Path, clock: Clock) -> Result<Self, RegistryError> {
        RunFolder::prepare(runs_dir)?;
        let store = open_store_lock(runs_dir)?;
        store.lock_shared().map_err(RegistryError::io("lock", &runs_dir.join(LOCK_FILE)))?;
        let mut index = Index::open(&runs_dir.join(INDEX_FILE))?;
        index.catch_up(runs_dir)?;
        Ok(Self { runs_dir: runs_dir.to_owned(), index, clock, store: Arc::new(store) })
    }

    /// Rebuilds the index from the run folders alone, and gives the number of runs. The old index may be damaged.
    ///
    /// # Errors
    /// [`RegistryError::InUse`] while any registry or run is open in `runs_dir`; else whatever reading or writing gives,
    /// and the old index stays.
    pub fn reindex(runs_dir: &Path) -> Result<usize, RegistryError> {
        RunFolder::prepare(runs_dir)?;
        let lock_path = runs_dir.join(LOCK_FILE);
        let store = open_store_lock(runs_dir)?;
        match store.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RegistryError::InUse { path: runs_dir.join(INDEX_FILE) }),
            Err(TryLockError::Error(error)) => return Err(RegistryError::io("lock", &lock_path)(error)),
        }
        let draft = tempfile::Builder::new().prefix(".reindex-").tempdir_in(runs_dir);
        let draft = draft.map_err(RegistryError::io("create a folder in", runs_dir))?;
        let fresh = draft.path().join(INDEX_FILE);
        Index::build(&fresh, runs_dir)?;
        swap_index(&fresh, runs_dir)?;
        Ok(RunFolder::list(runs_dir)?.len())
    }

    /// Begins the next attempt at a trial: a new folder, locked for as long as the guard lives.
    ///
    /// # Errors
    /// If the study's name is not usable, or the folder or the index cannot be written.
    pub fn begin(&self, begin: &BeginRun<'_>) -> Result<RunGuard, RegistryError> {
        let plan_toml = begin.plan.to_toml();
        let mut attempt = 1;
        loop {
            let header = self.header(begin, attempt)?;
            if !RunFolder::of(&self.runs_dir, header.run).exists() {
                let made = RunFolder::create(&self.runs_dir, &header, &plan_toml, &begin.provenance)?;
                if let Some((folder, lock)) = made {
                    return RunGuard::open(folder, lock, self.second_index()?, self.clock, Arc::clone(&self.store));
                }
            }
            attempt += 1;
        }
    }

    fn header(&self, begin: &BeginRun<'_>, attempt: u32) -> Result<Header, RegistryError> {
        let BeginRun { plan, trial, trial_key, sets, provenance: _ } = begin;
        Ok(Header {
            format: RECORD_FORMAT,
            run: RunId::derive(trial_key, attempt),
            study: check_study_name(&plan.study.name)?.to_owned(),
            arm: trial.arm.name.clone(),
            role: trial.arm.role,
            seed: trial.seed,
            attempt,
            trial_key: *trial_key,
            plan: plan.digest(),
            sets: *sets,
            protocol: plan.study.protocol,
            synthetic: matches!(plan.dataset, Dataset::Synthetic(_)),
            created_at: rfc3339(self.clock.now()),
        })
    }

    /// Takes up a lost run. The trainer then reads its checkpoint and observes [`RunEvent::Resumed`].
    ///
    /// # Errors
    /// [`RegistryError::Running`] if another process has it, [`RegistryError::Ended`] if it is over.
    pub fn resume(&self, run: RunId) -> Result<RunGuard, RegistryError> {
        let folder = self.folder(run)?;
        let lock = folder.lock()?;
        if folder.done()?.is_some() {
            return Err(RegistryError::Ended { run, status: folder.status()?.name() });
        }
        RunGuard::open(folder, lock, self.second_index()?, self.clock, Arc::clone(&self.store))
    }

    /// The folder of all records.
    #[must_use]
    pub fn runs_dir(&self) -> &Path {
        &self.runs_dir
    }

    /// The events of a run, in their order.
    ///
    /// # Errors
    /// If there is no such run or its record is damaged.
    pub fn events(&self, run: RunId) -> Result<Vec<RunEvent>, RegistryError> {
        self.folder(run)?.events()
    }

    /// What a run predicted for each image of the test split; empty before it was tested.
    ///
    /// # Errors
    /// If there is no such run or its record is damaged.
    pub fn predictions(&self, run: RunId) -> Result<Vec<Prediction>, RegistryError> {
        self.folder(run)?.predictions()
    }

    /// Every row of the index as sorted text; equal before and after [`reindex`](Self::reindex).
    ///
    /// # Errors
    /// Whatever SQLite gives.
    pub fn dump(&self) -> Result<String, RegistryError> {
        self.index.dump()
    }

    pub(super) fn folder(&self, run: RunId) -> Result<RunFolder, RegistryError> {
        let folder = RunFolder::of(&self.runs_dir, run);
        let unknown = || RegistryError::UnknownRun { name: run.to_string(), nearest: Vec::new() };
        if folder.exists() { Ok(folder) } else { Err(unknown()) }
    }

    /// Each guard writes through its own connection, and so may live in another thread.
    fn second_index(&self) -> Result<Index, RegistryError> {
        Index::open(&self.runs_dir.join(INDEX_FILE))
    }
}

fn open_store_lock(runs_dir: &Path) -> Result<File, RegistryError> {
    let path = runs_dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(&path).map_err(RegistryError::io("open", &path))
}

/// Puts `fresh` in the place of the index. Nobody has the old one open.
fn swap_index(fresh: &Path, runs_dir: &Path) -> Result<(), RegistryError> {
    File::open(fresh).and_then(|file| file.sync_all()).map_err(RegistryError::io("sync", fresh))?;
    // The old file's log must not be replayed into the new file, and so goes first; without it the old file is still
    // a sound, if dated, index, and the next `open` brings it up to date.
    for log in ["registry.sqlite-wal", "registry.sqlite-shm"] {
        let path = runs_dir.join(log);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RegistryError::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    let index = runs_dir.join(INDEX_FILE);
    fs::rename(fresh, &index).map_err(RegistryError::io("replace", &index))?;
    files::sync_folder(runs_dir)
}
