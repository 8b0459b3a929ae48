//! The `SQLite` index `runs/registry.sqlite`: opening, migrations, transactions, and bringing it up to date with the folders.
//!
//! Write-ahead log, full synchronisation, immediate transactions and a long busy timeout: several processes may write,
//! and none loses what it was told is written (<https://www.sqlite.org/wal.html>, <https://www.sqlite.org/lang_transaction.html>).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::RegistryError;
use super::folder::RunFolder;
use super::id::RunId;
use super::rows;

/// How long a writer waits for another before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Schema changes in order; the number of those applied is the file's `user_version`. Only ever appended to.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_runs.sql")];

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

    /// Whether nothing can be written through this connection.
    pub fn is_read_only(&self) -> Result<bool, RegistryError> {
        self.read(|db| db.is_readonly(rusqlite::MAIN_DB))
    }

    /// Makes a new index at `path` of all run folders, as one file without a log.
    ///
    /// # Errors
    /// As [`open`](Self::open), and whatever reading the folders gives.
    pub fn build(path: &Path, runs_dir: &Path) -> Result<(), RegistryError> {
        let mut index = Self::open(path)?;
        // Nobody sees the file before it is whole and synced by the caller.
        index.db.pragma_update(None, "synchronous", "OFF").map_err(|source| index.failed(source))?;
        index.catch_up(runs_dir)?;
        let Self { db, path } = index;
        db.close().map_err(|(_, source)| RegistryError::Index { path, source })
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

    /// A second connection to the file, on which nothing can be written.
    pub fn open_read_only(&self) -> Result<Connection, RegistryError> {
        connect_read_only(&self.path)
    }

    /// Brings the index up to date with the folders: runs that a kill kept out of it come in, runs whose folder is gone
    /// go out, and runs that nobody holds are read again if their folder says more.
    pub fn catch_up(&mut self, runs_dir: &Path) -> Result<(), RegistryError> {
        let on_disk: BTreeSet<RunId> = RunFolder::list(runs_dir)?.into_iter().collect();
        let indexed = self.indexed()?;
        for &run in indexed.keys().filter(|run| !on_disk.contains(run)) {
            self.write(|db| rows::remove_run(db, run))?;
        }
        for &run in &on_disk {
            let ended = indexed.get(&run).is_some_and(|known| known.ended);
            if !ended {
                self.catch_up_run(runs_dir, run, indexed.get(&run).map(|known| known.events))?;
            }
        }
        Ok(())
    }

    /// A run in another process's hands is that process's to index, but for its existence.
    fn catch_up_run(&mut self, runs_dir: &Path, run: RunId, events: Option<i64>) -> Result<(), RegistryError> {
        let folder = RunFolder::of(runs_dir, run);
        let Some(_lock) = folder.look()? else {
            if events.is_none() {
                let (header, provenance, plan) = (folder.header()?, folder.provenance()?, folder.plan_toml()?);
                self.write(|db| rows::insert_run(db, &header, &provenance, &plan))?;
            }
            return Ok(());
        };
        let files = folder.read()?;
        if files.done.is_some() || events != Some(files.events.len() as i64) {
            self.write(|db| rows::replace_run(db, &files))?;
        }
        Ok(())
    }

    fn indexed(&self) -> Result<BTreeMap<RunId, Indexed>, RegistryError> {
        self.read(|db| {
            let mut statement = db.prepare("SELECT id, events, outcome IS NOT NULL FROM runs")?;
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, Indexed { events: row.get(1)?, ended: row.get(2)? })))?;
            rows.collect()
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

struct Indexed {
    events: i64,
    ended: bool,
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
