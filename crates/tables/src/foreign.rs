//! Parquet files that others have written: columns of texts, numbers and truth values, and the names of all others.
//!
//! Types are the file's own (apache/parquet-format, `LogicalTypes.md`). What a library notes beside them for itself is not needed: a
//! category of pandas is a column of texts here.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::Value;
use super::read::LeftOut;

/// Values of a column that are decoded together.
const BATCH_ROWS: usize = 4096;

/// The columns of a file.
pub struct Columns {
    pub read: Vec<(String, Vec<Value>)>,
    pub left_out: Vec<LeftOut>,
}

/// A column that is being read.
struct Reading {
    name: String,
    leaf: usize,
    numbers: Numbers,
    /// None once it has turned out that its bytes are no text.
    values: Option<Vec<Value>>,
}

/// How the numbers of a column are stored; its physical type says the rest.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    Signed,
    Unsigned,
    Half,
}

/// Reads every column of a type that a [`Value`] can hold.
///
/// # Errors
/// If the file is no Parquet or is damaged.
pub fn read(file: File, bytes: u64) -> Result<Columns, ParquetError> {
    // Files come from anywhere; a panic of the reader is a property of the file.
    catch_unwind(AssertUnwindSafe(|| columns(file, bytes))).unwrap_or_else(|_| Err(damaged("its reader panicked")))
}

fn columns(file: File, bytes: u64) -> Result<Columns, ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    if !lies_inside(reader.metadata(), bytes) {
        return Err(damaged("its columns lie outside of the file"));
    }
    let (mut reading, mut left_out) = find(reader.metadata());
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        for column in &mut reading {
            let Some(values) = &mut column.values else { continue };
            match cells(group.get_column_reader(column.leaf)?, column.numbers, rows)? {
                Some(found) if found.len() == rows => values.extend(found),
                Some(_) => return Err(damaged(&format!("column `{}` has no value for some rows", column.name))),
                None => column.values = None,
            }
        }
    }
    let mut read = Vec::new();
    for column in reading {
        match column.values {
            Some(values) => read.push((column.name, values)),
            None => left_out.push(LeftOut { name: column.name, kind: "binary that is not UTF-8 text" }),
        }
    }
    Ok(Columns { read, left_out })
}

/// The columns that can be read, and the others, in the order of the file.
fn find(metadata: &ParquetMetaData) -> (Vec<Reading>, Vec<LeftOut>) {
    let schema = metadata.file_metadata().schema_descr();
    let (mut reading, mut left_out) = (Vec::new(), Vec::new());
    let mut last = None;
    for (leaf, column) in schema.columns().iter().enumerate() {
        let root = schema.get_column_root(leaf);
        let name = root.name().to_owned();
        let kind = if root.is_group() {
            // A column with parts has a leaf for each of them.
            if last.replace(schema.get_column_root_idx(leaf)) == Some(schema.get_column_root_idx(leaf)) {
                continue;
            }
            Err(kind_of_group(root.get_basic_info().logical_type_ref(), root.get_basic_info().converted_type()))
        } else if column.max_rep_level() > 0 {
            Err("list")
        } else {
            numbers(column)
        };
        match kind {
            Ok(numbers) => reading.push(Reading { name, leaf, numbers, values: Some(Vec::new()) }),
            Err(kind) => left_out.push(LeftOut { name, kind }),
        }
    }
    (reading, left_out)
}

fn kind_of_group(logical: Option<&LogicalType>, converted: ConvertedType) -> &'static str {
    match (logical, converted) {
        (Some(LogicalType::List), _) | (_, ConvertedType::LIST) => "list",
        (Some(LogicalType::Map), _) | (_, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => "map",
        _ => "struct",
    }
}

/// How to read a column, or the type for which there is no [`Value`].
fn numbers(column: &ColumnDescriptor) -> Result<Numbers, &'static str> {
    match column.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => {
            return Ok(if integer.is_signed { Numbers::Signed } else { Numbers::Unsigned });
        }
        Some(LogicalType::Float16) => return Ok(Numbers::Half),
        Some(LogicalType::Decimal(_)) => return Err("decimal"),
        Some(LogicalType::Date) => return Err("date"),
        Some(LogicalType::Time(_)) => return Err("time"),
        Some(LogicalType::Timestamp(_)) => return Err("timestamp"),
        Some(LogicalType::Uuid) => return Err("UUID"),
        // `Unknown` is a column of nothing but gaps.
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json | LogicalType::Unknown) | None => {}
        Some(LogicalType::Bson) => return Err("BSON"),
        Some(LogicalType::Geometry(_) | LogicalType::Geography(_)) => return Err("geometry"),
        Some(_) => return Err("unknown"),
    }
    match column.converted_type() {
        ConvertedType::DECIMAL => return Err("decimal"),
        ConvertedType::DATE => return Err("date"),
        ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS => return Err("time"),
        ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS => return Err("timestamp"),
        ConvertedType::INTERVAL => return Err("interval"),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
            return Ok(Numbers::Unsigned);
        }
        _ => {}
    }
    match column.physical_type() {
        // The timestamps of older programs.
        Type::INT96 => Err("timestamp"),
        Type::FIXED_LEN_BYTE_ARRAY => Err("fixed-length binary"),
        _ => Ok(Numbers::Signed),
    }
}

