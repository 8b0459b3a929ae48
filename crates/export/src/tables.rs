//! The index and the predictions as data frames, written as CSV, Parquet or JSON lines.

use std::path::Path;
use std::str::FromStr;

use super::ExportError;
use augtrial_base::disk;
use augtrial_plan::arm::Role;
use augtrial_registry::{IndexValue, Registry, RunSummary};
use augtrial_tables::{ColumnKind, Format, Frame, FrameError, Value};

/// What is exported, one row each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Runs,
    /// Every part of every epoch.
    Epochs,
    /// Every image of the test split in every run, with columns `p_0`, `p_1`, ... for the classes' probabilities.
    Predictions,
}

/// The form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    Csv,
    Parquet,
    /// One JSON object per line.
    Jsonl,
}

/// The text names nothing that can be exported, or no format.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not known: expected {1}")]
pub struct ParseTableError(String, &'static str);

impl FromStr for TableKind {
    type Err = ParseTableError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "runs" => Ok(Self::Runs),
            "epochs" => Ok(Self::Epochs),
            "predictions" => Ok(Self::Predictions),
            _ => Err(ParseTableError(text.to_owned(), "`runs`, `epochs` or `predictions`")),
        }
    }
}

impl FromStr for TableFormat {
    type Err = ParseTableError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err(ParseTableError(text.to_owned(), "`csv`, `parquet` or `jsonl`")),
        }
    }
}

/// Writes the runs, their epochs or their predictions to `path`, whole or not at all. Gives the number of rows.
///
/// # Errors
/// If a record is damaged, or the file cannot be written.
pub fn write_table(
    registry: &Registry,
    what: TableKind,
    runs: &[RunSummary],
    format: TableFormat,
    path: &Path,
) -> Result<usize, ExportError> {
    let failed = |source| ExportError::Table { path: path.to_owned(), source };
    let frame = match what {
        TableKind::Runs => runs_frame(runs).map_err(failed)?,
        TableKind::Epochs => epochs_frame(registry, runs, path)?,
        TableKind::Predictions => predictions_frame(registry, runs, path)?,
    };
    let format = match format {
        TableFormat::Csv => Format::Csv,
        TableFormat::Parquet => Format::Parquet,
        TableFormat::Jsonl => Format::JsonLines,
    };
    let rows = frame.height();
    disk::replace(path, |out| frame.write(format, out).map_err(std::io::Error::other))
        .map_err(|source| failed(FrameError::Write(source)))?;
    Ok(rows)
}

fn epochs_frame(registry: &Registry, runs: &[RunSummary], path: &Path) -> Result<Frame, ExportError> {
    let mut frame = with_trial_columns(&[
        ("epoch", ColumnKind::Integer),
        ("split", ColumnKind::Text),
        ("loss_nats", ColumnKind::Real),
        ("top1", ColumnKind::Real),
        ("learning_rate", ColumnKind::Real),
        ("samples", ColumnKind::Integer),
        ("updates", ColumnKind::Integer),
        ("elapsed_secs", ColumnKind::Real),
    ]);
    for run in runs {
        for metrics in registry.epochs(run.run)? {
            push(
                &mut frame,
                path,
                trial_cells(run).into_iter().chain([
                    metrics.epoch.into(),
                    metrics.split.name().into(),
                    metrics.loss_nats.into(),
                    metrics.top1.into(),
                    metrics.learning_rate.into(),
                    metrics.samples.into(),
                    metrics.updates.into(),
                    metrics.elapsed_secs.into(),
                ]),
            )?;
        }
    }
    Ok(frame)
}

fn predictions_frame(registry: &Registry, runs: &[RunSummary], path: &Path) -> Result<Frame, ExportError> {
    let mut frame = with_trial_columns(&[
        ("image", ColumnKind::Text),
        ("path", ColumnKind::Text),
        ("derived", ColumnKind::Boolean),
        ("label", ColumnKind::Integer),
        ("predicted", ColumnKind::Integer),
    ]);
    for run in runs {
        for prediction in registry.predictions(run.run)? {
            let cells: [IndexValue; 5] = [
                prediction.image.to_string().into(),
                prediction.path.into(),
                prediction.derived.into(),
                prediction.label.into(),
                prediction.predicted.into(),
            ];
            let probabilities = prediction.probabilities.into_iter().map(|p| IndexValue::Real(p.into()));
            let fixed = TRIAL_COLUMNS.len() + cells.len();
            for class in frame.width() - fixed..probabilities.len() {
                frame.add_column(format!("p_{class}"), ColumnKind::Real);
            }
            push(&mut frame, path, trial_cells(run).into_iter().chain(cells).chain(probabilities))?;
        }
    }
    Ok(frame)
}

