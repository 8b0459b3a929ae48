//! The registry: run folders with an index over them, to find runs again and to lead a study.
//!
//! Which attempt counts: **of a trial's attempts, the one that finished first counts** (by the time in `done.json`, then by
//! attempt number). Failed and interrupted attempts never count, and no later attempt replaces one that counts, so that a trial
//! cannot be rerun until it gives a favorable number.
//!
//! A run whose record is damaged is *set aside*: it counts for nothing, says why, and stops nobody else.

use std::cell::RefCell;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::RegistryError;
use super::folder::{Held, RunFolder, trials};
use super::holder::Holder;
use super::id::RunId;
use super::index::Index;
use super::write::RunFolders;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::disk;

/// A folder on a disk of this machine, for the index of runs that several machines share.
const INDEX_DIR_VARIABLE: &str = "AUGTRIAL_INDEX_DIR";
const INDEX_FILE: &str = "registry.sqlite";
const LOCK_FILE: &str = "registry.lock";

/// All runs below one folder.
#[derive(Debug)]
pub struct Registry {
    folders: RunFolders,
    pub(super) index: RefCell<Index>,
    /// Shared: the index is not replaced while somebody has it open.
    _store: Option<Held>,
}

impl Registry {
    /// Opens the registry in `runs_dir` to lead a study: creates it if need be, removes what killed processes left
    /// unfinished, and brings the index up to date with the run folders.
    ///
    /// # Errors
    /// If the folder cannot be used, or the index is damaged or was made by a newer augtrial.
    pub fn lead(runs_dir: &Path, clock: Clock) -> Result<Self, RegistryError> {
        let folders = RunFolders::open(runs_dir, clock)?;
        folders.sweep()?;
        let Some(index_dir) = index_dir(runs_dir)? else { return Self::in_memory(folders) };
        let store = open_store_lock(&index_dir)?;
        Self::open_index(folders, &index_dir, store)
    }

    /// Opens the registry in `runs_dir` to look at it, and brings its index up to date with the run folders. Where there are
    /// no runs, it is empty and nothing is created; where nothing can be written, the index is made in memory.
    ///
    /// # Errors
    /// If the folder cannot be read, or the index is damaged or was made by a newer augtrial.
    pub fn open(runs_dir: &Path, clock: Clock) -> Result<Self, RegistryError> {
        let folders = RunFolders::to_read(runs_dir, clock);
        if !trials(runs_dir).is_dir() {
            return Self::in_memory(folders);
        }
        let Some(index_dir) = index_dir(runs_dir)? else { return Self::in_memory(folders) };
        match open_store_lock(&index_dir) {
            Ok(store) => Self::open_index(folders, &index_dir, store),
            Err(RegistryError::Io { source, .. }) if cannot_write(&source) => Self::in_memory(folders),
            Err(error) => Err(error),
        }
    }

    fn open_index(folders: RunFolders, index_dir: &Path, store: File) -> Result<Self, RegistryError> {
        store.lock_shared().map_err(RegistryError::io("lock", &index_dir.join(LOCK_FILE)))?;
        let mut index = Index::open(&index_dir.join(INDEX_FILE))?;
        index.catch_up(folders.runs_dir())?;
        Ok(Self { folders, index: RefCell::new(index), _store: Some(Held::new(store)) })
    }

    fn in_memory(folders: RunFolders) -> Result<Self, RegistryError> {
        let mut index = Index::in_memory()?;
        if trials(folders.runs_dir()).is_dir() {
            index.catch_up(folders.runs_dir())?;
        }
        Ok(Self { folders, index: RefCell::new(index), _store: None })
    }

    /// Opens a registry that is there as it is: nothing is created, caught up or written. `None` if there is none yet. Where
    /// the index cannot be opened for lack of permission, it is made in memory.
    ///
    /// # Errors
    /// If the index was made by another version of augtrial, or cannot be read.
    pub fn open_read_only(runs_dir: &Path) -> Result<Option<Self>, RegistryError> {
        let folders = RunFolders::to_read(runs_dir, Clock::System);
        let Some(index_dir) = index_dir(runs_dir)? else {
            return if trials(runs_dir).is_dir() { Self::in_memory(folders).map(Some) } else { Ok(None) };
        };
        let index = index_dir.join(INDEX_FILE);
        if !index.exists() {
            return Ok(None);
        }
        let store = match open_store_lock(&index_dir) {
            Err(RegistryError::Io { source, .. }) if cannot_write(&source) => {
                return Self::in_memory(folders).map(Some);
            }
            store => store?,
        };
        store.lock_shared().map_err(RegistryError::io("lock", &index_dir.join(LOCK_FILE)))?;
        let index = Index::open_to_look(&index)?;
        Ok(Some(Self { folders, index: RefCell::new(index), _store: Some(Held::new(store)) }))
    }

