//! Values of a table and the types of its columns.

use std::fmt;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Integer,
    /// Whole numbers up to 2^64: names of trials' random numbers.
    Unsigned,
    Real,
    Boolean,
}

impl ColumnKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integers",
            Self::Unsigned => "whole numbers",
            Self::Real => "numbers",
            Self::Boolean => "truth values",
        }
    }
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Text(String),
    Integer(i64),
    Unsigned(u64),
    Real(f64),
    Boolean(bool),
}

/// The shortest text that reads back as the same value; nothing for nothing.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Integer(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
            Self::Boolean(value) => value.fmt(f),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A column's values.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Text(Vec<Option<String>>),
    Integer(Vec<Option<i64>>),
    Unsigned(Vec<Option<u64>>),
    Real(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
}

impl Values {
    pub fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Text => Self::Text(Vec::new()),
            ColumnKind::Integer => Self::Integer(Vec::new()),
            ColumnKind::Unsigned => Self::Unsigned(Vec::new()),
            ColumnKind::Real => Self::Real(Vec::new()),
            ColumnKind::Boolean => Self::Boolean(Vec::new()),
        }
    }

    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Text(_) => ColumnKind::Text,
            Self::Integer(_) => ColumnKind::Integer,
            Self::Unsigned(_) => ColumnKind::Unsigned,
            Self::Real(_) => ColumnKind::Real,
            Self::Boolean(_) => ColumnKind::Boolean,
        }
    }

    pub fn takes(&self, value: &Value) -> bool {
        matches!(
            (self, value),
            (_, Value::Null)
                | (Self::Text(_), Value::Text(_))
                | (Self::Integer(_), Value::Integer(_))
                | (Self::Unsigned(_), Value::Unsigned(_))
                | (Self::Real(_), Value::Real(_))
                | (Self::Boolean(_), Value::Boolean(_))
        )
    }

    pub fn push_null(&mut self) {
        self.push(Value::Null);
    }

    /// Adds a value that this column takes; one that it does not take counts as none.
    pub fn push(&mut self, value: Value) {
        match (self, value) {
            (Self::Text(values), Value::Text(text)) => values.push(Some(text)),
            (Self::Integer(values), Value::Integer(value)) => values.push(Some(value)),
            (Self::Unsigned(values), Value::Unsigned(value)) => values.push(Some(value)),
            (Self::Real(values), Value::Real(value)) => values.push(Some(value)),
            (Self::Boolean(values), Value::Boolean(value)) => values.push(Some(value)),
            (Self::Text(values), _) => values.push(None),
            (Self::Integer(values), _) => values.push(None),
            (Self::Unsigned(values), _) => values.push(None),
            (Self::Real(values), _) => values.push(None),
            (Self::Boolean(values), _) => values.push(None),
        }
    }

    pub fn get(&self, row: usize) -> Value {
        match self {
            Self::Text(values) => values[row].clone().map_or(Value::Null, Value::Text),
            Self::Integer(values) => values[row].map_or(Value::Null, Value::Integer),
            Self::Unsigned(values) => values[row].map_or(Value::Null, Value::Unsigned),
            Self::Real(values) => values[row].map_or(Value::Null, Value::Real),
            Self::Boolean(values) => values[row].map_or(Value::Null, Value::Boolean),
        }
    }
}
