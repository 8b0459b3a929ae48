//! Tables on the terminal: as wide as the screen at most, numbers never broken, the words for states in their colors.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width};
use serde_json::{Map, Value};

use super::screen;
use augtrial_base::text;
use augtrial_registry::IndexValue;

/// Letters of the longest word that is never broken.
const WHOLE_WORD: usize = 12;
/// Blanks beside the content of a cell.
const PADDING: usize = 2;
/// Columns whose words have colors.
const STATES: [&str; 3] = ["status", "verdict", "trials"];

/// A table with a header; columns whose cells are all numbers are aligned to the right.
pub(super) fn table<S: ToString>(header: &[&str], rows: &[Vec<S>]) -> Table {
    table_within(header, rows, screen::columns())
}

/// The same for a screen of so many columns; as wide as it needs to be without. Where not even the words fit side by side,
/// the cells of a row stand below one another.
pub(super) fn table_within<S: ToString>(header: &[&str], rows: &[Vec<S>], columns: Option<usize>) -> Table {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    match columns {
        Some(columns) if (0..header.len()).map(|index| least(header, &cells, index)).sum::<usize>() > columns => {
            below_one_another(header, &cells, columns)
        }
        _ => side_by_side(header, &cells, columns),
    }
}

/// The width of a column in which no word of up to [`WHOLE_WORD`] letters and no number is broken.
fn least(header: &[&str], rows: &[Vec<String>], index: usize) -> usize {
    let word = |text: &str| text.split_whitespace().map(console::measure_text_width).max().unwrap_or(0).min(WHOLE_WORD);
    let of_cell = |cell: &String| if is_number(cell) || is_interval(cell) { cell.chars().count() } else { word(cell) };
    rows.iter().filter_map(|row| row.get(index)).map(of_cell).fold(word(header[index]), usize::max) + PADDING
}

