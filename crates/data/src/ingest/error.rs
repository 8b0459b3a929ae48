//! Why a data set cannot be read, each with its place and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use augtrial_base::words::nearest;

/// Names that an error lists.
const SHOWN_NAMES: usize = 20;
/// Characters of a name that an error shows.
const SHOWN_CHARS: usize = 60;

/// A data set that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("cannot read {}: check that it exists and that you may read it", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write {}: check its permissions and free space", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{} is not a folder: give the folder that holds the images", .0.display())]
    NotAFolder(PathBuf),
    #[error("{place}: {problem}")]
    Malformed { place: FileLine, problem: String },
    #[error("{place}: class `{class}` is not one of {known}")]
    UnknownClass { place: FileLine, class: String, known: KnownNames },
    #[error("{place}: label {label} is out of range: labels go from {first} to {last}, for {known}")]
    LabelOutOfRange { place: FileLine, label: i64, first: u64, last: u64, known: KnownNames },
    #[error("{place}: `{path}` lies outside {}: move the image there, or change the root", root.display())]
    OutsideRoot { place: FileLine, path: String, root: PathBuf },
    #[error("{place}: `{path}` is already listed at {first}: an image belongs to one part, once")]
    ListedTwice { place: FileLine, path: String, first: FileLine },
    #[error("{}: a data set needs two classes or more, and this one has {found}{hint}", root.display())]
    TooFewClasses { root: PathBuf, found: usize, hint: String },
    #[error("class `{}` cannot be used: {problem}", shown(class))]
    ClassName { class: String, problem: String },
    #[error("{}: the name of the folder is not UTF-8: rename it", .0.display())]
    NameNotUtf8(PathBuf),
    #[error(
        "{}: {parts} look like the parts of a data set, and {others} like classes: move the class folders into the parts, or \
         name the classes with `classes`", root.display()
    )]
    MixedLevels { root: PathBuf, parts: String, others: String },
    #[error(
        "{}: {parts} look like the parts of a data set, and have no class folders in them: put one folder a class into each, \
         or name the classes with `classes` if these are the classes", root.display()
    )]
    PartsWithoutClasses { root: PathBuf, parts: String },
    #[error("class `{class}` has no usable image below {} ({left_out}): add images or remove the class", root.display())]
    EmptyClass { class: String, root: PathBuf, left_out: String },
    #[error(
        "{count} files cannot be used, the first is {path}: {reason}; \
         repair or remove them, or set `on_undecodable = \"quarantine\"`"
    )]
    Undecodable { path: String, reason: String, count: usize },
}

impl IngestError {
    pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }
}

/// A file, and a line of it if there is one; shown as `file:line`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: Option<u64>,
}

impl FileLine {
    pub(super) fn line(file: &Path, line: u64) -> Self {
        Self { file: file.to_owned(), line: Some(line) }
    }

    pub(crate) fn file(file: &Path) -> Self {
        Self { file: file.to_owned(), line: None }
    }
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// The names that would have been right, the nearest one suggested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNames {
    pub names: Vec<String>,
    pub suggestion: Option<String>,
}

impl KnownNames {
    /// All `names`, and the one that `typed` resembles most, if any.
    pub(crate) fn near(typed: &str, names: &[String]) -> Self {
        let suggestion = nearest(typed, names.iter().map(String::as_str)).map(str::to_owned);
        Self { names: names.to_vec(), suggestion }
    }
}

impl fmt::Display for KnownNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.names))?;
        self.suggestion.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean `{name}`?"))
    }
}

/// A name as an error shows it: not too long, and without what a terminal obeys.
fn shown(name: &str) -> String {
    name.escape_debug().take(SHOWN_CHARS).collect()
}

/// Names in a row, each in backticks; not too many.
pub(super) fn quoted(names: &[String]) -> String {
    let mut quoted: Vec<String> = names.iter().take(SHOWN_NAMES).map(|name| format!("`{}`", shown(name))).collect();
    if names.len() > SHOWN_NAMES {
        quoted.push(format!("and {} more", names.len() - SHOWN_NAMES));
    }
    quoted.join(", ")
}
