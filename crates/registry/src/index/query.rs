//! Free SQL over the index, reading only: a read-only connection, `query_only`, and an authorizer that lets nothing else
//! through, not even other files (<https://www.sqlite.org/c3ref/set_authorizer.html>).

use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};

use super::table::{IndexValue, Table};
use crate::error::RegistryError;
use crate::registry::Registry;
use augtrial_base::clock::Clock;

/// Virtual machine operations between two looks at the time.
const OPERATIONS: i32 = 10_000;
/// Pragmas that only tell of the schema.
const READING_PRAGMAS: [&str; 5] = ["table_info", "table_list", "index_list", "index_info", "foreign_key_list"];

/// What a query may take. A recursive query has no end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    pub time: Duration,
    pub rows: usize,
    /// Of the result, and of what `SQLite` holds meanwhile.
    pub bytes: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { time: Duration::from_mins(1), rows: 100_000, bytes: 256_000_000 }
    }
}

impl Registry {
    /// The result of one SQL query over the index; the tables are those of `migrations/`.
    ///
    /// # Errors
    /// [`RegistryError::NotReadOnly`] for anything but reading, [`RegistryError::Query`] if `SQLite` refuses the query,
    /// [`RegistryError::EmptyQuery`], and an error of its own for each limit. The limit of memory holds for every database of
    /// this process while the query runs.
    pub fn query(&self, sql: &str, limits: &QueryLimits) -> Result<Table, RegistryError> {
        self.index.borrow_mut().for_query(|db| {
            let failed = |source| RegistryError::Query { source };
            // Of the whole process; what does not fit in memory must not fill the disk instead.
            db.execute_batch(&format!("PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = {};", limits.bytes))
                .map_err(failed)?;
            let (watch, time) = (Clock::System.start(), limits.time);
            db.progress_handler(OPERATIONS, Some(move || watch.elapsed() > time)).map_err(failed)?;
            db.authorizer(Some(authorize)).map_err(failed)?;
            let found = rows(db, sql, limits);
            db.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).map_err(failed)?;
            db.progress_handler(0, None::<fn() -> bool>).map_err(failed)?;
            db.execute_batch("PRAGMA hard_heap_limit = 0").map_err(failed)?;
            found
        })
    }
}

fn rows(db: &Connection, sql: &str, limits: &QueryLimits) -> Result<Table, RegistryError> {
    if sql.trim().is_empty() {
        return Err(RegistryError::EmptyQuery);
    }
    let failed = |source: rusqlite::Error| explained(source, sql, limits);
    let mut statement = db.prepare(sql).map_err(failed)?;
    if statement.column_count() == 0 && statement.readonly() {
        return Err(RegistryError::EmptyQuery);
    }
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut table = Table { columns, rows: Vec::new() };
    let mut rows = statement.query([]).map_err(failed)?;
    let mut bytes = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        if table.rows.len() == limits.rows {
            return Err(RegistryError::QueryRows { rows: limits.rows });
        }
        let cells = (0..table.columns.len()).map(|i| row.get_ref(i).map(cell_of));
        let cells: Vec<IndexValue> = cells.collect::<Result<_, _>>().map_err(failed)?;
        bytes += cells.iter().map(bytes_of).sum::<usize>();
        if bytes > limits.bytes {
            return Err(RegistryError::QueryMemory { megabytes: limits.bytes / 1_000_000 });
        }
        table.push(cells);
    }
    Ok(table)
}

fn bytes_of(cell: &IndexValue) -> usize {
    size_of::<IndexValue>() + if let IndexValue::Text(text) = cell { text.len() } else { 0 }
}

/// The limit, or the rule, that a query met.
fn explained(source: rusqlite::Error, sql: &str, limits: &QueryLimits) -> RegistryError {
    match source.sqlite_error_code() {
        Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
            RegistryError::NotReadOnly { what: sql.to_owned() }
        }
        Some(ErrorCode::OperationInterrupted) => RegistryError::QueryTime { secs: limits.time.as_secs() },
        Some(ErrorCode::OutOfMemory) => RegistryError::QueryMemory { megabytes: limits.bytes / 1_000_000 },
        _ => RegistryError::Query { source },
    }
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    let allowed = match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        AuthAction::Pragma { pragma_name, .. } => READING_PRAGMAS.contains(&pragma_name),
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

