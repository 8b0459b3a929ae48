//! `augtrial runs`.

use super::CliError;
use super::args::{Global, RunsArgs, RunsCommand};
use super::output::line;
use super::table::table_of;
use crate::clock::Clock;
use crate::registry::{Filter, Registry, Table, runs_table};

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
