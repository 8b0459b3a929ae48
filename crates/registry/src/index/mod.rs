//! The `SQLite` index `runs/registry.sqlite`: opening, migrations, transactions, and what it holds as text.
//!
//! Workers do not write it; leaders of studies and commands that look do, each on this machine. Write-ahead log, full
//! synchronization, immediate transactions and a long busy timeout keep them from losing what they were told is written
//! (<https://www.sqlite.org/wal.html>, <https://www.sqlite.org/lang_transaction.html>).

mod catch_up;
pub mod list;
pub mod names;
pub mod query;
pub mod rows;
pub mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::RegistryError;

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
        // Nobody sees the file before it is whole and synced by the caller, and it is thrown away if it does not become so.
        for setting in ["synchronous", "journal_mode"] {
            index.db.pragma_update(None, setting, "OFF").map_err(|source| index.failed(source))?;
        }
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

    /// Number of runs.
    pub fn len(&self) -> Result<usize, RegistryError> {
        self.read(|db| {
            db.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, u32>(0)).map(|runs| runs as usize)
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