/// A row as lines of a title and a cell, with an empty line between rows.
fn below_one_another(header: &[&str], rows: &[Vec<String>], columns: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).enforce_styling();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns.try_into().unwrap_or(u16::MAX));
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            table.add_row(["", ""]);
        }
        for (title, cell) in header.iter().zip(row) {
            table.add_row([Cell::new(title).add_attribute(Attribute::Bold), shown(title, cell)]);
        }
    }
    if let Some(titles) = table.column_mut(0) {
        titles.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

/// A cell, in the color of its word where its column has colors.
fn shown(title: &str, cell: &str) -> Cell {
    let shown = Cell::new(text::terminal(cell));
    match STATES.contains(&title).then(|| color(cell)).flatten() {
        Some(color) => shown.fg(color),
        None => shown,
    }
}

fn side_by_side(header: &[&str], rows: &[Vec<String>], columns: Option<usize>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).enforce_styling();
    match columns {
        Some(columns) => {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(columns.try_into().unwrap_or(u16::MAX));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for row in rows {
        table.add_row(row.iter().zip(header).map(|(cell, title)| shown(title, cell)));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let cells: Vec<&String> = rows.iter().filter_map(|row| row.get(index)).collect();
        if cells.is_empty() {
            continue;
        }
        let numbers = cells.iter().all(|cell| is_number(cell));
        if numbers {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if columns.is_none() {
            continue;
        }
        if numbers || cells.iter().all(|cell| is_number(cell) || is_interval(cell)) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else {
            let least = u16::try_from(least(header, rows, index)).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
    }
    table
}

/// The color of a verdict or a status, by its first word.
fn color(cell: &str) -> Option<Color> {
    match cell.split([' ', ',', ';']).next()? {
        "higher" | "finished" => Some(Color::Green),
        "lower" | "failed" => Some(Color::Red),
        "equivalent" | "running" => Some(Color::Cyan),
        "inconclusive" | "interrupted" => Some(Color::Yellow),
        _ => None,
    }
}

/// Whether a cell is a number, a share `3/7`, or stands for a missing one; an interval is none.
fn is_number(cell: &str) -> bool {
    let number = |text: &str| {
        let text = text.trim().trim_start_matches(['+', '\u{2212}', '<']).trim_end_matches('%').trim();
        text.parse::<f64>().is_ok() || (text.contains(',') && text.replace(',', "").parse::<f64>().is_ok())
    };
    let is_share = || cell.split_once('/').is_some_and(|(part, whole)| number(part) && number(whole));
    matches!(cell, "" | "-" | "\u{2014}") || number(cell) || is_share()
}

/// Whether a cell is an interval, such as `−1.61 to +1.08`, or stands for a missing one.
fn is_interval(cell: &str) -> bool {
    cell == "no spread" || cell.split_once(" to ").is_some_and(|(low, high)| is_number(low) && is_number(high))
}

/// A table of the registry.
pub(super) fn table_of(found: &augtrial_registry::Table) -> Table {
    let header: Vec<_> = found.columns.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = found.rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    table(&header, &rows)
}

/// The same for reading, not for copying: digests by their beginnings, numbers with the digits that say something.
pub(super) fn brief_table_of(found: &augtrial_registry::Table) -> Table {
    let header: Vec<_> = found.columns.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = found.rows.iter().map(|row| row.iter().map(brief).collect()).collect();
    table(&header, &rows)
}

fn brief(cell: &IndexValue) -> String {
    /// Hexadecimal digits of a digest, and those that are shown.
    const DIGEST: (usize, usize) = (64, 12);
    match cell {
        IndexValue::Real(number) => number_of(*number),
        IndexValue::Text(text) if text.len() == DIGEST.0 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            text[..DIGEST.1].to_owned()
        }
        other => other.to_string(),
    }
}

/// With five significant digits.
fn number_of(number: f64) -> String {
    format!("{number:.4e}").parse::<f64>().unwrap_or(number).to_string()
}

/// The rows of a table of the registry as objects.
pub(super) fn json_of(found: &augtrial_registry::Table) -> Value {
    let value = |cell: &IndexValue| match cell {
        IndexValue::Null => Value::Null,
        IndexValue::Text(text) => text.as_str().into(),
        IndexValue::Integer(number) => (*number).into(),
        IndexValue::Real(number) => (*number).into(),
        IndexValue::Boolean(truth) => (*truth).into(),
    };
    let row = |row: &Vec<IndexValue>| {
        let fields = found.columns.iter().cloned().zip(row.iter().map(value));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    found.rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_are_never_broken() {
        for number in ["1", "-0.27", "\u{2212}0.27", "+3.1", "1,234", "12 %", "3/7", "-", "", "< .0001"] {
            assert!(is_number(number), "{number}");
        }
        for text in ["resnet18", "1 to 2", "seed 3", "a/b"] {
            assert!(!is_number(text), "{text}");
        }
        assert_eq!([0.194_444_444_4, -9.803_284_631, 7.0].map(number_of), ["0.19444", "-9.8033", "7"]);
        let rows = [vec!["an arm whose name is longer than half of the screen".to_owned(), "\u{2212}12.34".to_owned()]];
        let shown = table_within(&["arm", "difference"], &rows, Some(30)).to_string();
        let plain = console::strip_ansi_codes(&shown);
        assert!(plain.contains("\u{2212}12.34"), "{plain}");
        assert!(plain.lines().all(|line| console::measure_text_width(line) <= 30), "{plain}");

        let number = "0.42105263157894735";
        let rows =
            [["at epoch 2", "validation loss", number], ["at the end", "weights", "0123456789ab"]].map(Vec::from);
        let shown = table_within(&["when", "quantity", "recorded"], &rows, Some(45)).to_string();
        assert!(console::strip_ansi_codes(&shown).contains(number), "a number among words: {shown}");
    }

    #[test]
    fn where_the_words_do_not_fit_side_by_side_they_stand_below_one_another() {
        let header = ["run", "arm", "status", "validation", "begun"];
        let row = |run: &str| [run, "flip-and-crop", "interrupted", "33.33", "11-26 11:22"].map(str::to_owned).to_vec();
        let rows = [row("0e335885eceb"), row("1e335885eceb")];
        let plain = |columns| {
            let shown = table_within(&header, &rows, Some(columns)).to_string();
            console::strip_ansi_codes(&shown).lines().map(str::trim).collect::<Vec<_>>().join("\n")
        };
        let wide = plain(80);
        assert!(wide.starts_with("run") && wide.lines().count() == 3, "{wide}");
        let narrow = plain(40);
        assert_eq!(narrow.lines().count(), 11, "{narrow}");
        for whole in ["0e335885eceb", "flip-and-crop", "interrupted", "11-26 11:22"] {
            assert!(narrow.contains(whole), "{whole}: {narrow}");
        }
        assert!(narrow.lines().all(|line| console::measure_text_width(line) <= 40), "{narrow}");
    }

    #[test]
    fn a_cell_is_one_line_that_steers_no_terminal() {
        let rows = [vec!["\u{1b}]0;owned\u{7}\nb\u{9b}2J\u{202e}".to_owned()]];
        let shown = table_within(&["name"], &rows, None).to_string();
        let plain = console::strip_ansi_codes(&shown);
        assert!(plain.contains("\\u{1b}]0;owned\\u{7} b\\u{9b}2J\\u{202e}"), "{plain:?}");
    }
}
