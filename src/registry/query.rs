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
    /// [`RegistryError::NotReadOnly`] for anything but reading, [`RegistryError::Query`] if SQLite refuses the query.
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
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut table = Table { columns, rows: Vec::new() };
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cells = (0..table.columns.len()).map(|i| row.get_ref(i).map(cell_of)).collect::<Result<_, _>>();
            table.push(cells.map_err(failed)?);
        }
        Ok(table)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that SQLite's hook wants")]
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
