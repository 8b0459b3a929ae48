//! Tables on the terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// A table with a header; columns whose cells are all numbers are aligned to the right.
pub(super) fn table<S: ToString>(header: &[&str], rows: &[Vec<S>]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(ToString::to_string));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let mut cells = rows.iter().filter_map(|row| row.get(index)).map(ToString::to_string).peekable();
        if cells.peek().is_some() && cells.all(|cell| is_number(&cell)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn is_number(cell: &str) -> bool {
    cell.is_empty() || cell == "-" || cell.trim_end_matches('%').trim().replace(',', "").parse::<f64>().is_ok()
}

/// A table of the registry.
pub(super) fn table_of(found: &crate::registry::Table) -> Table {
    let header: Vec<_> = found.columns.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = found.rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    table(&header, &rows)
}
