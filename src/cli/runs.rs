//! `augtrial runs`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::CliError;
use super::args::{Global, Json};
use super::output::{json, line, tell};
use super::run_tables;
use super::screen::{STRONG, styled};
use super::seed_grammar::Seeds;
use super::table::{brief_table_of, json_of, table_of};
use augtrial_base::clock::Clock;
use augtrial_base::words::{nearest, plural};
use augtrial_registry::{Filter, QueryLimits, Registry, RegistryError, RunId, SetAside, Status, StatusKind, Table};

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    pub(super) command: RunsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// List runs, the newest first.
    List(ListArgs),
    /// Show one run: `latest`, `latest~1` for the one before it, or a unique prefix of its id.
    Show {
        run: String,
        #[command(flatten)]
        json: Json,
    },
    /// Show how two runs differ: plan, environment, results.
    Diff {
        a: String,
        b: String,
        #[command(flatten)]
        json: Json,
    },
    /// Ask the registry in SQL; nothing can be changed.
    Query {
        sql: String,
        /// Rows at most.
        #[arg(long, value_name = "N", default_value_t = QueryLimits::default().rows)]
        rows: usize,
        /// Seconds at most.
        #[arg(long, value_name = "N", default_value_t = QueryLimits::default().time.as_secs())]
        secs: u64,
        #[command(flatten)]
        json: Json,
    },
    /// Compare every byte of finished and failed runs with what was there when they ended.
    Verify {
        /// Only this run: `latest`, or a unique prefix of its id.
        run: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Rebuild the registry from the run folders.
    Reindex,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only runs of this study.
    #[arg(long)]
    pub(super) study: Option<String>,
    /// Only runs of this arm.
    #[arg(long)]
    pub(super) arm: Option<String>,
    /// Only runs with these seeds, e.g. `3` or `1-5`.
    #[arg(long, value_name = "SEEDS", value_parser = super::seed_grammar::these)]
    pub(super) seeds: Option<Seeds>,
    /// Only runs that are `finished`, `failed`, `running` or `interrupted`.
    #[arg(long)]
    pub(super) status: Option<StatusKind>,
    /// Only runs that count: of each trial the first that finished.
    #[arg(long)]
    pub(super) counted: bool,
    /// So many at most.
    #[arg(long, short = 'n', value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Show every column.
    #[arg(long)]
    pub(super) full: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

pub(super) fn runs(args: RunsArgs, global: &Global) -> Result<(), CliError> {
    if let RunsCommand::Reindex = args.command {
        let runs = Registry::reindex(&global.runs)?;
        line(format_args!("rebuilt the registry from {}", plural(runs, "run folder")))?;
        return set_aside(&Registry::open(&global.runs, Clock::System)?);
    }
    let registry = Registry::open(&global.runs, Clock::System)?;
    match args.command {
        RunsCommand::List(args) => list(&registry, &args),
        RunsCommand::Show { run, json } => titled(run_tables::record(&registry.show(&run)?), json.json),
        RunsCommand::Diff { a, b, json } => titled(run_tables::diff(&registry.diff(&a, &b)?), json.json),
        RunsCommand::Query { sql, rows, secs, json } => {
            let limits = QueryLimits { rows, time: Duration::from_secs(secs), ..QueryLimits::default() };
            shown(&registry.query(&sql, &limits)?, json.json)
        }
        RunsCommand::Verify { run, json } => verify(&registry, run.as_deref(), json.json),
        RunsCommand::Reindex => unreachable!("done above, without opening the registry"),
    }
}

fn list(registry: &Registry, args: &ListArgs) -> Result<(), CliError> {
    let filter = Filter {
        study: args.study.clone(),
        arm: args.arm.clone(),
        status: args.status,
        counted: args.counted,
        ..Filter::default()
    };
    let mut runs = registry.list(&filter)?;
    if let Some(seeds) = &args.seeds {
        runs.retain(|run| seeds.0.contains(&run.seed));
    }
    // A name that no run has is more likely a typing error than a question: where nothing is found, the names are looked at.
    let none = runs.is_empty() && {
        let all = registry.runs_of(args.study.as_deref())?;
        known("arm", args.arm.as_deref(), all.iter().map(|run| run.arm.as_str()))?;
        all.is_empty()
    };
    let found = runs.len();
    runs.truncate(args.limit.unwrap_or(usize::MAX));
    if args.json.json {
        json(&json_of(&run_tables::list(&runs)))?;
    } else if runs.is_empty() {
        let which = if none { "there are no runs yet: `augtrial run FILE` makes some" } else { "no run is like that" };
        line(which)?;
    } else {
        let table = if args.full { run_tables::list(&runs) } else { run_tables::brief(&runs) };
        line(table_of(&table))?;
        if found > runs.len() {
            line(format_args!("{} more; --limit shows more of them", found - runs.len()))?;
        }
        if runs.iter().any(|run| run.status == Status::Interrupted) {
            line("interrupted runs lose nothing: the next `augtrial run` of their study continues them")?;
        }
    }
    set_aside(registry)
}

/// Refuses a name that none of `names` is, and suggests one that is near.
fn known<'a>(what: &str, asked: Option<&str>, names: impl Iterator<Item = &'a str>) -> Result<(), CliError> {
    let Some(asked) = asked else { return Ok(()) };
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() || names.contains(&asked) {
        return Ok(());
    }
    let help = nearest(asked, names.iter().copied())
        .map_or_else(|| format!("there are {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
    Err(CliError::Arguments(format!("no run has the {what} `{asked}`; {help}")))
}

/// What counts for nothing is said beside every list, and not passed over in silence.
fn set_aside(registry: &Registry) -> Result<(), CliError> {
    for SetAside { run, problem } in registry.set_aside()? {
        tell(format_args!("run {run} is set aside, and counts for nothing: {problem}"));
    }
    Ok(())
}

/// Says of every record that was changed since its run ended what was changed.
fn verify(registry: &Registry, name: Option<&str>, as_json: bool) -> Result<(), CliError> {
    let runs: Vec<RunId> = match name {
        Some(name) => vec![registry.resolve(name)?],
        None => registry.list(&Filter::default())?.into_iter().map(|run| run.run).collect(),
    };
    let mut problems = if name.is_none() { registry.set_aside()? } else { Vec::new() };
    for &run in &runs {
        match registry.verify(run) {
            Ok(()) => {}
            Err(RegistryError::Damaged { problem, .. }) => problems.push(SetAside { run, problem }),
            Err(error) => problems.push(SetAside { run, problem: augtrial_base::words::chain(&error) }),
        }
    }
    if as_json {
        json(&json!({ "runs": runs.len(), "damaged": problems }))?;
    } else {
        problems.iter().try_for_each(|SetAside { run, problem }| line(format_args!("run {run}: {problem}")))?;
    }
    match problems.len() {
        0 if as_json => Ok(()),
        0 => line(format_args!("ok: {} as they were when they ended", plural(runs.len(), "run"))),
        damaged => Err(CliError::RecordsDiffer { damaged }),
    }
}

fn shown(table: &Table, as_json: bool) -> Result<(), CliError> {
    if as_json { json(&json_of(table)) } else { line(table_of(table)) }
}

fn titled(tables: Vec<(&'static str, Table)>, as_json: bool) -> Result<(), CliError> {
    if as_json {
        let objects = tables.iter().map(|(title, table)| ((*title).to_owned(), json_of(table)));
        return json(&Value::Object(objects.collect::<Map<_, _>>()));
    }
    for (title, table) in tables {
        let title = styled(STRONG, title);
        if table.rows.is_empty() {
            line(format_args!("{title}: no difference"))?;
        } else {
            line(format_args!("{title}\n{}", brief_table_of(&table)))?;
        }
    }
    Ok(())
}
