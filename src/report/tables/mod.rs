//! The tables of a report: built once, rendered as CSV and Parquet (exact values), LaTeX (booktabs) and in the page.

mod build;
mod classes;
mod parquet;
mod render;

pub(super) use build::{arms, budget, contrasts, convergence, examples, flow, mcnemar};
pub(super) use classes::{data, recall, training_sets, training_sets_by_arm};

use super::format::{ReportError, ReportFile, ReportFormat};
use super::view::StudyView;

/// Renders `tables/*.csv`, `*.parquet` and `*.tex`.
#[derive(Clone, Copy, Debug)]
pub struct Tables;

/// A table: rows of cells under named columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// File name without extension.
    pub name: &'static str,
    pub caption: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

/// A column: what people read above it, and its name in CSV, with the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub title: String,
    pub key: String,
    pub kind: Kind,
}

/// What a column holds: its type in Parquet, and the side that it is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// Whole numbers.
    Count,
    /// Names of trials' random numbers: whole, and up to 2^64.
    Seed,
}

/// One cell: as people read it, and the exact value for CSV. Both are empty where there is no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub shown: String,
    pub exact: String,
}

/// The columns of the contrasts' table that a page has room for.
const PRIMARY: [&str; 10] = [
    "treatment",
    "control",
    "verdict",
    "pairs",
    "wins",
    "difference",
    "interval_low",
    "interval_high",
    "holm_p",
    "tost_holm_p",
];

/// Per contrast: the verdict and what it rests on.
pub(super) fn primary_contrasts(view: &StudyView) -> Table {
    contrasts(view).select(&PRIMARY)
}

/// Everything said of the contrasts, one column per contrast: fit for a page, unlike two dozen columns.
pub(super) fn statistics(view: &StudyView) -> Table {
    let table = contrasts(view);
    let is_statistic = |column: &Column| !column.is_text();
    let title = |row: &[Cell]| format!("{} \u{2212} {}", row[0].shown, row[1].shown);
    let mut columns = vec![Column::text("Statistic", "statistic")];
    columns.extend(table.rows.iter().map(|row| Column::number(&title(row), &title(row))));
    let rows = table.columns.iter().enumerate().filter(|(_, column)| is_statistic(column)).map(|(index, column)| {
        let values = table.rows.iter().map(|row| row[index].clone());
        std::iter::once(Cell { shown: column.title.clone(), exact: column.key.clone() }).chain(values).collect()
    });
    Table { name: "statistics", caption: "All statistics of the contrasts".to_owned(), columns, rows: rows.collect() }
}

impl Table {
    /// Whether the last row is the sum of the others.
    pub fn has_total(&self) -> bool {
        matches!(self.name, "data" | "training-sets-by-arm")
    }

    /// The columns of these keys, in this order.
    fn select(&self, keys: &[&str]) -> Self {
        let indices: Vec<usize> =
            keys.iter().filter_map(|key| self.columns.iter().position(|column| column.key == *key)).collect();
        let rows = self.rows.iter().map(|row| indices.iter().map(|&index| row[index].clone()).collect());
        Self {
            columns: indices.iter().map(|&index| self.columns[index].clone()).collect(),
            rows: rows.collect(),
            ..self.clone()
        }
    }
}

impl Column {
    fn text(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), key: key.to_owned(), kind: Kind::Text }
    }

    fn count(title: &str, key: &str) -> Self {
        Self { kind: Kind::Count, ..Self::number(title, key) }
    }

    fn seed() -> Self {
        Self { kind: Kind::Seed, ..Self::number("Seed", "seed") }
    }

    /// Whether it holds words, which are set left.
    pub fn is_text(&self) -> bool {
        self.kind == Kind::Text
    }

    fn number(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), key: key.to_owned(), kind: Kind::Number }
    }
}

impl Cell {
    fn text(text: &str) -> Self {
        Self { shown: text.to_owned(), exact: text.to_owned() }
    }

    fn count(n: u64) -> Self {
        Self { shown: super::numbers::count(n), exact: n.to_string() }
    }

    /// A value shown in its own way; the shortest text that reads back as the same number stands in CSV.
    fn value(value: f64, shown: impl FnOnce(f64) -> String) -> Self {
        Self { shown: shown(value), exact: value.to_string() }
    }

    fn maybe(value: Option<f64>, shown: impl FnOnce(f64) -> String) -> Self {
        value.map_or_else(Self::default, |value| Self::value(value, shown))
    }
}

impl ReportFormat for Tables {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn files(&self, view: &StudyView) -> Result<Vec<ReportFile>, ReportError> {
        let all = [
            arms(view),
            contrasts(view),
            examples(view),
            mcnemar(view),
            data(view),
            training_sets(view),
            flow(view),
            convergence(view),
            recall(view),
            budget(view),
            build::runs(view),
            build::curves(view),
        ];
        let mut files = Vec::new();
        for table in &all {
            let failed = |source| ReportError::Table { table: table.name.to_owned(), source };
            let csv = render::csv(table).map_err(failed)?;
            files.push(ReportFile { path: format!("tables/{}.csv", table.name), bytes: csv });
            let parquet = parquet::parquet(table)
                .map_err(|source| ReportError::Parquet { table: table.name.to_owned(), source })?;
            files.push(ReportFile { path: format!("tables/{}.parquet", table.name), bytes: parquet });
        }
        // Hundreds of epochs, or two dozen columns, are for reading by machine, not for a page.
        let (primary, statistics, by_arm) = (primary_contrasts(view), statistics(view), training_sets_by_arm(view));
        let fit = all.iter().filter(|table| !["curves", "contrasts", "training-sets"].contains(&table.name));
        for table in fit.chain([&primary, &statistics, &by_arm]) {
            let tex = render::latex(table).into_bytes();
            files.push(ReportFile { path: format!("tables/{}.tex", table.name), bytes: tex });
        }
        Ok(files)
    }
}
