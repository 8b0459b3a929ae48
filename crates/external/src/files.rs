//! The files that decide what a command trains, with their digests: part of the key of a trial.

use std::io;
use std::path::{Path, PathBuf};

use augtrial_base::digest::Digest;
use augtrial_plan::command::Command;
use serde::{Deserialize, Serialize};

/// A file of a trainer, as the experiment names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    pub file: String,
    pub digest: Digest,
}

/// The arguments of the command that are files, then the files that are declared beside them; relative ones start from `base`.
///
/// # Errors
/// The path that cannot be read, and why.
pub fn files_of(command: &Command, base: &Path) -> Result<Vec<FileDigest>, (PathBuf, io::Error)> {
    let arguments = command.run.iter().enumerate().filter(|(index, argument)| {
        // A bare program name is looked for on the PATH.
        (*index > 0 || is_path(argument)) && base.join(argument).is_file()
    });
    let mut names: Vec<&String> = arguments.map(|(_, argument)| argument).collect();
    names.extend(&command.files);
    let mut files: Vec<FileDigest> = Vec::new();
    for name in names {
        if files.iter().any(|file| file.file == *name) {
            continue;
        }
        let path = base.join(name);
        let digest = Digest::of_file(&path).map_err(|source| (path, source))?;
        files.push(FileDigest { file: name.clone(), digest });
    }
    Ok(files)
}

/// The program to start: one that names a folder starts from `base`.
pub(crate) fn program(command: &Command, base: &Path) -> PathBuf {
    let name = command.run.first().map_or("", String::as_str);
    if is_path(name) { base.join(name) } else { PathBuf::from(name) }
}

fn is_path(name: &str) -> bool {
    name.contains(std::path::is_separator)
}