fn cell_of(value: ValueRef<'_>) -> IndexValue {
    match value {
        ValueRef::Null => IndexValue::Null,
        ValueRef::Integer(integer) => IndexValue::Integer(integer),
        ValueRef::Real(real) => IndexValue::Real(real),
        ValueRef::Text(text) => IndexValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => IndexValue::Text(format!("{} bytes", blob.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn query(registry: &Registry, sql: &str) -> Result<Table, RegistryError> {
        registry.query(sql, &QueryLimits::default())
    }

    /// `SQLite`'s limit of memory is a process's, and other tests run in this one.
    #[test]
    fn a_query_without_end_is_stopped_by_whichever_limit_it_meets() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "index::query::tests::queries_without_end", "--ignored"]);
        let output = alone.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
    }

    #[test]
    #[ignore = "a process that the test above starts"]
    fn queries_without_end() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) ";
        let patient = QueryLimits { time: Duration::from_mins(5), rows: 1000, bytes: 30_000_000 };
        let hasty = QueryLimits { time: Duration::from_millis(300), ..patient };
        let ask = |sql: &str, limits| registry.query(&format!("{endless}{sql}"), limits).unwrap_err();
        let many = ask("SELECT randomblob(1000) || i FROM n", &patient);
        assert!(matches!(many, RegistryError::QueryRows { rows: 1000 }), "{many}");
        let long = ask("SELECT sum(i) FROM n", &hasty);
        assert!(matches!(long, RegistryError::QueryTime { secs: 0 }), "{long}");
        let sorted = ask("SELECT hex(zeroblob(1000)) || i AS t FROM n ORDER BY t", &patient);
        assert!(matches!(sorted, RegistryError::QueryMemory { .. }), "{sorted}");
        let large = ask("SELECT hex(zeroblob(1000000)) FROM n", &patient);
        assert!(matches!(large, RegistryError::QueryMemory { .. }), "{large}");
        assert_eq!(query(&registry, "SELECT 1").unwrap().rows.len(), 1, "the limits go with their query");
    }

    #[test]
    fn a_query_that_asks_for_nothing_is_told_what_to_ask() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        for sql in ["", "  ", "-- nothing"] {
            let error = query(&registry, sql).unwrap_err();
            assert!(error.to_string().contains("select arm, seed, test_top1 from runs"), "{sql:?}: {error}");
        }
    }

    #[test]
    fn a_query_gives_columns_and_rows() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        complete(begin(&registry, &plan("demo"), 0, 1));
        let table = registry
            .query(
                "WITH best AS (SELECT run, max(top1) AS top1 FROM epochs GROUP BY run)
                 SELECT arm, seed, best.top1, failure FROM runs JOIN best ON best.run = runs.id",
                &QueryLimits::default(),
            )
            .unwrap();
        assert_eq!(table.columns, ["arm", "seed", "top1", "failure"]);
        assert_eq!(
            table.rows,
            [[IndexValue::from("plain"), IndexValue::Integer(1), IndexValue::Real(0.8), IndexValue::Null]]
        );
        assert!(!query(&registry, "PRAGMA table_info(runs)").unwrap().rows.is_empty());
    }

    #[test]
    fn nothing_but_reading_this_index_is_let_through() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        complete(begin(&registry, &plan("demo"), 0, 1));
        let before = registry.dump().unwrap();
        let outside = runs.path().join("outside.sqlite");
        let attach = format!("ATTACH '{}' AS other", outside.display());
        let vacuum = format!("VACUUM INTO '{}'", outside.display());
        for sql in [
            "DELETE FROM runs",
            "UPDATE runs SET study = 'mine'",
            "INSERT INTO plans VALUES ('a', 'b', 'c')",
            "DROP TABLE epochs",
            "CREATE TABLE mine (a)",
            "CREATE TEMP TABLE mine (a)",
            "PRAGMA query_only = OFF",
            "PRAGMA user_version = 9",
            "PRAGMA journal_mode = DELETE",
            "BEGIN IMMEDIATE",
            "SELECT load_extension('x')",
            "REINDEX",
            attach.as_str(),
            vacuum.as_str(),
        ] {
            let result = query(&registry, sql);
            assert!(
                matches!(result, Err(RegistryError::NotReadOnly { .. } | RegistryError::Query { .. })),
                "{sql}: {result:?}"
            );
        }
        assert!(matches!(query(&registry, "DELETE FROM runs"), Err(RegistryError::NotReadOnly { .. })));
        assert!(query(&registry, "SELECT 1; DELETE FROM runs").is_err());
        assert!(matches!(query(&registry, "SELEC 1"), Err(RegistryError::Query { .. })));
        assert!(!outside.exists());
        assert_eq!(registry.dump().unwrap(), before);
    }
}
