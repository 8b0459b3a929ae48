//! The run folder `runs/trials/<run-id>/`: the record itself, which the index is made from.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::RegistryError;
use super::files;
use super::id::RunId;
use super::provenance::Provenance;
use super::record::{Done, Header, RECORD_FORMAT, RunState, Status, survives_resume};
use crate::events::{EpochMetrics, Prediction, RunEvent};

/// Where run folders are, below the registry's folder.
const TRIALS: &str = "trials";
/// How often a lock that is only being looked at by another process is tried again, and how long apart.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Names of all events that this version knows; others are of a newer one, and passed over.
const EVENT_NAMES: [&str; 10] = [
    "started",
    "resumed",
    "prepared",
    "epoch",
    "checkpointed",
    "selected",
    "test-opened",
    "tested",
    "finished",
    "failed",
];

/// The folder of one run.
#[derive(Clone, Debug)]
pub(super) struct RunFolder {
    run: RunId,
    path: PathBuf,
}

/// Everything that is in a run folder, but the checkpoints.
#[derive(Clone, Debug)]
pub(super) struct RunFiles {
    pub header: Header,
    pub provenance: Provenance,
    pub plan_toml: String,
    pub events: Vec<RunEvent>,
    pub predictions: Vec<Prediction>,
    pub done: Option<Done>,
}

impl RunFiles {
    pub fn state(&self) -> RunState {
        RunState::after(&self.events)
    }

    /// In the order of their recording: by epoch, then by part.
    pub fn epochs(&self) -> impl Iterator<Item = &EpochMetrics> {
        epochs_of(&self.events)
    }
}

/// The measurements among the events.
pub(super) fn epochs_of(events: &[RunEvent]) -> impl Iterator<Item = &EpochMetrics> {
    events.iter().filter_map(|event| match event {
        RunEvent::Epoch { metrics } => Some(metrics),
        _ => None,
    })
}

/// Held by the process that a run belongs to; given back by the operating system however that process ends.
#[derive(Debug)]
pub(super) struct RunLock {
    _file: files::Held,
}

impl RunFolder {
    pub fn of(runs_dir: &Path, run: RunId) -> Self {
        Self { run, path: runs_dir.join(TRIALS).join(run.to_string()) }
    }

    /// Every run that has a folder, sorted. Half-made folders have names that are no ids.
    pub fn list(runs_dir: &Path) -> Result<Vec<RunId>, RegistryError> {
        let trials = runs_dir.join(TRIALS);
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
        let trials = runs_dir.join(TRIALS);
        fs::create_dir_all(&trials).map_err(RegistryError::io("create", &trials))
    }

