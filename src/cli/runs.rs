//! `augtrial runs`.

use std::path::Path;

use super::CliError;
use super::args::{ExportTable, Global, RunsArgs, RunsCommand};
use super::output::line;
use super::table::table_of;
use crate::clock::Clock;
use crate::registry::{Export, ExportFormat, Filter, Registry, Table, runs_table};

pub(super) fn runs(args: RunsArgs, global: &Global) -> Result<(), CliError> {
    if let RunsCommand::Reindex = args.command {
        let runs = Registry::reindex(&global.runs)?;
        return line(format_args!("rebuilt the registry from {runs} run folders"));
    }
    let registry = Registry::open(&global.runs, Clock::System)?;
    match args.command {
        RunsCommand::List { study } => {
            let found = registry.list(&Filter { study, ..Filter::default() })?;
            line(table_of(&runs_table(&found)))
        }
        RunsCommand::Show { run } => titled(registry.show(&run)?.tables()),
        RunsCommand::Diff { a, b } => titled(registry.diff(&a, &b)?.tables()),
        RunsCommand::Query { sql } => line(table_of(&registry.query(&sql)?)),
        RunsCommand::Export { table, file } => export(&registry, table, &file),
        RunsCommand::Reindex => unreachable!("done above, without opening the registry"),
    }
}

fn titled(tables: Vec<(&'static str, Table)>) -> Result<(), CliError> {
    for (title, table) in tables {
        if table.rows.is_empty() {
            line(format_args!("{title}: no difference"))?;
        } else {
            line(format_args!("{title}\n{}", table_of(&table)))?;
        }
    }
    Ok(())
}

fn export(registry: &Registry, table: ExportTable, file: &Path) -> Result<(), CliError> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format: ExportFormat = ending.parse().map_err(|error| CliError::Arguments(format!("{error}")))?;
    let what = match table {
        ExportTable::Runs => Export::Runs,
        ExportTable::Epochs => Export::Epochs,
        ExportTable::Predictions => Export::Predictions,
    };
    let rows = registry.export(what, &Filter::default(), format, file)?;
    line(format_args!("wrote {rows} rows to {}", file.display()))
}
