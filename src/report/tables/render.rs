//! Tables as CSV and as LaTeX.

use std::fmt::Write as _;

use super::Table;
use crate::report::numbers::NONE;

/// RFC 4180 with a header of keys; a missing value is an empty field.
pub(super) fn csv(table: &Table) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| &column.key))?;
    for row in &table.rows {
        writer.write_record(row.iter().map(|cell| &cell.exact))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A `tabular` for the booktabs package.
pub(super) fn latex(table: &Table) -> String {
    let alignment: String = table.columns.iter().map(|column| if column.is_text() { 'l' } else { 'r' }).collect();
    let line = |cells: &mut dyn Iterator<Item = String>| cells.collect::<Vec<_>>().join(" & ") + " \\\\";
    let mut text = format!("% {}\n\\begin{{tabular}}{{{alignment}}}\n\\toprule\n", escape(&table.caption));
    let _ = writeln!(text, "{}\n\\midrule", line(&mut table.columns.iter().map(|column| escape(&column.title))));
    for row in &table.rows {
        let cells = row.iter().map(|cell| escape(if cell.shown.is_empty() { NONE } else { &cell.shown }));
        let _ = writeln!(text, "{}", line(&mut cells.into_iter()));
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

/// Text as itself in LaTeX, whatever is in a name.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', character]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '\u{2212}' => escaped.push_str("$-$"),
            '±' => escaped.push_str("$\\pm$"),
            '—' => escaped.push_str("---"),
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Column};
    use super::*;

    fn table() -> Table {
        Table {
            name: "t",
            caption: "100 % of_it".to_owned(),
            columns: vec![Column::text("Arm", "arm"), Column::number("Top-1", "top1")],
            rows: vec![
                vec![Cell::text("a_b & c, \"d\""), Cell::value(0.1 + 0.2, |v| format!("{v:.2}"))],
                vec![Cell::text("none"), Cell::default()],
            ],
        }
    }

    #[test]
    fn latex_is_escaped_and_set_with_booktabs() {
        let expected = "% 100 \\% of\\_it\n\\begin{tabular}{lr}\n\\toprule\nArm & Top-1 \\\\\n\\midrule\n\
                        a\\_b \\& c, \"d\" & 0.30 \\\\\nnone & --- \\\\\n\\bottomrule\n\\end{tabular}\n";
        assert_eq!(latex(&table()), expected);
        assert_eq!(
            escape("\\input{x}^~<>−"),
            "\\textbackslash{}input\\{x\\}\\textasciicircum{}\\textasciitilde{}\\textless{}\\textgreater{}$-$"
        );
    }

    #[test]
    fn csv_reads_back_to_the_same_bits() {
        let bytes = csv(&table()).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        assert_eq!(reader.headers().unwrap(), vec!["arm", "top1"]);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(&rows[0][0], "a_b & c, \"d\"");
        assert_eq!(rows[0][1].parse::<f64>().unwrap(), 0.1 + 0.2);
        assert_eq!(&rows[1][1], "");
    }
}
