//! The tables of a report: built once of typed cells, rendered as CSV and Parquet (exact values), LaTeX (booktabs) and in the
//! page.

mod audited;
mod build;
mod classes;
pub(super) mod design;
mod evaluations;
mod gated;
pub(super) mod learning;
mod metrics;
mod quality;
mod render;
mod tuning;

pub(super) use audited::audited;
use build::mcnemar;
pub(super) use build::{arms, budget, contrasts, convergence, examples, flow};
pub(super) use classes::{confused, data_on_page, recall_on_page, training_sets_by_arm};
use classes::{data, recall, training_sets};
pub(super) use evaluations::{evaluation_contrasts, evaluations};
pub(super) use gated::gated;
pub(super) use metrics::{metric_contrasts, metrics, metrics_by_arm};
pub(super) use quality::{set_quality, set_quality_parts};
pub(super) use tuning::tuning;

use super::figures::Drawings;
use super::format::{ReportError, ReportFile, ReportFormat};
use super::view::StudyView;
use augtrial_base::numbers;
use augtrial_compare::STATISTICS;
use augtrial_tables::{ColumnKind, Format, Frame, FrameError, Value};

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
    pub rows: Vec<Vec<TableCell>>,
    /// Whether the last row is the sum of the others.
    pub total: bool,
}

/// A column: what people read above it, its name for programs with the unit, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub title: String,
    pub key: String,
    pub kind: ColumnKind,
}

/// One cell: as people read it, and the exact value for programs. Both are empty where there is no value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TableCell {
    pub shown: String,
    pub value: Value,
}

/// The columns of the contrasts' table that a page has room for.
const PRIMARY: [&str; 10] = [
    "treatment",
    "control",
    "verdict",
    "verdict_test_set",
    "pairs",
    "difference",
    "interval_low",
    "interval_high",
    "wide_low",
    "wide_high",
];

/// Per contrast: the verdict and what it rests on.
pub(super) fn primary_contrasts(view: &StudyView) -> Table {
    contrasts(view).select(&PRIMARY)
}

/// The same for a page, with each interval in one column, so that the table is no wider than the page.
pub(super) fn contrasts_on_page(view: &StudyView) -> Table {
    let all = contrasts(view).select(&[
        "treatment",
        "control",
        "pairs",
        "difference",
        "wide_low",
        "wide_high",
        "verdict",
        "interval_low",
        "interval_high",
        "verdict_test_set",
    ]);
    let interval = |low: &TableCell, high: &TableCell| {
        if low.shown.is_empty() {
            TableCell::default()
        } else {
            TableCell::text(&format!("{} to {}", low.shown, high.shown))
        }
    };
    let rows = all.rows.iter().map(|row| {
        let mut cells = row[..4].to_vec();
        cells.extend([interval(&row[4], &row[5]), row[6].clone(), interval(&row[7], &row[8]), row[9].clone()]);
        cells
    });
    let mut columns = all.columns[..4].to_vec();
    for (title, key) in [
        ("Interval, new images", "wide"),
        ("Verdict", "verdict"),
        ("Interval, this test set", "interval"),
        ("Verdict", "verdict_test_set"),
    ] {
        columns.push(Column::text(title, key));
    }
    let caption = "Contrasts, treatment less control, paired by seed".to_owned();
    Table { caption, rows: rows.collect(), columns, ..all }
}

/// Everything said of the contrasts, one row per statistic and one column per contrast: fit for a page, unlike thirty columns.
pub(super) fn statistics(view: &StudyView) -> Table {
    let contrasts = &view.comparison.contrasts;
    let scale = view.comparison.measure().scale;
    let mut columns = vec![Column::text("Statistic", "statistic")];
    columns.extend(contrasts.iter().map(|contrast| Column::number(&contrast.name(), &contrast.name())));
    columns.push(Column::text("What it says", "help"));
    let rows = STATISTICS.iter().map(|statistic| {
        let of = |contrast: &augtrial_compare::ContrastResult| {
            let value = contrast.judged().and_then(|judged| (statistic.value)(judged).ok());
            TableCell::maybe(value, |value| statistic.form.show(value, scale))
        };
        let title = TableCell { shown: statistic.title.to_owned(), value: statistic.key.into() };
        std::iter::once(title).chain(contrasts.iter().map(of)).chain([TableCell::text(statistic.help)]).collect()
    });
    let rows = if contrasts.is_empty() { Vec::new() } else { rows.collect() };
    Table { name: "statistics", caption: "All statistics of the contrasts".to_owned(), columns, rows, total: false }
}