/// Columns that say which run a row is of.
const TRIAL_COLUMNS: &[(&str, ColumnKind)] = &[
    ("run", ColumnKind::Text),
    ("study", ColumnKind::Text),
    ("arm", ColumnKind::Text),
    ("role", ColumnKind::Text),
    ("seed", ColumnKind::Integer),
    ("attempt", ColumnKind::Integer),
    ("status", ColumnKind::Text),
    ("counts", ColumnKind::Boolean),
    ("protocol", ColumnKind::Text),
    ("synthetic", ColumnKind::Boolean),
];

fn with_trial_columns(columns: &[(&str, ColumnKind)]) -> Frame {
    Frame::new(TRIAL_COLUMNS.iter().chain(columns).copied())
}

fn push(frame: &mut Frame, path: &Path, cells: impl Iterator<Item = IndexValue>) -> Result<(), ExportError> {
    frame.push(cells.map(value)).map_err(|source| ExportError::Table { path: path.to_owned(), source })
}

/// A value of the registry as one of a table.
fn value(cell: IndexValue) -> Value {
    match cell {
        IndexValue::Null => Value::Null,
        IndexValue::Text(text) => Value::Text(text),
        IndexValue::Integer(integer) => Value::Integer(integer),
        IndexValue::Real(real) => Value::Real(real),
        IndexValue::Boolean(boolean) => Value::Boolean(boolean),
    }
}

fn trial_cells(run: &RunSummary) -> [IndexValue; 10] {
    [
        run.run.to_string().into(),
        run.study.as_str().into(),
        run.arm.as_str().into(),
        match run.role {
            Role::Control => "control".into(),
            Role::Treatment => "treatment".into(),
        },
        run.seed.into(),
        run.attempt.into(),
        run.status.name().into(),
        run.counts.into(),
        run.protocol.name().into(),
        run.synthetic.into(),
    ]
}

