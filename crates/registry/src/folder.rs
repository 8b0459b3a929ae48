//! The run folder `runs/trials/<run-id>/`: its files, its lock, and how it comes to be.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::error::RegistryError;
use super::files;
use super::holder::Holder;
use super::id::RunId;
use super::provenance::Provenance;
use super::record::{Done, Header, survives_resume};
use super::seal::Seal;
use augtrial_base::clock::Clock;
use augtrial_base::disk::{self, Durability, Lease, LeaseState, Log, Published};
use augtrial_base::events::{Prediction, RunEvent};

/// Where run folders are, below the registry's folder.
const TRIALS: &str = "trials";
pub(super) const HEADER: &str = "header.json";
pub(super) const PLAN: &str = "plan.toml";
pub(super) const PROVENANCE: &str = "provenance.json";
pub(super) const EVENTS: &str = "events.jsonl";
pub(super) const PREDICTIONS: &str = "predictions.jsonl";
pub(super) const DONE: &str = "done.json";
/// All of a reason that is too long for the record.
pub(super) const FAILURE: &str = "failure.txt";
const LOCK: &str = "lock";
/// Stands in for the lock where several machines share the file system.
pub(super) const LEASE: &str = "lease";
/// The files that a record is read from.
const RECORD: [&str; 6] = [HEADER, PLAN, PROVENANCE, EVENTS, PREDICTIONS, DONE];
/// How often a lock that is only being looked at by another process is tried again, and how long apart.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a lock file that are read: it holds one short line.
const LOCK_BYTES: u64 = 4096;

/// The folder of one run.
#[derive(Clone, Debug)]
pub(super) struct RunFolder {
    run: RunId,
    path: PathBuf,
}

/// A lock that is held until this is dropped, or the process ends however it does.
#[derive(Debug)]
pub(super) enum Held {
    File(#[expect(dead_code, reason = "it is kept for its end")] HeldFile),
    Lease(Lease),
}

impl Held {
    /// Takes over a file that was locked.
    pub fn new(locked: File) -> Self {
        Self::File(HeldFile(locked))
    }

    /// Whether nobody else has taken over: that happens to a lease whose holder was silent for too long.
    pub fn is_ours(&self) -> io::Result<bool> {
        match self {
            Self::File(_) => Ok(true),
            Self::Lease(lease) => lease.is_ours(),
        }
    }

    fn moved_to(&self, folder: &Path) {
        if let Self::Lease(lease) = self {
            lease.moved_to(folder);
        }
    }
}

/// A locked file.
///
/// Unlocked, not merely closed: a process that another thread is just starting has a copy of every open file until it
/// executes its program, and would keep the lock meanwhile.
#[derive(Debug)]
pub(super) struct HeldFile(File);

impl Drop for HeldFile {
    fn drop(&mut self) {
        // Closing unlocks too, as soon as nobody has a copy.
        let _ = self.0.unlock();
    }
}

/// What a look at a run's lock shows.
#[derive(Debug)]
pub(super) enum Look {
    /// A process holds the run.
    Held,
    /// Nobody does, and nobody can take it while this lock is shared; without one where files cannot be locked for reading.
    Free(Option<Held>),
}

impl RunFolder {
    pub fn of(runs_dir: &Path, run: RunId) -> Self {
        Self { run, path: trials(runs_dir).join(run.to_string()) }
    }

    /// Every run that has a folder, sorted. Half-made folders have names that are no ids.
    pub fn list(runs_dir: &Path) -> Result<Vec<RunId>, RegistryError> {
        let trials = trials(runs_dir);
        let mut runs = Vec::new();
        for entry in fs::read_dir(&trials).map_err(RegistryError::io("read", &trials))? {
            let entry = entry.map_err(RegistryError::io("read", &trials))?;
            runs.extend(entry.file_name().to_str().and_then(|name| name.parse::<RunId>().ok()));
        }
        runs.sort_unstable();
        Ok(runs)
    }

    /// Creates the place for run folders.
    pub fn prepare(runs_dir: &Path) -> Result<(), RegistryError> {
        let trials = trials(runs_dir);
        disk::create_folder(&trials).map_err(RegistryError::io("create", &trials))
    }