    /// Creates the folder with all that is known at the start, already locked, in one rename.
    ///
    /// `None` if there is such a folder already.
    pub fn create(
        runs_dir: &Path,
        header: &Header,
        plan_toml: &str,
        provenance: &Provenance,
    ) -> Result<Option<(Self, RunLock)>, RegistryError> {
        let folder = Self::of(runs_dir, header.run);
        let trials = runs_dir.join(TRIALS);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".new-");
        files::share(&mut builder, 0o777);
        let draft = builder.tempdir_in(&trials).map_err(RegistryError::io("create a folder in", &trials))?;
        let made = Self { run: header.run, path: draft.path().to_owned() };
        let lock = made.lock()?;
        files::replace_json(&made.file("header.json"), header)?;
        files::replace_json(&made.file("provenance.json"), provenance)?;
        let plan = made.file("plan.toml");
        files::replace_file(&plan, |out| {
            std::io::Write::write_all(out, plan_toml.as_bytes()).map_err(RegistryError::io("write", &plan))
        })?;
        files::LineLog::open(&made.events_path())?.sync()?;
        files::sync_folder(&made.path)?;
        match fs::rename(draft.path(), &folder.path) {
            Ok(()) => {
                let _renamed_away = draft.keep();
                files::sync_folder(&trials)?;
                Ok(Some((folder, lock)))
            }
            Err(_) if folder.exists() => Ok(None),
            Err(error) => Err(RegistryError::io("create", &folder.path)(error)),
        }
    }

    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn events_path(&self) -> PathBuf {
        self.file("events.jsonl")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn lock_file(&self) -> Result<File, RegistryError> {
        let path = self.file("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(&path).map_err(RegistryError::io("open", &path))
    }

    /// Takes the lock of the run.
    ///
    /// # Errors
    /// [`RegistryError::Running`] if another process holds it for longer than a look at it takes.
    pub fn lock(&self) -> Result<RunLock, RegistryError> {
        let file = self.lock_file()?;
        for attempt in 1..=LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(RunLock { _file: files::Held::new(file) }),
                Err(TryLockError::WouldBlock) if attempt < LOCK_TRIES && self.lock_is_shared(&file) => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(RegistryError::io("lock", &self.file("lock"))(error)),
            }
        }
        Err(RegistryError::Running { run: self.run })
    }

    /// Whether the lock is held, if at all, by those who only look: they share it.
    #[expect(clippy::unused_self, reason = "the lock belongs to the folder")]
    fn lock_is_shared(&self, file: &File) -> bool {
        file.try_lock_shared().is_ok_and(|()| file.unlock().is_ok())
    }

    /// A shared lock, if no process holds the run: while it is held nobody can resume the run.
    pub fn look(&self) -> Result<Option<RunLock>, RegistryError> {
        let file = self.lock_file()?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(RunLock { _file: files::Held::new(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(RegistryError::io("lock", &self.file("lock"))(error)),
        }
    }

    /// Where the run stands now.
    pub fn status(&self) -> Result<Status, RegistryError> {
        // The lock first: a run that ends between the two looks has its `done.json` by the time its lock is free.
        let held = self.look()?.is_none();
        Ok(match self.done()? {
            Some(done) => Status::from(&done),
            None if held => Status::Running,
            None => Status::Lost,
        })
    }

    /// The header, checked to be of this folder and of a known format.
    pub fn header(&self) -> Result<Header, RegistryError> {
        let path = self.file("header.json");
        let value: serde_json::Value = read_required(&path)?;
        let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0) as u32;
        if found > RECORD_FORMAT {
            return Err(RegistryError::NewerFormat { path, found, known: RECORD_FORMAT });
        }
        let header: Header = serde_json::from_value(value).map_err(RegistryError::json(&path))?;
        if header.run == self.run { Ok(header) } else { Err(RegistryError::WrongFolder { path, found: header.run }) }
    }

    pub fn provenance(&self) -> Result<Provenance, RegistryError> {
        read_required(&self.file("provenance.json"))
    }

    pub fn plan_toml(&self) -> Result<String, RegistryError> {
        let path = self.file("plan.toml");
        fs::read_to_string(&path).map_err(RegistryError::io("read", &path))
    }

    pub fn done(&self) -> Result<Option<Done>, RegistryError> {
        files::read_json(&self.file("done.json"))
    }

    pub fn write_done(&self, done: &Done) -> Result<(), RegistryError> {
        files::replace_json(&self.file("done.json"), done)
    }

    /// The events in their order. A torn last line is passed over, and so are events of a newer version.
    pub fn events(&self) -> Result<Vec<RunEvent>, RegistryError> {
        let path = self.events_path();
        parse_lines(&path, |line, error| if is_foreign_event(line) { Ok(()) } else { Err(error) })
    }

    /// Takes the events back to the checkpoint of `epoch`, and gives those that are left.
    pub fn rewind(&self, epoch: u32) -> Result<Vec<RunEvent>, RegistryError> {
        let mut events = self.events()?;
        events.retain(|event| survives_resume(event, epoch));
        files::replace_lines(&self.events_path(), &events)?;
        Ok(events)
    }

    pub fn predictions(&self) -> Result<Vec<Prediction>, RegistryError> {
        parse_lines(&self.file("predictions.jsonl"), |_, error| Err(error))
    }

    pub fn write_predictions(&self, predictions: &[Prediction]) -> Result<(), RegistryError> {
        files::replace_lines(&self.file("predictions.jsonl"), predictions)
    }

    /// All of the folder.
    pub fn read(&self) -> Result<RunFiles, RegistryError> {
        Ok(RunFiles {
            header: self.header()?,
            provenance: self.provenance()?,
            plan_toml: self.plan_toml()?,
            events: self.events()?,
            predictions: self.predictions()?,
            done: self.done()?,
        })
    }
}

fn read_required<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RegistryError> {
    let missing = || RegistryError::io("read", path)(std::io::ErrorKind::NotFound.into());
    files::read_json(path)?.ok_or_else(missing)
}

/// One value per whole line; no file, no lines. `on_error` may forgive a line.
fn parse_lines<T, F>(path: &Path, on_error: F) -> Result<Vec<T>, RegistryError>
where
    T: serde::de::DeserializeOwned,
    F: Fn(&[u8], serde_json::Error) -> Result<(), serde_json::Error>,
{
    let bytes = files::read_optional(path)?.unwrap_or_default();
    let mut values = Vec::new();
    for (index, line) in files::whole_lines(&bytes).enumerate() {
        match serde_json::from_slice(line) {
            Ok(value) => values.push(value),
            Err(error) => on_error(line, error).map_err(|source| RegistryError::JsonLine {
                path: path.to_owned(),
                line: index + 1,
                source,
            })?,
        }
    }
    Ok(values)
}

fn is_foreign_event(line: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let name = value.as_ref().and_then(|value| value.get("event")?.as_str());
    name.is_some_and(|name| !EVENT_NAMES.contains(&name))
}