fn runs_frame(runs: &[RunSummary]) -> Result<Frame, FrameError> {
    let mut frame = with_trial_columns(&[
        ("trial_key", ColumnKind::Text),
        ("plan", ColumnKind::Text),
        ("host", ColumnKind::Text),
        ("device", ColumnKind::Text),
        ("created_at", ColumnKind::Text),
        ("ended_at", ColumnKind::Text),
        ("epochs", ColumnKind::Integer),
        ("total_epochs", ColumnKind::Integer),
        ("selected_epoch", ColumnKind::Integer),
        ("validation_top1", ColumnKind::Real),
        ("test_top1", ColumnKind::Real),
        ("test_loss_nats", ColumnKind::Real),
        ("test_samples", ColumnKind::Integer),
        ("test_openings", ColumnKind::Integer),
        ("elapsed_secs", ColumnKind::Real),
    ]);
    for run in runs {
        let test = run.test.as_ref();
        let cells = trial_cells(run).into_iter().chain([
            run.trial_key.to_string().into(),
            run.plan.to_string().into(),
            run.host.as_str().into(),
            run.device.as_str().into(),
            run.created_at.as_str().into(),
            run.ended_at.clone().into(),
            run.epochs.into(),
            run.total_epochs.into(),
            run.selected_epoch.into(),
            run.validation_top1.into(),
            test.map(|test| test.top1).into(),
            test.map(|test| test.loss_nats).into(),
            test.map(|test| test.samples).into(),
            run.test_openings.into(),
            run.elapsed_secs.into(),
        ]);
        frame.push(cells.map(value))?;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use polars::prelude::{ParquetReader, SerReader as _};

    use super::*;
    use augtrial_registry::Filter;
    use augtrial_registry::testing::*;

    fn two_runs(runs_dir: &Path) -> Registry {
        let registry = open(runs_dir);
        let plan = plan("demo");
        complete(begin(&registry, &plan, 0, 1));
        begin(&registry, &plan, 1, 1).fail("comma, \"quote\"").unwrap();
        registry
    }

    #[test]
    fn every_format_holds_the_same_numbers_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let registry = two_runs(&folder.path().join("runs"));
        let export = |format, name: &str| {
            let path = folder.path().join(name);
            let rows =
                write_table(&registry, TableKind::Epochs, &registry.runs_of(None).unwrap(), format, &path).unwrap();
            assert_eq!(rows, 2 * EPOCHS as usize);
            path
        };
        let expected: Vec<f64> = (1..=EPOCHS).flat_map(|epoch| [1.0 / f64::from(epoch + 2); 2]).collect();

        let mut csv = csv::Reader::from_path(export(TableFormat::Csv, "epochs.csv")).unwrap();
        let column = csv.headers().unwrap().iter().position(|name| name == "loss_nats").unwrap();
        let read: Vec<f64> = csv.records().map(|record| record.unwrap()[column].parse().unwrap()).collect();
        assert_eq!(read, expected);

        let text = fs::read_to_string(export(TableFormat::Jsonl, "epochs.jsonl")).unwrap();
        let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.iter().map(|row| row["loss_nats"].as_f64().unwrap()).collect::<Vec<_>>(), expected);
        assert_eq!((&rows[0]["split"], &rows[0]["counts"]), (&"train".into(), &true.into()));

        let parquet = export(TableFormat::Parquet, "epochs.parquet");
        let frame = ParquetReader::new(File::open(parquet).unwrap()).finish().unwrap();
        let losses = frame.column("loss_nats").unwrap().f64().unwrap();
        assert_eq!(losses.into_no_null_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn runs_without_a_result_have_empty_cells_of_the_right_type() {
        let folder = tempfile::tempdir().unwrap();
        let registry = two_runs(&folder.path().join("runs"));
        let path = folder.path().join("runs.parquet");
        let failed = Filter { status: Some("failed".parse().unwrap()), ..Filter::default() };
        let failed = registry.list(&failed).unwrap();
        assert_eq!(write_table(&registry, TableKind::Runs, &failed, TableFormat::Parquet, &path).unwrap(), 1);
        let frame = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
        assert_eq!(frame.column("test_top1").unwrap().f64().unwrap().get(0), None);
        assert_eq!(frame.column("arm").unwrap().str().unwrap().get(0), Some("flips"));
        // Nothing at all is still a file with its columns.
        assert_eq!(write_table(&registry, TableKind::Runs, &[], TableFormat::Parquet, &path).unwrap(), 0);
        assert_eq!(ParquetReader::new(File::open(&path).unwrap()).finish().unwrap().width(), 25);
    }

    #[test]
    fn the_document_names_every_column_with_its_type() {
        let document = include_str!("../../../docs/parquet.md");
        let folder = tempfile::tempdir().unwrap();
        let registry = two_runs(&folder.path().join("runs"));
        let runs = registry.runs_of(None).unwrap();
        let shared = TRIAL_COLUMNS.len();
        for (name, table) in
            [("runs", TableKind::Runs), ("epochs", TableKind::Epochs), ("predictions", TableKind::Predictions)]
        {
            let path = folder.path().join("table.parquet");
            write_table(&registry, table, &runs, TableFormat::Parquet, &path).unwrap();
            let frame = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
            for (index, column) in frame.columns().iter().enumerate() {
                let kind = match column.dtype().to_string().as_str() {
                    "str" => "string",
                    "i64" => "int64",
                    "f64" => "float64",
                    "bool" => "boolean",
                    other => panic!("{other}"),
                };
                let (table, column) = (if index < shared { "all" } else { name }, column.name());
                let row = match column.strip_prefix("p_") {
                    Some(_) => format!("| {table} | `p_0`, `p_1`, ... | {kind} |"),
                    None => format!("| {table} | `{column}` | {kind} |"),
                };
                assert!(document.contains(&row), "docs/parquet.md lacks {row}");
            }
        }
    }

    #[test]
    fn predictions_come_with_every_class_probability() {
        let folder = tempfile::tempdir().unwrap();
        let registry = two_runs(&folder.path().join("runs"));
        let path = folder.path().join("predictions.jsonl");
        let runs = registry.runs_of(None).unwrap();
        let rows = write_table(&registry, TableKind::Predictions, &runs, TableFormat::Jsonl, &path).unwrap();
        assert_eq!(rows, 2);
        let text = fs::read_to_string(&path).unwrap();
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&first["path"], &first["p_1"]), (&"glass/one.png".into(), &f64::from(0.7_f32).into()));
    }

    #[test]
    fn an_export_that_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let registry = two_runs(&folder.path().join("runs"));
        let path = folder.path().join("missing/runs.csv");
        let error = write_table(&registry, TableKind::Runs, &[], TableFormat::Csv, &path).unwrap_err();
        assert!(error.to_string().contains("missing/runs.csv"), "{error}");
        assert!(!path.exists());
    }
}
