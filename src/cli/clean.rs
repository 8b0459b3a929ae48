//! `augtrial clean`.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;
use serde_json::json;

use super::CliError;
use super::args::{Global, Json};
use super::output::{self, line, tell};
use super::session::workspace;
use super::table::table;
use augtrial_base::clock::Clock;
use augtrial_base::progress::human_bytes;
use augtrial_base::words::plural;
use augtrial_study::clean::{self, Unneeded};

#[derive(Debug, Args)]
pub(super) struct CleanArgs {
    /// Remove without asking.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    json: Json,
}

pub(super) fn clean(args: &CleanArgs, global: &Global) -> Result<(), CliError> {
    let found = clean::unneeded(&workspace(global), Clock::System)?;
    if args.json.json {
        if args.yes {
            remove(&found)?;
        }
        let row = |found: &Unneeded| json!({ "what": found.what, "bytes": found.bytes, "path": found.path });
        let found: Vec<_> = found.iter().map(row).collect();
        return output::json(&json!({ "found": found, "removed": args.yes }));
    }
    if found.is_empty() {
        return line("nothing to remove: everything is referred to, or was changed in the last hour");
    }
    let row =
        |found: &Unneeded| [found.what.to_owned(), human_bytes(found.bytes), found.path.display().to_string()].into();
    line(table(&["what", "size", "path"], &found.iter().map(row).collect::<Vec<Vec<String>>>()))?;
    let all = format!("{}, {}", plural(found.len(), "entry"), human_bytes(found.iter().map(|found| found.bytes).sum()));
    if !args.yes && !agreed(&all)? {
        return line(format_args!("{all}: nothing was removed; `augtrial clean --yes` removes without asking"));
    }
    remove(&found)?;
    line(format_args!("{all}: removed"))
}

fn remove(found: &[Unneeded]) -> Result<(), CliError> {
    Ok(found.iter().try_for_each(clean::remove)?)
}

/// Asks at the terminal; where there is none, nobody agrees.
fn agreed(all: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    tell(format_args!("Remove {all}? No record needs them; a study that does makes them anew. [y/N]"));
    std::io::stderr().flush().map_err(CliError::Output)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|source| CliError::System { action: "read the answer", source })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
