//! Free SQL over the index, reading only: a read-only connection, `query_only`, and an authorizer that lets nothing else
//! through, not even other files (<https://www.sqlite.org/c3ref/set_authorizer.html>).

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;

use super::error::RegistryError;
use super::store::Registry;
use super::table::{Cell, Table};

/// Pragmas that only tell of the schema.
const READING_PRAGMAS: [&str; 5] = ["table_info", "table_list", "index_list", "index_info", "foreign_key_list"];

impl Registry {
    /// The result of one SQL query over the index; the tables are those of `migrations/`.
    ///
    /// # Errors
    /// [`RegistryError::NotReadOnly`] for anything but reading, [`RegistryError::Query`] if `SQLite` refuses the query.
    pub fn query(&self, sql: &str) -> Result<Table, RegistryError> {
        let mut db = self.index.open_read_only()?;
        db.authorizer(Some(authorize)).map_err(|source| RegistryError::Query { source })?;
        let failed = |source: rusqlite::Error| match source {
            rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. }
                if matches!(
                    error.code,
                    rusqlite::ErrorCode::AuthorizationForStatementDenied | rusqlite::ErrorCode::ReadOnly
                ) =>
            {
                RegistryError::NotReadOnly { what: sql.to_owned() }
            }
            source => RegistryError::Query { source },
        };
        let mut statement = db.prepare(sql).map_err(failed)?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut table = Table { columns, rows: Vec::new() };
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cells = (0..table.columns.len()).map(|i| row.get_ref(i).map(cell_of)).collect::<Result<_, _>>();
            table.push(cells.map_err(failed)?);
        }
        Ok(table)
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

fn cell_of(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(integer) => Cell::Integer(integer),
        ValueRef::Real(real) => Cell::Real(real),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Cell::Text(format!("{} bytes", blob.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_query_gives_columns_and_rows() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        complete(begin(&registry, &plan("demo"), 0, 1));
        let table = registry
            .query(
                "WITH best AS (SELECT run, max(top1) AS top1 FROM epochs GROUP BY run)
                 SELECT arm, seed, best.top1, failure FROM runs JOIN best ON best.run = runs.id",
            )
            .unwrap();
        assert_eq!(table.columns, ["arm", "seed", "top1", "failure"]);
        assert_eq!(table.rows, [[Cell::from("plain"), Cell::Integer(1), Cell::Real(0.8), Cell::Null]]);
        assert!(!registry.query("PRAGMA table_info(runs)").unwrap().rows.is_empty());
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
            let result = registry.query(sql);
            assert!(
                matches!(result, Err(RegistryError::NotReadOnly { .. } | RegistryError::Query { .. })),
                "{sql}: {result:?}"
            );
        }
        assert!(matches!(registry.query("DELETE FROM runs"), Err(RegistryError::NotReadOnly { .. })));
        assert!(registry.query("SELECT 1; DELETE FROM runs").is_err());
        assert!(matches!(registry.query("SELEC 1"), Err(RegistryError::Query { .. })));
        assert!(!outside.exists());
        assert_eq!(registry.dump().unwrap(), before);
    }
}
