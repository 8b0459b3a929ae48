//! `augtrial doctor`.

use super::CliError;
use super::args::Global;
use super::output::line;
use super::table::table;
use crate::clock::Clock;
use crate::registry::Registry;
#[cfg(feature = "torch")]
use crate::study::training_setup as training;

pub(super) fn doctor(global: &Global) -> Result<(), CliError> {
    let mut facts = vec![
        ["augtrial".to_owned(), env!("CARGO_PKG_VERSION").to_owned()],
        ["cores".to_owned(), std::thread::available_parallelism().map_or(0, usize::from).to_string()],
        [
            "thread waiting".to_owned(),
            std::env::var("OMP_WAIT_POLICY").unwrap_or_else(|_| "PASSIVE (set by `augtrial run`)".to_owned()),
        ],
    ];
    facts.extend(training());
    let registry = match Registry::open(&global.runs, Clock::System) {
        Ok(registry) => format!("{}, {} studies", global.runs.display(), registry.studies()?.len()),
        Err(error) => format!("{}: {error}", global.runs.display()),
    };
    facts.push(["registry".to_owned(), registry]);
    let rows: Vec<Vec<String>> = facts.into_iter().map(Vec::from).collect();
    line(table(&["what", "found"], &rows))
}

#[cfg(not(feature = "torch"))]
fn training() -> Vec<[String; 2]> {
    vec![["LibTorch".to_owned(), "left out of this build: it plans, compares and reports, and cannot train".to_owned()]]
}
