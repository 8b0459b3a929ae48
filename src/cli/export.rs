//! `augtrial export`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::CliError;
use super::args::Global;
use super::output::line;
use augtrial_base::clock::Clock;
use augtrial_export::{TableFormat, TableKind, export_mlflow, export_tensorboard, write_table};
use augtrial_registry::Registry;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(subcommand)]
    pub(super) command: ExportCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// The records of a study or of all cells of a design as one file, for another machine; weights stay behind.
    Records(super::records::RecordsArgs),
    /// Write a table of the runs.
    Runs(TableArgs),
    /// Write a table of every part of every epoch.
    Epochs(TableArgs),
    /// Write a table of every prediction for the test split.
    Predictions(TableArgs),
    /// Bring an MLflow server up to date; safe to repeat: runs already exported are skipped.
    Mlflow {
        /// The study's name; every study if absent.
        study: Option<String>,
        #[arg(long, env = "MLFLOW_TRACKING_URI", help = "Address of the server, e.g. http://127.0.0.1:5000")]
        uri: String,
    },
    /// Write event files for TensorBoard.
    Tensorboard {
        /// The study's name; every study if absent.
        study: Option<String>,
        /// The folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct TableArgs {
    /// The file; its ending (`csv`, `parquet`, `jsonl`) decides the format.
    pub(super) file: PathBuf,
    /// The study's name; every study if absent.
    pub(super) study: Option<String>,
}

pub(super) fn export(args: &ExportArgs, global: &Global) -> Result<(), CliError> {
    let registry = Registry::open(&global.runs, Clock::System)?;
    match &args.command {
        ExportCommand::Records(args) => super::records::export(args, global),
        ExportCommand::Runs(args) => table(&registry, TableKind::Runs, args),
        ExportCommand::Epochs(args) => table(&registry, TableKind::Epochs, args),
        ExportCommand::Predictions(args) => table(&registry, TableKind::Predictions, args),
        ExportCommand::Mlflow { study, uri } => mlflow(&registry, study.as_deref(), uri),
        ExportCommand::Tensorboard { study, out } => tensorboard(&registry, study.as_deref(), out),
    }
}

fn table(registry: &Registry, what: TableKind, args: &TableArgs) -> Result<(), CliError> {
    let ending = args.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format: TableFormat = ending.parse().map_err(|error| CliError::Arguments(format!("{error}")))?;
    let runs = registry.runs_of(args.study.as_deref())?;
    let rows = write_table(registry, what, &runs, format, &args.file)?;
    line(format_args!("wrote {rows} rows to {}", args.file.display()))
}

fn mlflow(registry: &Registry, study: Option<&str>, uri: &str) -> Result<(), CliError> {
    for synced in export_mlflow(registry, &registry.runs_of(study)?, uri)? {
        line(format_args!(
            "{}: {} runs created, {} updated, {} unchanged",
            synced.study, synced.created, synced.updated, synced.unchanged
        ))?;
    }
    Ok(())
}

fn tensorboard(registry: &Registry, study: Option<&str>, out: &Path) -> Result<(), CliError> {
    let (written, unchanged) = export_tensorboard(registry, &registry.runs_of(study)?, out)?;
    line(format_args!("wrote {written} event files to {}, {unchanged} unchanged", out.display()))
}
