//! Typed tables, and their form as CSV, Parquet and JSON lines: what a report and an export write for other tools; and tables
//! that other tools have written.
//!
//! A [`Frame`] knows the type of each column from the start, so that a column without values keeps its type, and a value of
//! another type is an error and not a guess. Polars writes Parquet, and this is the only crate that it is used by; what others wrote
//! is read without it, since it panics at types that it is built without.
//!
//! ```
//! use augtrial_tables::{ColumnKind, Format, Frame, Value};
//!
//! let mut frame = Frame::new([("arm", ColumnKind::Text), ("top1", ColumnKind::Real)]);
//! frame.push([Value::from("control"), Value::from(0.75)])?;
//! assert_eq!(frame.to_bytes(Format::Csv)?, b"arm,top1\ncontrol,0.75\n");
//! # Ok::<(), augtrial_tables::FrameError>(())
//! ```

mod foreign;
mod read;
mod value;
mod write;

pub use read::{LeftOut, ReadError, Table};
pub use value::{ColumnKind, Value};
pub use write::Format;

use value::Values;

/// Why a table could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("column `{column}` holds {kind}, and {value:?} is none")]
    Type { column: String, kind: &'static str, value: Value },
    #[error("a row of {have} values for {columns} columns")]
    Width { have: usize, columns: usize },
    #[error("cannot write CSV")]
    Csv(#[from] csv::Error),
    #[error("cannot write Parquet")]
    Parquet(#[from] polars::error::PolarsError),
    #[error("cannot write the table")]
    Write(#[from] std::io::Error),
}

/// A table in the making, column by column.
#[derive(Clone, Debug)]
pub struct Frame {
    columns: Vec<(String, Values)>,
    height: usize,
}

impl Frame {
    /// A table of these columns, without rows.
    pub fn new<S: Into<String>>(schema: impl IntoIterator<Item = (S, ColumnKind)>) -> Self {
        let columns = schema.into_iter().map(|(name, kind)| (name.into(), Values::new(kind))).collect();
        Self { columns, height: 0 }
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Adds a column that is empty so far.
    pub fn add_column(&mut self, name: impl Into<String>, kind: ColumnKind) {
        let mut values = Values::new(kind);
        (0..self.height).for_each(|_| values.push_null());
        self.columns.push((name.into(), values));
    }

    /// Adds a row; columns beyond its values get nothing.
    ///
    /// # Errors
    /// If there are more values than columns, or one is not of its column's type.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) -> Result<(), FrameError> {
        let row: Vec<Value> = row.into_iter().collect();
        if row.len() > self.columns.len() {
            return Err(FrameError::Width { have: row.len(), columns: self.columns.len() });
        }
        let fits = |((_, values), value): &(&(String, Values), &Value)| values.takes(value);
        if let Some(((name, values), value)) = self.columns.iter().zip(&row).find(|pair| !fits(pair)) {
            return Err(FrameError::Type { column: name.clone(), kind: values.kind().name(), value: value.clone() });
        }
        let mut row = row.into_iter();
        for (_, values) in &mut self.columns {
            values.push(row.next().unwrap_or(Value::Null));
        }
        self.height += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