impl Table {
    /// The exact values as typed columns.
    fn frame(&self) -> Result<Frame, FrameError> {
        let mut frame = Frame::new(self.columns.iter().map(|column| (column.key.as_str(), column.kind)));
        for row in &self.rows {
            frame.push(row.iter().map(|cell| cell.value.clone()))?;
        }
        Ok(frame)
    }

    /// The exact values as a file of this format.
    pub(super) fn encoded(&self, format: Format) -> Result<Vec<u8>, ReportError> {
        let failed = |source| ReportError::Table { table: self.name.to_owned(), source };
        self.frame().map_err(failed)?.to_bytes(format).map_err(failed)
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
        Self { title: title.to_owned(), key: key.to_owned(), kind: ColumnKind::Text }
    }

    fn count(title: &str, key: &str) -> Self {
        Self { kind: ColumnKind::Integer, ..Self::number(title, key) }
    }

    fn seed() -> Self {
        Self { kind: ColumnKind::Unsigned, ..Self::number("Seed", "seed") }
    }

    /// Whether it holds words, which are set left.
    pub fn is_text(&self) -> bool {
        self.kind == ColumnKind::Text
    }

    fn number(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), key: key.to_owned(), kind: ColumnKind::Real }
    }
}

impl TableCell {
    fn text(text: &str) -> Self {
        Self { shown: text.to_owned(), value: text.into() }
    }

    fn count(n: u64) -> Self {
        Self { shown: numbers::count(n), value: Value::Integer(i64::try_from(n).unwrap_or(i64::MAX)) }
    }

    fn seed(seed: u64) -> Self {
        Self { shown: seed.to_string(), value: Value::Unsigned(seed) }
    }

    /// A value shown in its own way.
    fn value(value: f64, shown: impl FnOnce(f64) -> String) -> Self {
        Self { shown: shown(value), value: Value::Real(value) }
    }

    fn maybe(value: Option<f64>, shown: impl FnOnce(f64) -> String) -> Self {
        value.map_or_else(Self::default, |value| Self::value(value, shown))
    }
}

impl ReportFormat for Tables {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn files(&self, view: &StudyView, _drawings: &Drawings) -> Result<Vec<ReportFile>, ReportError> {
        let all = [
            arms(view),
            contrasts(view),
            metrics(view),
            metric_contrasts(view),
            evaluations(view),
            evaluation_contrasts(view),
            examples(view),
            mcnemar(view),
            data(view),
            training_sets(view),
            flow(view),
            convergence(view),
            recall(view),
            confused(view),
            budget(view),
            build::runs(view),
            build::curves(view),
        ];
        let further = [gated(view), audited(view), tuning(view), set_quality(view), set_quality_parts(view)];
        let further = further.into_iter().filter(|table| !table.rows.is_empty());
        let all: Vec<Table> = all.into_iter().chain(further).collect();
        let mut files = Vec::new();
        for table in &all {
            let failed = |source| ReportError::Table { table: table.name.to_owned(), source };
            let frame = table.frame().map_err(failed)?;
            for (ending, format) in [("csv", Format::Csv), ("parquet", Format::Parquet)] {
                let bytes = frame.to_bytes(format).map_err(failed)?;
                files.push(ReportFile { path: format!("tables/{}.{ending}", table.name), bytes });
            }
        }
        // Hundreds of epochs, or two dozen columns, are for reading by machine, not for a page.
        let (primary, statistics, by_arm) = (primary_contrasts(view), statistics(view), training_sets_by_arm(view));
        let by_metric = metrics_by_arm(view);
        let fit = all.iter().filter(|table| {
            ![
                "curves",
                "contrasts",
                "training-sets",
                "metrics",
                "metric-contrasts",
                "evaluation-contrasts",
                "set-quality-parts",
            ]
            .contains(&table.name)
        });
        for table in fit.chain([&primary, &statistics, &by_arm, &by_metric]) {
            let tex = render::latex(table).into_bytes();
            files.push(ReportFile { path: format!("tables/{}.tex", table.name), bytes: tex });
        }
        Ok(files)
    }
}
