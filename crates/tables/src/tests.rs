//! Tables and what other readers make of them.

use polars::prelude::{DataFrame, ParquetReader, SerReader as _};

use super::*;

fn frame() -> Frame {
    let mut frame = Frame::new([
        ("arm", ColumnKind::Text),
        ("seed", ColumnKind::Unsigned),
        ("difference", ColumnKind::Integer),
        ("top1", ColumnKind::Real),
        ("counts", ColumnKind::Boolean),
    ]);
    let full: [Value; 5] =
        ["a, \"b\"".into(), Value::Unsigned(u64::MAX), Value::Integer(-5), Value::Real(0.1 + 0.2), true.into()];
    frame.push(full).unwrap();
    frame.push(["=SUM(A1)".into(), Value::Unsigned(1)]).unwrap();
    frame
}

fn parquet(frame: &Frame) -> DataFrame {
    let bytes = frame.to_bytes(Format::Parquet).unwrap();
    assert_eq!(bytes, frame.to_bytes(Format::Parquet).unwrap(), "same table, same bytes");
    ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap()
}

#[test]
fn parquet_gives_values_back_to_the_bit_and_gaps_as_null() {
    let frame = parquet(&frame());
    let column = |name: &str| frame.column(name).unwrap();
    assert_eq!(column("seed").u64().unwrap().get(0), Some(u64::MAX));
    assert_eq!(column("difference").i64().unwrap().iter().collect::<Vec<_>>(), [Some(-5), None]);
    assert_eq!(column("top1").f64().unwrap().iter().collect::<Vec<_>>(), [Some(0.1 + 0.2), None]);
    assert_eq!(column("arm").str().unwrap().get(1), Some("=SUM(A1)"), "Parquet has no formulas");
}

#[test]
fn a_table_without_rows_keeps_its_types() {
    let empty = Frame::new([("arm", ColumnKind::Text), ("top1", ColumnKind::Real)]);
    let read = parquet(&empty);
    assert_eq!((read.height(), read.width()), (0, 2));
    assert!(read.column("top1").unwrap().f64().is_ok());
    assert_eq!(empty.to_bytes(Format::Csv).unwrap(), b"arm,top1\n");
}

#[test]
fn csv_reads_back_to_the_same_bits_and_holds_no_formula() {
    let bytes = frame().to_bytes(Format::Csv).unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((&rows[0][0], &rows[0][1], &rows[0][4]), ("a, \"b\"", "18446744073709551615", "true"));
    assert_eq!(rows[0][3].parse::<f64>().unwrap(), 0.1 + 0.2);
    assert_eq!((&rows[0][2], &rows[1][2]), ("-5", ""), "a number keeps its sign, a gap is empty");
    assert_eq!(&rows[1][0], "'=SUM(A1)");
}

#[test]
fn json_lines_hold_one_object_a_row() {
    let text = String::from_utf8(frame().to_bytes(Format::JsonLines).unwrap()).unwrap();
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["seed"], u64::MAX);
    assert!(rows[1]["top1"].is_null() && rows.len() == 2);
}

#[test]
fn a_value_of_another_type_is_an_error_and_not_a_gap() {
    let mut frame = frame();
    let error = frame.push(["c".into(), Value::from("many")]).unwrap_err();
    assert!(error.to_string().contains("`seed` holds whole numbers, and Text(\"many\") is none"), "{error}");
    let wide = vec![Value::Null; 6];
    assert!(matches!(frame.push(wide), Err(FrameError::Width { have: 6, columns: 5 })));
    assert_eq!(frame.height(), 2);
}

#[test]
fn columns_that_come_later_are_empty_for_earlier_rows() {
    let mut frame = Frame::new([("run", ColumnKind::Text)]);
    frame.push(["a".into()]).unwrap();
    frame.add_column("p_0", ColumnKind::Real);
    frame.push(["b".into(), 0.5.into()]).unwrap();
    let read = parquet(&frame);
    assert_eq!(read.column("p_0").unwrap().f64().unwrap().iter().collect::<Vec<_>>(), [None, Some(0.5)]);
}
