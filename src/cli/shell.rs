//! `augtrial completions` and `augtrial man`.

use clap::Args;
use clap_complete::Shell;

use super::output::line;
use super::{CliError, examples};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    pub(super) shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut examples::command(), "augtrial", &mut script);
    line(String::from_utf8_lossy(&script).trim_end())
}

pub(super) fn man() -> Result<(), CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(examples::command()).render(&mut page).map_err(CliError::Output)?;
    line(String::from_utf8_lossy(&page).trim_end())
}
