//! `augtrial completions` and `augtrial man`.

use std::io;

use clap::CommandFactory as _;

use super::args::CompletionsArgs;
use super::{Cli, CliError};

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    clap_complete::generate(args.shell, &mut Cli::command(), "augtrial", &mut io::stdout());
    Ok(())
}

pub(super) fn man() -> Result<(), CliError> {
    clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()).map_err(CliError::Output)
}
