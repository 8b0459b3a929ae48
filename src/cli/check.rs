//! `augtrial check`.

use super::CliError;
use super::args::CheckArgs;
use super::output::line;
use crate::plan::{Plan, schema};

pub(super) fn check(args: &CheckArgs) -> Result<(), CliError> {
    if args.schema {
        return line(format_args!("{:#}", schema()));
    }
    let mut failed = None;
    for file in &args.files {
        match Plan::load(file, &args.set) {
            Ok(plan) => line(format_args!(
                "{}: ok, {} {} x {} {}",
                file.display(),
                plan.arms.len(),
                if plan.arms.len() == 1 { "arm" } else { "arms" },
                plan.study.seeds.len(),
                if plan.study.seeds.len() == 1 { "seed" } else { "seeds" },
            ))?,
            // Every file is checked; all errors but the last are shown here, and the last by `main`.
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    eprintln!("error: {earlier}\n");
                }
            }
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}
