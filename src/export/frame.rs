//! Data frames in the making, column by column, and their form as JSON lines.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use polars::prelude::{AnyValue, Column, DataFrame, NamedFrom as _, PolarsResult, Series};

use super::ExportError;
use crate::registry::{Cell, RegistryError};

/// Type of a column, stated and not guessed from the first rows: a column without values keeps its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Integer,
    Real,
    Boolean,
}

enum Values {
    Text(Vec<Option<String>>),
    Integer(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
}

impl Values {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new()),
            Kind::Integer => Self::Integer(Vec::new()),
            Kind::Real => Self::Real(Vec::new()),
            Kind::Boolean => Self::Boolean(Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Text(values), Cell::Text(text)) => values.push(Some(text)),
            (Self::Integer(values), Cell::Integer(integer)) => values.push(Some(integer)),
            (Self::Real(values), Cell::Real(real)) => values.push(Some(real)),
            (Self::Boolean(values), Cell::Boolean(boolean)) => values.push(Some(boolean)),
            (Self::Text(values), Cell::Null) => values.push(None),
            (Self::Integer(values), Cell::Null) => values.push(None),
            (Self::Real(values), Cell::Null) => values.push(None),
            (Self::Boolean(values), Cell::Null) => values.push(None),
            (_, cell) => unreachable!("a frame's columns have the types of its cells, not {cell:?}"),
        }
    }

    fn into_column(self, name: &str) -> Column {
        let name = name.into();
        match self {
            Self::Text(values) => Series::new(name, values),
            Self::Integer(values) => Series::new(name, values),
            Self::Real(values) => Series::new(name, values),
            Self::Boolean(values) => Series::new(name, values),
        }
        .into()
    }
}

/// A data frame in the making.
pub(super) struct Frame {
    columns: Vec<(String, Values)>,
    height: usize,
}

impl Frame {
    pub fn new(schema: &[&[(&str, Kind)]]) -> Self {
        let columns = schema.concat().into_iter().map(|(name, kind)| (name.to_owned(), Values::new(kind))).collect();
        Self { columns, height: 0 }
    }

    /// Adds probability columns, empty so far, up to `width` columns in all.
    pub fn widen(&mut self, width: usize) {
        let fixed = self.columns.iter().filter(|(name, _)| !name.starts_with("p_")).count();
        while self.columns.len() < width {
            let mut name = String::new();
            let _infallible = write!(name, "p_{}", self.columns.len() - fixed);
            self.columns.push((name, Values::Real(vec![None; self.height])));
        }
    }

    /// Adds a row; columns beyond its cells get nothing.
    pub fn push(&mut self, cells: impl Iterator<Item = Cell>) {
        let mut cells = cells.fuse();
        for (_, values) in &mut self.columns {
            values.push(cells.next().unwrap_or(Cell::Null));
        }
        debug_assert!(cells.next().is_none(), "no more cells than columns");
        self.height += 1;
    }

    pub fn finish(self) -> PolarsResult<DataFrame> {
        let columns = self.columns.into_iter().map(|(name, values)| values.into_column(&name)).collect();
        DataFrame::new(self.height, columns)
    }
}

/// One object per row. Written here, since polars' own JSON feature brings two more JSON parsers for no more than this.
pub(super) fn write_json_lines(frame: &DataFrame, out: &mut impl Write, path: &Path) -> Result<(), ExportError> {
    for row in 0..frame.height() {
        let mut object = serde_json::Map::new();
        for column in frame.columns() {
            let value = column.get(row).map_err(|source| ExportError::Table { path: path.to_owned(), source })?;
            object.insert(column.name().to_string(), json_of(&value));
        }
        writeln!(out, "{}", serde_json::Value::Object(object)).map_err(RegistryError::io("write", path))?;
    }
    Ok(())
}

fn json_of(value: &AnyValue<'_>) -> serde_json::Value {
    match value {
        AnyValue::Null => serde_json::Value::Null,
        AnyValue::Boolean(boolean) => (*boolean).into(),
        AnyValue::Int64(integer) => (*integer).into(),
        AnyValue::Float64(real) => (*real).into(),
        AnyValue::String(text) => (*text).into(),
        other => unreachable!("frames hold text, integers, reals and booleans, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_with_more_classes_widen_the_frame() {
        let mut frame = Frame::new(&[&[("run", Kind::Text)]]);
        for probabilities in [vec![1.0], vec![0.5, 0.25, 0.25], vec![0.0]] {
            frame.widen(1 + probabilities.len());
            frame.push(std::iter::once(Cell::from("a")).chain(probabilities.into_iter().map(Cell::Real)));
        }
        let frame = frame.finish().unwrap();
        assert_eq!(frame.get_column_names(), ["run", "p_0", "p_1", "p_2"]);
        assert_eq!(frame.column("p_2").unwrap().f64().unwrap().iter().collect::<Vec<_>>(), [None, Some(0.25), None]);
    }
}