    /// Creates the folder with all that is known at the start, already locked, in one rename.
    ///
    /// `None` if there is such a folder already.
    pub fn create(
        runs_dir: &Path,
        header: &Header,
        plan_toml: &str,
        provenance: &Provenance,
        clock: Clock,
    ) -> Result<Option<(Self, Held)>, RegistryError> {
        let folder = Self::of(runs_dir, header.run);
        let failed = |source| RegistryError::io("create", &folder.path)(source);
        let draft = disk::unfinished_folder(&folder.path).map_err(failed)?;
        let made = Self { run: header.run, path: draft.path().to_owned() };
        let lock = made.lock(clock)?;
        // The whole folder is synced before it gets its name.
        files::replace_json(&made.file(HEADER), header, Durability::Later)?;
        files::replace_json(&made.file(PROVENANCE), provenance, Durability::Later)?;
        let plan = made.file(PLAN);
        disk::replace_bytes(&plan, plan_toml.as_bytes(), Durability::Later)
            .map_err(RegistryError::io("write", &plan))?;
        let events = made.events_path();
        Log::open(&events).map_err(RegistryError::io("create", &events))?;
        match disk::publish(draft.path(), &folder.path).map_err(failed)? {
            Published::Ours => {
                lock.moved_to(&folder.path);
                Ok(Some((folder, lock)))
            }
            Published::Rival => Ok(None),
        }
    }

    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    pub fn run(&self) -> RunId {
        self.run
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn events_path(&self) -> PathBuf {
        self.file(EVENTS)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Sizes and times of the record's files: another stamp means that the record was changed since it was read.
    pub fn stamp(&self) -> String {
        let stamp = |name: &&str| {
            let Ok(found) = self.file(name).metadata() else { return "-".to_owned() };
            let changed = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            format!("{}@{}", found.len(), changed.as_nanos())
        };
        RECORD.iter().map(stamp).collect::<Vec<_>>().join(" ")
    }

    /// Takes the lock of the run, and says in it who holds it.
    ///
    /// # Errors
    /// [`RegistryError::Running`] if another process holds it for longer than a look at it takes.
    pub fn lock(&self, clock: Clock) -> Result<Held, RegistryError> {
        if disk::shared_file_system(&self.path).is_some() {
            return self.lease(clock);
        }
        let path = self.file(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(RegistryError::io("open", &path))?;
        for attempt in 1..=LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => {
                    let holder = Holder::here(clock).to_json();
                    disk::rewrite(&mut file, &path, format!("{holder}\n").as_bytes())
                        .map_err(RegistryError::io("write", &path))?;
                    return Ok(Held::new(file));
                }
                Err(TryLockError::WouldBlock) if attempt < LOCK_TRIES && is_shared(&file) => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(RegistryError::io("lock", &path)(error)),
            }
        }
        Err(RegistryError::Running { run: self.run, holder: self.holder() })
    }

    fn lease(&self, clock: Clock) -> Result<Held, RegistryError> {
        let path = self.file(LEASE);
        let taken = Lease::take(&path, &Holder::here(clock).to_json(), || false);
        match taken.map_err(RegistryError::io("lease", &path))? {
            Some(lease) => Ok(Held::Lease(lease)),
            None => Err(RegistryError::Running { run: self.run, holder: self.holder() }),
        }
    }

    /// Who took the run last, as far as it is recorded.
    pub fn holder(&self) -> Option<Holder> {
        if disk::shared_file_system(&self.path).is_some() {
            return serde_json::from_str(&disk::lease_note(&self.file(LEASE))?).ok();
        }
        let mut text = String::new();
        File::open(self.file(LOCK)).ok()?.take(LOCK_BYTES).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Whether a process holds the run. Works without permission to write, too.
    pub fn look(&self) -> Result<Look, RegistryError> {
        if disk::shared_file_system(&self.path).is_some() {
            let path = self.file(LEASE);
            match disk::lease_state(&path).map_err(RegistryError::io("look at", &path))? {
                LeaseState::Held(_) => return Ok(Look::Held),
                LeaseState::Free => return Ok(Look::Free(None)),
                // Recorded on a disk of one machine.
                LeaseState::New => {}
            }
        }
        let path = self.file(LOCK);
        let failed = RegistryError::io("lock", &path);
        let file = match File::open(&path) {
            Ok(file) => file,
            // Nobody has ever held it: the folder was copied without its lock.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Free(None)),
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Look::Free(Some(Held::new(file)))),
            Err(TryLockError::WouldBlock) => Ok(Look::Held),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether the run says that it has ended, whatever it says of its end.
    pub fn has_ended(&self) -> bool {
        self.file(DONE).is_file()
    }

    /// The end of the run, if it has ended, and the seal of its record.
    pub fn done(&self) -> Result<Option<(Done, Option<Seal>)>, RegistryError> {
        let Some(value) = files::read_json(&self.file(DONE))? else { return Ok(None) };
        Seal::open(value).map(Some).map_err(|problem| RegistryError::Damaged { run: self.run, problem })
    }

    /// Closes the record, with the digests of these of its files.
    pub fn write_done(&self, done: &Done, names: &[&str]) -> Result<(), RegistryError> {
        let seal = Seal::of(&self.path, names)?;
        files::replace_json(&self.file(DONE), &seal.close(done), Durability::Now)
    }

    /// Takes the events back to the checkpoint of `epoch`, and gives those that are left.
    pub fn rewind(&self, epoch: u32) -> Result<Vec<RunEvent>, RegistryError> {
        let mut events = self.events()?;
        events.retain(|event| survives_resume(event, epoch));
        files::replace_lines(&self.events_path(), &events)?;
        Ok(events)
    }

    /// The file of the predictions for a further evaluation set.
    pub fn evaluation(&self, name: &str) -> PathBuf {
        self.file(&evaluation_file(name))
    }

    pub fn write_predictions(&self, predictions: &[Prediction]) -> Result<(), RegistryError> {
        files::replace_lines(&self.file(PREDICTIONS), predictions)
    }
}

/// Name of the file of the predictions for a further evaluation set, whose name is letters, digits and hyphens.
pub(super) fn evaluation_file(name: &str) -> String {
    format!("predictions-{name}.jsonl")
}

/// The place of all run folders.
pub(super) fn trials(runs_dir: &Path) -> PathBuf {
    runs_dir.join(TRIALS)
}

/// Whether the lock is held, if at all, by those who only look: they share it.
fn is_shared(file: &File) -> bool {
    file.try_lock_shared().is_ok_and(|()| file.unlock().is_ok())
}