/// The values of a column in one group of rows; nothing if its bytes are no text.
fn cells(reader: ColumnReader, numbers: Numbers, rows: usize) -> Result<Option<Vec<Value>>, ParquetError> {
    let unsigned = numbers == Numbers::Unsigned;
    match reader {
        ColumnReader::BoolColumnReader(reader) => values(reader, rows, |&value| Some(Value::Boolean(value))),
        ColumnReader::Int32ColumnReader(reader) if unsigned => {
            values(reader, rows, |&value| Some(Value::Unsigned(u64::from(value.cast_unsigned()))))
        }
        ColumnReader::Int32ColumnReader(reader) => {
            values(reader, rows, |&value| Some(Value::Integer(i64::from(value))))
        }
        ColumnReader::Int64ColumnReader(reader) if unsigned => {
            values(reader, rows, |&value| Some(Value::Unsigned(value.cast_unsigned())))
        }
        ColumnReader::Int64ColumnReader(reader) => values(reader, rows, |&value| Some(Value::Integer(value))),
        ColumnReader::FloatColumnReader(reader) => values(reader, rows, |&value| Some(Value::Real(f64::from(value)))),
        ColumnReader::DoubleColumnReader(reader) => values(reader, rows, |&value| Some(Value::Real(value))),
        ColumnReader::ByteArrayColumnReader(reader) => {
            values(reader, rows, |value| std::str::from_utf8(value.data()).ok().map(Value::from))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            values(reader, rows, |value| value.data().try_into().ok().map(|bytes| Value::Real(half(bytes))))
        }
        ColumnReader::Int96ColumnReader(_) => Ok(None),
    }
}

fn values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    value: impl Fn(&T::T) -> Option<Value>,
) -> Result<Option<Vec<Value>>, ParquetError> {
    let mut all = Vec::new();
    while all.len() < rows {
        let (mut levels, mut found) = (Vec::new(), Vec::new());
        let most = BATCH_ROWS.min(rows - all.len());
        let (records, ..) = reader.read_records(most, Some(&mut levels), None, &mut found)?;
        if records == 0 {
            break;
        }
        let mut found = found.iter();
        for row in 0..records {
            // A column that cannot have gaps has no levels.
            if levels.get(row) == Some(&0) {
                all.push(Value::Null);
                continue;
            }
            let cell = found.next().ok_or_else(|| damaged("a column has fewer values than its levels say"))?;
            let Some(cell) = value(cell) else { return Ok(None) };
            all.push(cell);
        }
    }
    Ok(Some(all))
}

/// The number in IEEE 754's binary16.
fn half(bytes: [u8; 2]) -> f64 {
    let bits = u16::from_le_bytes(bytes);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    let size = match exponent {
        0 => fraction * 2.0_f64.powi(-14),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction) * 2.0_f64.powi(exponent - 15),
    };
    if bits >> 15 == 0 { size } else { -size }
}

/// Whether every column lies in the file: nothing is allocated on the word of a header.
fn lies_inside(metadata: &ParquetMetaData, bytes: u64) -> bool {
    metadata.row_groups().iter().flat_map(RowGroupMetaData::columns).all(|column| {
        let starts = [Some(column.data_page_offset()), column.dictionary_page_offset()];
        let start = starts.into_iter().flatten().min().and_then(|start| u64::try_from(start).ok());
        let length = u64::try_from(column.compressed_size()).ok();
        start.zip(length).and_then(|(start, length)| start.checked_add(length)).is_some_and(|end| end <= bytes)
    })
}

