//! Tables as Parquet: the exact values of the CSV file, typed by the column and not by what happens to stand in it.

use std::fmt::Display;
use std::str::FromStr;

use polars::prelude::{Column as Series, DataFrame, ParquetWriter, PolarsError, PolarsResult};

use super::{Kind, Table};

/// The table as a Parquet file; a missing value is null.
pub(super) fn parquet(table: &Table) -> PolarsResult<Vec<u8>> {
    let columns = table.columns.iter().enumerate().map(|(index, column)| {
        let cells = || table.rows.iter().map(move |row| row[index].exact.as_str());
        let name = column.key.as_str().into();
        Ok(match column.kind {
            Kind::Text => Series::new(name, cells().map(str::to_owned).collect::<Vec<String>>()),
            Kind::Number => Series::new(name, parsed::<f64>(cells())?),
            Kind::Count => Series::new(name, parsed::<i64>(cells())?),
            Kind::Seed => Series::new(name, parsed::<u64>(cells())?),
        })
    });
    let mut frame = DataFrame::new(table.rows.len(), columns.collect::<PolarsResult<Vec<_>>>()?)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame)?;
    Ok(bytes)
}

fn parsed<'a, T: FromStr<Err: Display>>(cells: impl Iterator<Item = &'a str>) -> PolarsResult<Vec<Option<T>>> {
    let value = |cell: &str| {
        let wrong = |error: T::Err| PolarsError::ComputeError(format!("`{cell}`: {error}").into());
        if cell.is_empty() { Ok(None) } else { cell.parse().map(Some).map_err(wrong) }
    };
    cells.map(value).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::{ParquetReader, SerReader as _};

    use super::super::{Cell, Column};
    use super::*;

    fn table() -> Table {
        let seed = |seed: u64| Cell { shown: String::new(), exact: seed.to_string() };
        Table {
            name: "t",
            caption: String::new(),
            columns: vec![
                Column::text("Arm", "arm"),
                Column::seed(),
                Column::count("Difference", "difference"),
                Column::number("Top-1", "top1"),
            ],
            rows: vec![
                vec![Cell::text("a"), seed(u64::MAX), Cell::text("-5"), Cell::value(0.1 + 0.2, |v| v.to_string())],
                vec![Cell::text(""), seed(1), Cell::default(), Cell::default()],
            ],
        }
    }

    #[test]
    fn values_come_back_to_the_bit_and_gaps_as_null() {
        let bytes = parquet(&table()).unwrap();
        assert_eq!(bytes, parquet(&table()).unwrap(), "same table, same bytes");
        let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
        let column = |name: &str| frame.column(name).unwrap();
        assert_eq!(column("seed").u64().unwrap().get(0), Some(u64::MAX));
        assert_eq!(column("difference").i64().unwrap().iter().collect::<Vec<_>>(), [Some(-5), None]);
        assert_eq!(column("top1").f64().unwrap().iter().collect::<Vec<_>>(), [Some(0.1 + 0.2), None]);
    }

    #[test]
    fn a_table_without_rows_keeps_its_types() {
        let bytes = parquet(&Table { rows: Vec::new(), ..table() }).unwrap();
        let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
        assert_eq!((frame.height(), frame.width()), (0, 4));
        assert!(frame.column("top1").unwrap().f64().is_ok());
    }

    #[test]
    fn a_word_among_numbers_is_an_error_and_not_a_gap() {
        let mut table = table();
        table.rows[0][3] = Cell::text("many");
        assert!(parquet(&table).unwrap_err().to_string().contains("many"));
    }
}
