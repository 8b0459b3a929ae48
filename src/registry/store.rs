//! The registry: where runs begin, are resumed, and are found again.
//!
//! Which attempt counts: **of a trial's attempts, the one that finished first counts** (by the time in `done.json`, then by
//! attempt number). Failed and lost attempts never count, and no later attempt replaces one that counts, so that
//! nobody can run a trial again until its number pleases.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RegistryError;
use super::files::{self, Held};
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
    store: Arc<Held>,
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
        Ok(Self { runs_dir: runs_dir.to_owned(), index, clock, store: Arc::new(Held::new(store)) })
    }

    /// Opens a registry that is there to look at it: nothing is created, caught up or written, and `begin` and `resume` are
    /// refused. `None` if there is no registry yet.
    ///
    /// # Errors
    /// If the index was made by another version of augtrial, or cannot be read.
    pub fn open_read_only(runs_dir: &Path) -> Result<Option<Self>, RegistryError> {
        let index = runs_dir.join(INDEX_FILE);
        if !index.exists() {
            return Ok(None);
        }
        let store = open_store_lock(runs_dir)?;
        store.lock_shared().map_err(RegistryError::io("lock", &runs_dir.join(LOCK_FILE)))?;
        let index = Index::open_to_look(&index)?;
        Ok(Some(Self { runs_dir: runs_dir.to_owned(), index, clock: Clock::System, store: Arc::new(Held::new(store)) }))
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
        let _held = Held::new(store);
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
        self.refuse_if_read_only()?;
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
        self.refuse_if_read_only()?;
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
    /// Whatever `SQLite` gives.
    pub fn dump(&self) -> Result<String, RegistryError> {
        self.index.dump()
    }

    pub(super) fn folder(&self, run: RunId) -> Result<RunFolder, RegistryError> {
        let folder = RunFolder::of(&self.runs_dir, run);
        let unknown = || RegistryError::UnknownRun { name: run.to_string(), nearest: Vec::new() };
        if folder.exists() { Ok(folder) } else { Err(unknown()) }
    }

    fn refuse_if_read_only(&self) -> Result<(), RegistryError> {
        if self.index.is_read_only()? { Err(RegistryError::ReadOnly) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Filter, Status, StatusKind, TrialState};
    use super::*;

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
        assert!(matches!(other.resume(run), Err(RegistryError::Running { .. })));
        drop(guard);
        assert_eq!(status(&other, run), Status::Lost);
        let guard = other.resume(run).unwrap();
        assert_eq!(status(&registry, run), Status::Running);
        guard.fail("no reason").unwrap();
        assert_eq!(status(&registry, run), Status::Failed { reason: "no reason".to_owned() });
        assert!(matches!(registry.resume(run), Err(RegistryError::Ended { status: "failed", .. })));
    }

    #[test]
    fn looking_at_a_lost_run_does_not_keep_others_from_resuming_it() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let guard = begin(&registry, &plan("demo"), 0, 1);
        let run = guard.run();
        drop(guard);
        let look = registry.folder(run).unwrap().look().unwrap();
        assert!(look.is_some());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(120));
                drop(look);
            });
            assert!(registry.resume(run).is_ok());
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
        assert_eq!(trial.counted.as_ref().map(|run| run.run), Some(two));

        // Attempt 1 finishes a second later, and does not take the place of what was already seen.
        let mut first = first;
        record_all(&mut first, &start_events());
        train(&mut first, 1, EPOCHS);
        let [selected, opened, tested, _] = end_events();
        record_all(&mut first, &[selected, opened, tested]);
        let weights = Digest::of_bytes(b"weights");
        first.record(&RunEvent::Finished { at: rfc3339(clock(1).now()), weights }).unwrap();
        first.finish().unwrap();
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
        assert_eq!((trial.counted, trial.running, trial.resumable, trial.attempts), (None, None, Some(lost_run), 2));
        assert_eq!(trial.failed.len(), 1);
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
        let mut behind = registry.second_index().unwrap();
        behind.write(|db| db.execute("UPDATE runs SET events = 1 WHERE id = ?1", [flips])).unwrap();
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
        assert!(matches!(Registry::open(runs.path(), clock(0)), Err(RegistryError::Index { .. })));
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
        let error = Registry::open(runs.path(), clock(0)).unwrap_err();
        assert!(matches!(error, RegistryError::NewerIndex { found: 7, known: 1, .. }), "{error}");
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
    fn a_copied_folder_is_refused() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let guard = begin(&registry, &plan("demo"), 0, 1);
        let dir = guard.dir().to_owned();
        drop((guard, registry));
        fs::rename(&dir, dir.with_file_name("00000000000000aa")).unwrap();
        let error = Registry::open(runs.path(), clock(0)).unwrap_err();
        assert!(matches!(error, RegistryError::WrongFolder { .. }), "{error}");
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
        assert!(matches!(registry.begin(&begin), Err(RegistryError::StudyName(_))));
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
        assert_eq!(count(StatusKind::Lost), WRITERS / 2);
        let contended = trial_key(&plan, Trial { arm: &plan.arms[0], seed: 99 });
        let attempts: Vec<_> =
            registry.trial_state(&contended).unwrap().failed.iter().map(|run| u64::from(run.attempt)).collect();
        assert_eq!(attempts, (1..=WRITERS).collect::<Vec<_>>());
        let epochs = registry.query("SELECT count(*) FROM epochs").unwrap().rows[0][0].to_string();
        assert_eq!(epochs, (WRITERS / 2 * u64::from(EPOCHS) * 2 + WRITERS / 2 * 4).to_string());
        let live = registry.dump().unwrap();
        drop(registry);
        Registry::reindex(runs.path()).unwrap();
        assert_eq!(open(runs.path()).dump().unwrap(), live);
    }
}