fn damaged(problem: &str) -> ParquetError {
    ParquetError::General(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::half;
    use crate::{LeftOut, Table, Value};

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign").join(name)
    }

    fn read(name: &str) -> Table {
        Table::read(&fixture(name)).unwrap_or_else(|error| panic!("{}", augtrial_base::words::chain(&error)))
    }

    fn left_out(table: &Table) -> Vec<(&str, &str)> {
        table.left_out().iter().map(|LeftOut { name, kind }| (name.as_str(), *kind)).collect()
    }

    fn cells(table: &Table, name: &str) -> Vec<Value> {
        let column = table.column(name).unwrap_or_else(|| panic!("no {name}"));
        (0..table.height()).map(|row| table.get(row, column).clone()).collect()
    }

    #[test]
    fn a_table_of_pandas_is_read_with_its_categories_and_without_its_timestamps() {
        let table = read("pandas.parquet");
        assert_eq!(table.names(), ["arm", "seed", "top1", "took", "run", "nothing", "state"]);
        let expected = [
            ("balanced_accuracy", "decimal"),
            ("started", "timestamp"),
            ("day", "date"),
            ("notes", "list"),
            ("picture", "binary that is not UTF-8 text"),
        ];
        assert_eq!(left_out(&table), expected);
        assert_eq!(cells(&table, "arm")[..2], [Value::from("control"), Value::from("flips")]);
        assert_eq!((cells(&table, "seed")[2].whole(), cells(&table, "top1")[3].number()), (Some(2), Some(0.625)));
        assert_eq!(cells(&table, "run")[0], Value::from("run-0"));
        assert_eq!(cells(&table, "state")[4..], [Value::from("finished"), Value::Null]);
        assert!(cells(&table, "nothing").iter().all(|cell| *cell == Value::Null));
    }

    #[test]
    fn a_table_of_polars_is_read_with_its_enums_and_without_what_has_parts() {
        let table = read("polars.parquet");
        assert_eq!(table.names(), ["arm", "role", "seed", "top1", "run"]);
        let expected = [
            ("cost", "decimal"),
            ("started", "timestamp"),
            ("day", "date"),
            ("clock", "time"),
            ("config", "struct"),
            ("history", "list"),
        ];
        assert_eq!(left_out(&table), expected);
        assert_eq!((table.height(), cells(&table, "arm")[5].clone()), (6, Value::from("flips")));
        assert_eq!(
            (cells(&table, "role")[1].clone(), cells(&table, "run")[0].clone()),
            ("treatment".into(), "run".into())
        );
    }

    #[test]
    fn numbers_of_every_width_keep_their_values_and_their_gaps() {
        let table = read("pyarrow.parquet");
        let whole =
            |name: &str, low: Value, high: Value| assert_eq!(cells(&table, name), [low, Value::Null, high], "{name}");
        whole("int8", Value::Integer(-128), Value::Integer(127));
        whole("int16", Value::Integer(-32_768), Value::Integer(32_767));
        whole("int32", Value::Integer(i64::from(i32::MIN)), Value::Integer(i64::from(i32::MAX)));
        whole("int64", Value::Integer(i64::MIN), Value::Integer(i64::MAX));
        for (name, most) in [("uint8", 255), ("uint16", 65_535), ("uint32", u64::from(u32::MAX)), ("uint64", u64::MAX)]
        {
            whole(name, Value::Unsigned(0), Value::Unsigned(most));
        }
        whole("half", Value::Real(0.5), Value::Real(-1.5 * 2.0_f64.powi(-15)));
        whole("text", "é".into(), "".into());
        whole("flag", true.into(), false.into());
        whole("number_category", Value::Integer(7), Value::Integer(9));
        let expected = [("code", "fixed-length binary"), ("pairs", "map"), ("old_time", "timestamp")];
        assert_eq!(left_out(&table), expected);
    }

    #[test]
    fn halves_are_those_of_ieee_754() {
        for (bits, expected) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 2.0_f64.powi(-24)),
            (0x7bff, 65_504.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(u16::to_le_bytes(bits)), expected, "{bits:#x}");
        }
        assert!(half(u16::to_le_bytes(0x7e00)).is_nan());
    }

    #[test]
    fn a_file_that_is_cut_or_overwritten_is_refused() {
        let bytes = std::fs::read(fixture("pandas.parquet")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let problem = Table::read(&path).unwrap_err().to_string();
            assert!(problem.contains("is not Parquet, or is damaged"), "{problem}");
        };
        (0..bytes.len()).step_by(101).for_each(|length| refused(&bytes[..length]));
        let mut overwritten = bytes;
        overwritten[4..60].fill(0);
        refused(&overwritten);
    }
}
