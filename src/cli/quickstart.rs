//! `augtrial quickstart`: writes the study and the editor that the program carries, and runs it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use augtrial_base::disk::{self, Durability};
use augtrial_base::words::plural;
use clap::{Args, FromArgMatches as _};

use super::CliError;
use super::args::Global;
use super::output::{line, paragraph};
use super::run::RunArgs;
use super::screen::{STRONG, styled};

/// The experiment among the files, which names the others.
const EXPERIMENT: &str = "experiments/quickstart.toml";
/// Beside the experiment, for editors.
const SCHEMA: &str = "experiments/experiment.schema.json";

/// A file that the program carries.
#[derive(Clone, Copy, Debug)]
pub struct Carried {
    /// Below the folder that it is written to; parts are separated by `/`.
    pub path: &'static str,
    pub bytes: &'static [u8],
}

#[derive(Debug, Args)]
pub(super) struct QuickstartArgs {
    /// Folder to write the experiment and its editor to.
    #[arg(default_value = "quickstart")]
    folder: PathBuf,
    /// Only write the files, and say what to type next.
    #[arg(long)]
    write_only: bool,
}

pub(super) fn quickstart(args: &QuickstartArgs, carried: &[Carried], global: &Global) -> Result<(), CliError> {
    if carried.is_empty() {
        return Err(CliError::Arguments("this program carries no files: type `augtrial quickstart`".to_owned()));
    }
    let schema = format!("{:#}\n", augtrial_plan::schema());
    let files = carried.iter().map(|file| (file.path, file.bytes)).chain([(SCHEMA, schema.as_bytes())]);
    let files: Vec<(PathBuf, &[u8])> = files.map(|(path, bytes)| (args.folder.join(path), bytes)).collect();
    for (path, bytes) in &files {
        check_free(path, bytes)?;
    }
    for (path, bytes) in &files {
        let failed = |source| CliError::Write { path: path.clone(), source };
        disk::create_folder(disk::parent(path)).map_err(failed)?;
        disk::replace_bytes(path, bytes, Durability::Later).map_err(failed)?;
    }
    let experiment = args.folder.join(EXPERIMENT);
    let wrote = format!("Wrote {} to {}.", plural(files.len(), "file"), args.folder.display());
    if args.write_only {
        paragraph(format_args!("{wrote} Next:\n"))?;
        for (command, what) in
            [("plan", "what a run would do, and how long it takes"), ("run", "three arms, three seeds, and the answer")]
        {
            let typed = format!("augtrial {command:<4} {}", experiment.display());
            line(format_args!("  {}   {what}", styled(STRONG, typed)))?;
        }
        return Ok(());
    }
    super::output::tell(format_args!("{wrote} `augtrial run {}` follows.", experiment.display()));
    super::run::run(&run_arguments(&experiment), global)
}

/// Refuses a file that is there with other content: somebody may have changed it.
fn check_free(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    match std::fs::read(path) {
        Ok(found) if found == bytes => Ok(()),
        Ok(_) => Err(CliError::Arguments(format!(
            "{} is there, and is not what quickstart writes: name another folder, or run the experiment that is there",
            path.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(CliError::Write { path: path.to_owned(), source }),
    }
}

/// What `augtrial run EXPERIMENT` is given.
fn run_arguments(experiment: &Path) -> RunArgs {
    let command = RunArgs::augment_args(clap::Command::new("run"));
    let typed = ["run".as_ref(), "--".as_ref(), experiment.as_os_str()];
    RunArgs::from_arg_matches(&command.get_matches_from(typed)).unwrap_or_else(|error| error.exit())
}
