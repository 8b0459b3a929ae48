//! Tables that others have written: CSV, Parquet and JSON lines, read whole and taken as they are.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use super::{Value, foreign};
use augtrial_base::disk;

/// Bytes of a file at most.
const MOST_BYTES: u64 = 2 << 30;
/// Separators of CSV, the first of equals.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A table as it was read. A cell of CSV is a text, whatever is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    names: Vec<String>,
    rows: Vec<Vec<Value>>,
    left_out: Vec<LeftOut>,
}

/// A column whose type no [`Value`] can hold: it is not read, so that the others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub name: String,
    /// Its type, for people.
    pub kind: &'static str,
}

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is no table that can be read: its name must end in .csv, .tsv, .parquet or .jsonl", path.display())]
    Unknown { path: PathBuf },
    #[error("{} is not CSV", path.display())]
    Csv { path: PathBuf, source: csv::Error },
    #[error("{} is not Parquet, or is damaged", path.display())]
    Parquet { path: PathBuf, source: ParquetError },
    #[error("line {line} of {} is not a JSON object", path.display())]
    Json { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("{} has two columns named `{name}`", path.display())]
    TwoColumns { path: PathBuf, name: String },
}

impl Table {
    /// Reads a file whose name says what it is.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io { path: path.to_owned(), source };
        let read = || disk::read_regular(path, MOST_BYTES).map_err(failed);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let table = match extension.as_str() {
            "csv" | "tsv" | "txt" => {
                Self::from_csv(&read()?).map_err(|source| ReadError::Csv { path: path.to_owned(), source })
            }
            "parquet" => {
                let (file, bytes) = disk::open_regular(path, MOST_BYTES).map_err(failed)?;
                Self::from_parquet(file, bytes).map_err(|source| ReadError::Parquet { path: path.to_owned(), source })
            }
            "jsonl" | "ndjson" => Self::from_json_lines(&read()?).map_err(|(line, source)| ReadError::Json {
                path: path.to_owned(),
                line,
                source,
            }),
            _ => Err(ReadError::Unknown { path: path.to_owned() }),
        }?;
        let mut seen = BTreeSet::new();
        let names = table.names.iter().chain(table.left_out.iter().map(|column| &column.name));
        match names.into_iter().find(|name| !seen.insert(name.as_str())) {
            Some(name) => Err(ReadError::TwoColumns { path: path.to_owned(), name: name.clone() }),
            None => Ok(table),
        }
    }

    /// The names of the columns.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns that the file has beside them, of types that are not read.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.rows.len()
    }

    /// A cell; nothing where a row is too short.
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> &Value {
        self.rows[row].get(column).unwrap_or(&Value::Null)
    }

    fn from_csv(bytes: &[u8]) -> Result<Self, csv::Error> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let header = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let count = |delimiter: u8| header.split(|&byte| byte == delimiter).count();
        let delimiter = DELIMITERS.into_iter().rev().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(bytes);
        let names = reader.headers()?.iter().map(str::to_owned).collect();
        let cell = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
        let rows = reader.records().map(|record| Ok(record?.iter().map(cell).collect()));
        Ok(Self { names, rows: rows.collect::<Result<_, csv::Error>>()?, left_out: Vec::new() })
    }

    fn from_parquet(file: File, bytes: u64) -> Result<Self, ParquetError> {
        let foreign::Columns { read, left_out } = foreign::read(file, bytes)?;
        let height = read.first().map_or(0, |(_, values)| values.len());
        let mut rows = vec![Vec::with_capacity(read.len()); height];
        let mut names = Vec::with_capacity(read.len());
        for (name, values) in read {
            names.push(name);
            rows.iter_mut().zip(values).for_each(|(row, value)| row.push(value));
        }
        Ok(Self { names, rows, left_out })
    }

    fn from_json_lines(bytes: &[u8]) -> Result<Self, (usize, serde_json::Error)> {
        let mut names: Vec<String> = Vec::new();
        let mut rows = Vec::new();
        let lines = bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        for (number, line) in lines {
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(line).map_err(|error| (number + 1, error))?;
            let mut row = vec![Value::Null; names.len()];
            for (name, cell) in object {
                let column = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                    names.push(name);
                    row.push(Value::Null);
                    names.len() - 1
                });
                row[column] = json_value(cell);
            }
            rows.push(row);
        }
        Ok(Self { names, rows, left_out: Vec::new() })
    }
}

fn json_value(cell: serde_json::Value) -> Value {
    match cell {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(value),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => Value::Unsigned(value),
            (None, Some(value)) => Value::Integer(value),
            (None, None) => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        other => Value::Text(other.to_string()),
    }
}

impl Value {
    /// The number in it: of a text the one that it spells.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Unsigned(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            Self::Null | Self::Boolean(_) => None,
        }
    }

    /// The whole number from 0 in it; `3.0` is one, as tools write columns with gaps.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => u64::try_from(*value).ok(),
            Self::Unsigned(value) => Some(*value),
            Self::Text(text) if text.parse::<u64>().is_ok() => text.parse().ok(),
            other => {
                other.number().filter(|value| value.fract() == 0.0 && (0.0..9e15).contains(value)).map(|v| v as u64)
            }
        }
    }

    /// Whether it says yes or no, if it says either.
    #[must_use]
    pub fn truth(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Text(text) => text.to_lowercase().parse().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColumnKind, Format, Frame};

    fn frame() -> Frame {
        let mut frame = Frame::new([
            ("arm", ColumnKind::Text),
            ("seed", ColumnKind::Unsigned),
            ("top1", ColumnKind::Real),
            ("ok", ColumnKind::Boolean),
        ]);
        frame.push(["control".into(), Value::Unsigned(u64::MAX), 0.1.into(), true.into()]).unwrap();
        frame.push(["b, \"c\"".into(), Value::Unsigned(2), Value::Null, false.into()]).unwrap();
        frame
    }

    #[test]
    fn what_is_written_in_any_format_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for (name, format) in [("a.csv", Format::Csv), ("a.parquet", Format::Parquet), ("a.jsonl", Format::JsonLines)] {
            let path = folder.path().join(name);
            std::fs::write(&path, frame().to_bytes(format).unwrap()).unwrap();
            let table = Table::read(&path).unwrap();
            assert_eq!(table.names(), ["arm", "seed", "top1", "ok"], "{name}");
            assert_eq!((table.height(), table.get(1, 0).to_string().as_str()), (2, "b, \"c\""), "{name}");
            assert_eq!((table.get(0, 1).whole(), table.get(0, 2).number()), (Some(u64::MAX), Some(0.1)), "{name}");
            assert_eq!((table.get(1, 2), table.get(1, 3).truth()), (&Value::Null, Some(false)), "{name}");
        }
    }

    #[test]
    fn separators_and_marks_of_other_programs_are_understood() {
        let table = Table::from_csv(b"\xef\xbb\xbfarm; seed\r\na; 1.0\r\n").unwrap();
        assert_eq!((table.names()[0].as_str(), table.get(0, 1).whole()), ("arm", Some(1)));
        assert_eq!(Value::from("1.5").whole(), None);
        assert_eq!(Value::Integer(-1).whole(), None);
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Table::read(&path).unwrap_err().to_string()
        };
        assert!(read("a.xlsx", "").contains("must end in .csv"));
        assert!(read("a.csv", "arm,arm\n1,2\n").contains("two columns named `arm`"));
        assert!(read("a.jsonl", "{}\n[1]\n").starts_with("line 2 of"));
        assert!(read("a.parquet", "no").contains("not Parquet"));
        assert!(read("ragged.csv", "a,b\n1\n").contains("is not CSV"));
    }
}
