//! A frame as CSV (RFC 4180), Parquet, or JSON lines.

use std::io::Write;

use polars::prelude::{Column, DataFrame, NamedFrom as _, ParquetWriter, Series};

use super::value::Values;
use super::{Frame, FrameError, Value};
use augtrial_base::text;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With a header of names. Numbers are the shortest text that reads back to the same bits; a missing value is an empty
    /// field; text that a spreadsheet would take for a formula has a leading apostrophe.
    Csv,
    /// Typed by the column; a missing value is null.
    Parquet,
    /// One JSON object per line; a missing value is null.
    JsonLines,
}

impl Frame {
    /// Writes the table. The same table gives the same bytes.
    ///
    /// # Errors
    /// Whatever encoding or `out` gives.
    pub fn write(self, format: Format, out: &mut dyn Write) -> Result<(), FrameError> {
        match format {
            Format::Csv => self.write_csv(out),
            Format::Parquet => self.write_parquet(out),
            Format::JsonLines => self.write_json_lines(out),
        }
    }

    /// The table in memory.
    ///
    /// # Errors
    /// Whatever encoding gives.
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::new();
        self.clone().write(format, &mut bytes)?;
        Ok(bytes)
    }

    fn write_csv(self, out: &mut dyn Write) -> Result<(), FrameError> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(self.columns.iter().map(|(name, _)| text::csv(name).into_owned()))?;
        for row in 0..self.height {
            writer.write_record(self.columns.iter().map(|(_, values)| match values.get(row) {
                Value::Text(cell) => text::csv(&cell).into_owned(),
                other => other.to_string(),
            }))?;
        }
        Ok(writer.flush()?)
    }

    fn write_parquet(self, out: &mut dyn Write) -> Result<(), FrameError> {
        let columns: Vec<Column> = self.columns.into_iter().map(|(name, values)| column(&name, values)).collect();
        let mut frame = DataFrame::new(self.height, columns)?;
        ParquetWriter::new(out).finish(&mut frame)?;
        Ok(())
    }

    fn write_json_lines(self, out: &mut dyn Write) -> Result<(), FrameError> {
        for row in 0..self.height {
            let cells = self.columns.iter().map(|(name, values)| (name.clone(), json(values.get(row))));
            writeln!(out, "{}", serde_json::Value::Object(cells.collect()))?;
        }
        Ok(())
    }
}

fn column(name: &str, values: Values) -> Column {
    let name = name.into();
    match values {
        Values::Text(values) => Series::new(name, values),
        Values::Integer(values) => Series::new(name, values),
        Values::Unsigned(values) => Series::new(name, values),
        Values::Real(values) => Series::new(name, values),
        Values::Boolean(values) => Series::new(name, values),
    }
    .into()
}

fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => text.into(),
        Value::Integer(value) => value.into(),
        Value::Unsigned(value) => value.into(),
        Value::Real(value) => value.into(),
        Value::Boolean(value) => value.into(),
    }
}
