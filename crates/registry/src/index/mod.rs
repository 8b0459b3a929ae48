//! The `SQLite` index `runs/registry.sqlite`: opening, migrations, transactions, and bringing it up to date with the folders.
//!
//! Workers do not write it; leaders of studies and commands that look do, each on this machine. Write-ahead log, full
//! synchronization, immediate transactions and a long busy timeout keep them from losing what they were told is written
//! (<https://www.sqlite.org/wal.html>, <https://www.sqlite.org/lang_transaction.html>).

pub mod list;
pub mod names;
pub mod query;
pub mod rows;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::RegistryError;
use super::folder::{Look, RunFolder};
use super::id::RunId;
use augtrial_base::words::chain;

/// How long a writer waits for another before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Schema changes in order; the number of those applied is the file's `user_version`. Only ever appended to.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_runs.sql"),
    include_str!("migrations/0002_checked.sql"),
    include_str!("migrations/0003_squares.sql"),
];
/// What an index that is in no file is called where its path is told.
const IN_MEMORY: &str = "(in memory)";

/// An open index.
#[derive(Debug)]
pub(super) struct Index {
    db: Connection,
    path: PathBuf,
}

impl Index {
    /// Opens or creates the index, and brings its schema up to date.
    ///
    /// # Errors
    /// [`RegistryError::NewerIndex`] if a newer augtrial made it; else whatever `SQLite` gives.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        let failed = |source| RegistryError::Index { path: path.to_owned(), source };
        let db = Connection::open(path).map_err(failed)?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        // Looked at before anything is written, so that a newer file is left exactly as it is.
        let mut index = Self { db, path: path.to_owned() };
        index.check_version()?;
        index.configure().map_err(failed)?;
        index.migrate()?;
        Ok(index)
    }

    /// Opens an index that is there, and of this schema, for nothing but reading.
    ///
    /// # Errors
    /// [`RegistryError::NewerIndex`], [`RegistryError::OlderIndex`]; else whatever `SQLite` gives.
    pub fn open_to_look(path: &Path) -> Result<Self, RegistryError> {
        let index = Self { db: connect_read_only(path)?, path: path.to_owned() };
        match index.check_version()? {
            applied if applied < MIGRATIONS.len() => Err(RegistryError::OlderIndex {
                path: path.to_owned(),
                found: applied as i64,
                known: MIGRATIONS.len() as i64,
            }),
            _ => Ok(index),
        }
    }

    /// An empty index that is in no file.
    pub fn in_memory() -> Result<Self, RegistryError> {
        let path = PathBuf::from(IN_MEMORY);
        let db = Connection::open_in_memory().map_err(|source| RegistryError::Index { path: path.clone(), source })?;
        let mut index = Self { db, path };
        index.db.pragma_update(None, "foreign_keys", true).map_err(|source| index.failed(source))?;
        index.migrate()?;
        Ok(index)
    }

    pub fn is_in_memory(&self) -> bool {
        self.path.as_os_str() == IN_MEMORY
    }

    /// Makes a new index at `path` of all run folders, as one file without a log, and gives the number of runs in it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and whatever reading the folders gives.
    pub fn build(path: &Path, runs_dir: &Path) -> Result<usize, RegistryError> {
        let mut index = Self::open(path)?;
        // Nobody sees the file before it is whole and synced by the caller.
        index.db.pragma_update(None, "synchronous", "OFF").map_err(|source| index.failed(source))?;
        index.catch_up(runs_dir)?;
        let runs = index.len()?;
        let Self { db, path } = index;
        db.close().map_err(|(_, source)| RegistryError::Index { path, source })?;
        Ok(runs)
    }

    fn configure(&self) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        self.db.pragma_update(None, "synchronous", "FULL")?;
        self.db.pragma_update(None, "foreign_keys", true)
    }

    fn check_version(&self) -> Result<usize, RegistryError> {
        let version: i64 =
            self.db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|source| self.failed(source))?;
        match usize::try_from(version) {
            Ok(applied) if applied <= MIGRATIONS.len() => Ok(applied),
            _ => Err(RegistryError::NewerIndex {
                path: self.path.clone(),
                found: version,
                known: MIGRATIONS.len() as i64,
            }),
        }
    }

    fn migrate(&mut self) -> Result<(), RegistryError> {
        if self.check_version()? == MIGRATIONS.len() {
            return Ok(());
        }
        self.write(|transaction| {
            // Again, inside the lock: another process may have migrated meanwhile.
            let applied: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            for migration in MIGRATIONS.iter().skip(applied as usize) {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)
        })
    }

    /// Runs `work` in one immediate transaction.
    ///
    /// # Errors
    /// Whatever `work` or `SQLite` gives; nothing of it is then written.
    pub fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, RegistryError> {
        let path = &self.path;
        let failed = |source| RegistryError::Index { path: path.clone(), source };
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = work(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// Runs a query.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RegistryError> {
        work(&self.db).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> RegistryError {
        RegistryError::Index { path: self.path.clone(), source }
    }

    /// Gives `work` a connection on which only reading is meant: a second one to the file, where there is a file.
    pub fn for_query<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if self.is_in_memory() { work(&mut self.db) } else { work(&mut connect_read_only(&self.path)?) }
    }

    /// Brings the index up to date with the folders: runs that a kill kept out of it come in, runs whose folder is gone
    /// go out, and runs whose files were changed are read again.
    pub fn catch_up(&mut self, runs_dir: &Path) -> Result<(), RegistryError> {
        let on_disk: BTreeSet<RunId> = RunFolder::list(runs_dir)?.into_iter().collect();
        let known = self.known()?;
        for &run in known.keys().filter(|run| !on_disk.contains(run)) {
            self.write(|db| rows::remove_run(db, run))?;
        }
        for &run in &on_disk {
            let folder = RunFolder::of(runs_dir, run);
            // Most runs have ended, and are told to be as they were by the stamp alone.
            let settled =
                known.get(&run).filter(|known| known.settled).is_some_and(|known| known.stamp == folder.stamp());
            if !settled {
                self.take_up(&folder, known.get(&run))?;
            }
        }
        Ok(())
    }

    /// The same for one run.
    pub fn catch_up_run(&mut self, runs_dir: &Path, run: RunId) -> Result<(), RegistryError> {
        let known = self.known()?.remove(&run);
        self.take_up(&RunFolder::of(runs_dir, run), known.as_ref())
    }

    /// Reads a folder into the index, or sets the run aside if its record is damaged.
    fn take_up(&mut self, folder: &RunFolder, known: Option<&Known>) -> Result<(), RegistryError> {
        // Before the files are read: what is changed while they are read is read again.
        let stamp = folder.stamp();
        match self.read_folder(folder, &stamp, known) {
            Err(error) if error.is_damage() && folder.exists() => {
                let newer = matches!(error, RegistryError::NewerFormat { .. });
                let problem = match &error {
                    RegistryError::Damaged { problem, .. } => problem.clone(),
                    other => chain(other),
                };
                let key = folder.stated_trial_key();
                self.write(|db| rows::set_aside(db, folder.run(), key.as_ref(), newer, &problem, &stamp))
            }
            read => read,
        }
    }

    /// Of a run that another process holds only the beginning is read: the rest is changing.
    fn read_folder(&mut self, folder: &RunFolder, stamp: &str, known: Option<&Known>) -> Result<(), RegistryError> {
        let Look::Free(_lock) = folder.look()? else {
            let (header, provenance, plan) = (folder.header()?, folder.provenance()?, folder.plan_toml()?);
            return self.write(|db| rows::insert_run(db, &header, &provenance, &plan));
        };
        let ended = folder.has_ended();
        if known.is_some_and(|known| known.stamp == stamp && (known.settled || !ended)) {
            return Ok(());
        }
        let files = folder.read()?;
        self.write(|db| rows::replace_run(db, &files, stamp))
    }

    /// Number of runs.
    pub fn len(&self) -> Result<usize, RegistryError> {
        self.read(|db| {
            db.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, u32>(0)).map(|runs| runs as usize)
        })
    }

    /// Every run that is in the index or set aside.
    fn known(&self) -> Result<BTreeMap<RunId, Known>, RegistryError> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT id, outcome IS NOT NULL, stamp FROM runs UNION ALL SELECT run, true, stamp FROM set_aside",
            )?;
            let known =
                statement.query_map([], |row| Ok((row.get(0)?, Known { settled: row.get(1)?, stamp: row.get(2)? })))?;
            known.collect()
        })
    }

    /// Every row of every table as text, sorted: equal dumps are equal indexes.
    pub fn dump(&self) -> Result<String, RegistryError> {
        self.read(|db| {
            let mut names = db.prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
            )?;
            let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut lines = Vec::new();
            for name in names {
                let mut statement = db.prepare(&format!("SELECT * FROM \"{name}\""))?;
                let columns = statement.column_count();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let cells = (0..columns).map(|i| row.get_ref(i).map(dump_value)).collect::<Result<Vec<_>, _>>()?;
                    lines.push(format!("{name}|{}\n", cells.join("|")));
                }
            }
            lines.sort_unstable();
            Ok(lines.concat())
        })
    }
}

fn connect_read_only(path: &Path) -> Result<Connection, RegistryError> {
    let failed = |source| RegistryError::Index { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    db.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(db)
}

/// What the index knows of a run's folder.
struct Known {
    /// Whether the run has ended or is set aside.
    settled: bool,
    stamp: String,
}

/// Floats by their shortest exact text, so that a dump shows every bit.
fn dump_value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) => format!("{real:?}"),
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(blob) => format!("{blob:02x?}"),
    }
}