    /// Rebuilds the index from the run folders alone, and gives the number of runs that are in it. The old index may be
    /// damaged.
    ///
    /// # Errors
    /// [`RegistryError::InUse`] while any registry is open in `runs_dir`; else whatever reading or writing gives, and the
    /// old index stays.
    pub fn reindex(runs_dir: &Path) -> Result<usize, RegistryError> {
        RunFolder::prepare(runs_dir)?;
        // There is no index to rebuild: whoever opens the registry makes one.
        let Some(index_dir) = index_dir(runs_dir)? else {
            return Self::in_memory(RunFolders::to_read(runs_dir, Clock::System))?.index.borrow().len();
        };
        let lock_path = index_dir.join(LOCK_FILE);
        let store = open_store_lock(&index_dir)?;
        match store.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RegistryError::InUse { path: index_dir.join(INDEX_FILE) }),
            Err(TryLockError::Error(error)) => return Err(RegistryError::io("lock", &lock_path)(error)),
        }
        let _held = Held::new(store);
        let index = index_dir.join(INDEX_FILE);
        let draft = disk::unfinished_folder(&index).map_err(RegistryError::io("create a folder beside", &index))?;
        let fresh = draft.path().join(INDEX_FILE);
        let runs = Index::build(&fresh, runs_dir)?;
        swap_index(&fresh, &index_dir)?;
        Ok(runs)
    }

    /// Brings the index up to date with one run's folder, which says something new.
    ///
    /// # Errors
    /// Whatever reading the folder or writing the index gives; a damaged record is no error and is set aside.
    pub fn index(&self, run: RunId) -> Result<(), RegistryError> {
        self.index.borrow_mut().catch_up_run(self.runs_dir(), run)
    }

    /// Brings the index up to date with all run folders.
    ///
    /// # Errors
    /// As [`index`](Self::index).
    pub fn catch_up(&self) -> Result<(), RegistryError> {
        self.index.borrow_mut().catch_up(self.runs_dir())
    }

    /// Why the index is made in memory at every start; nothing if it is in a file.
    #[must_use]
    pub fn without_file(&self) -> Option<String> {
        let kind = disk::shared_file_system(self.runs_dir()).filter(|_| self.index.borrow().is_in_memory())?;
        Some(format!(
            "{} is on a file system that machines share ({kind}): the index is made in memory, unless {INDEX_DIR_VARIABLE} names \
             a folder on a disk of this machine",
            self.runs_dir().display()
        ))
    }

    /// The folder of all records.
    #[must_use]
    pub fn runs_dir(&self) -> &Path {
        self.folders.runs_dir()
    }

    /// The run folders, to write records.
    #[must_use]
    pub fn folders(&self) -> &RunFolders {
        &self.folders
    }

    /// The process that took a run last, as far as it said so.
    #[must_use]
    pub fn holder(&self, run: RunId) -> Option<Holder> {
        self.folders.holder(run)
    }

    /// Every row of the index as sorted text; equal before and after [`reindex`](Self::reindex).
    ///
    /// # Errors
    /// Whatever `SQLite` gives.
    pub fn dump(&self) -> Result<String, RegistryError> {
        self.index.borrow().dump()
    }

    pub(super) fn folder(&self, run: RunId) -> Result<RunFolder, RegistryError> {
        let folder = RunFolder::of(self.runs_dir(), run);
        let unknown = || RegistryError::UnknownRun { name: run.to_string(), nearest: Vec::new() };
        if folder.exists() { Ok(folder) } else { Err(unknown()) }
    }
}

/// Where the index of these runs is. Runs that several machines share have one on each that names a folder for it, and else
/// none: `SQLite` keeps its promises only to processes of one machine.
fn index_dir(runs_dir: &Path) -> Result<Option<PathBuf>, RegistryError> {
    if disk::shared_file_system(runs_dir).is_none() {
        return Ok(Some(runs_dir.to_owned()));
    }
    let Some(root) = std::env::var_os(INDEX_DIR_VARIABLE).filter(|root| !root.is_empty()) else { return Ok(None) };
    let runs_dir = std::path::absolute(runs_dir).map_err(RegistryError::io("find", runs_dir))?;
    let name = Digest::of_value("index-of-v1", &runs_dir.to_string_lossy()).short();
    let folder = Path::new(&root).join(name);
    disk::create_folder(&folder).map_err(RegistryError::io("create", &folder))?;
    Ok(Some(folder))
}

fn open_store_lock(index_dir: &Path) -> Result<File, RegistryError> {
    let path = index_dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(&path).map_err(RegistryError::io("open", &path))
}

/// Whether the reason is that this user, or anybody, must not write there.
fn cannot_write(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Puts `fresh` in the place of the index. Nobody has the old one open.
fn swap_index(fresh: &Path, index_dir: &Path) -> Result<(), RegistryError> {
    disk::sync_file(fresh).map_err(RegistryError::io("sync", fresh))?;
    // The old file's log must not be replayed into the new file, and so goes first; without it the old file is still
    // a sound, if dated, index, and the next `open` brings it up to date.
    for log in ["registry.sqlite-wal", "registry.sqlite-shm"] {
        let path = index_dir.join(log);
        disk::remove_file(&path).map_err(RegistryError::io("remove", &path))?;
    }
    let index: PathBuf = index_dir.join(INDEX_FILE);
    disk::rename(fresh, &index).map_err(RegistryError::io("replace", &index))
}

#[cfg(test)]
mod tests;
