//! Tables as LaTeX.

use std::fmt::Write as _;

use super::Table;
use augtrial_base::numbers::NONE;
use augtrial_base::text::latex as escape;

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

#[cfg(test)]
mod tests {
    use super::super::{Column, TableCell};
    use super::*;

    fn table() -> Table {
        Table {
            name: "t",
            caption: "100 % of_it".to_owned(),
            columns: vec![Column::text("Arm", "arm"), Column::number("Top-1", "top1")],
            rows: vec![
                vec![TableCell::text("a_b & c, \"d\""), TableCell::value(0.1 + 0.2, |v| format!("{v:.2}"))],
                vec![TableCell::text("none"), TableCell::default()],
            ],
            total: false,
        }
    }

    #[test]
    fn latex_is_escaped_and_set_with_booktabs() {
        let expected = "% 100 \\% of\\_it\n\\begin{tabular}{lr}\n\\toprule\nArm & Top-1 \\\\\n\\midrule\n\
                        a\\_b \\& c, \"d\" & 0.30 \\\\\nnone & --- \\\\\n\\bottomrule\n\\end{tabular}\n";
        assert_eq!(latex(&table()), expected);
    }
}
