//! Results in the shape of a table: named columns and typed cells.

use std::fmt;

use serde::{Serialize, Serializer};

/// One value; shown as plain text, absent values as nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexValue {
    Null,
    Text(String),
    Integer(i64),
    Real(f64),
    Boolean(bool),
}

/// Named columns and rows of as many cells.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<IndexValue>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has not one cell per column.
    pub fn push(&mut self, row: Vec<IndexValue>) {
        assert_eq!(row.len(), self.columns.len(), "one cell per column");
        self.rows.push(row);
    }
}

impl IndexValue {
    /// Whether a column of such cells is set flush right.
    #[must_use]
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Real(_))
    }
}

impl fmt::Display for IndexValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Real(real) => write!(f, "{real}"),
            Self::Boolean(true) => f.write_str("yes"),
            Self::Boolean(false) => f.write_str("no"),
        }
    }
}

impl Serialize for IndexValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(integer) => serializer.serialize_i64(*integer),
            Self::Real(real) => serializer.serialize_f64(*real),
            Self::Boolean(boolean) => serializer.serialize_bool(*boolean),
        }
    }
}

impl From<&str> for IndexValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for IndexValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for IndexValue {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<u32> for IndexValue {
    fn from(integer: u32) -> Self {
        Self::Integer(integer.into())
    }
}

/// Counts stay far below 2^63.
impl From<u64> for IndexValue {
    fn from(integer: u64) -> Self {
        Self::Integer(integer as i64)
    }
}

impl From<f64> for IndexValue {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl<T: Into<Self>> From<Option<T>> for IndexValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_show_plain_text_and_serialize_as_their_kind() {
        let row = [IndexValue::Null, "a".into(), 3_u32.into(), IndexValue::Real(0.1235), true.into()];
        let shown: Vec<_> = row.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["", "a", "3", "0.1235", "yes"]);
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"[null,"a",3,0.1235,true]"#);
    }
}
