//! Why a data set cannot be read, each with its place and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Below this Jaro-Winkler similarity another name is no help.
const SUGGESTION_SIMILARITY: f64 = 0.7;

/// A data set that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("cannot read {}: check that it exists and that you may read it", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a folder: give the folder that holds the images", .0.display())]
    NotAFolder(PathBuf),
    #[error("{place}: {problem}")]
    Malformed { place: Place, problem: String },
    #[error("{place}: class `{class}` is not one of {known}")]
    UnknownClass { place: Place, class: String, known: KnownNames },
    #[error("{place}: label {label} is out of range: labels go from {first} to {last}, for {known}")]
    LabelOutOfRange { place: Place, label: i64, first: u32, last: u32, known: KnownNames },
    #[error("{place}: `{path}` lies outside {}: move the image there, or change the root", root.display())]
    OutsideRoot { place: Place, path: String, root: PathBuf },
    #[error("{place}: `{path}` is already listed at {first}: an image belongs to one part, once")]
    ListedTwice { place: Place, path: String, first: Place },
    #[error("{}: a data set needs two classes or more, and this one has {found}", root.display())]
    TooFewClasses { root: PathBuf, found: usize },
    #[error("class `{class}` has no usable image below {} ({left_out}): add images or remove the class", root.display())]
    EmptyClass { class: String, root: PathBuf, left_out: String },
    #[error(
        "{count} files cannot be used, the first is {path}: {reason}; \
         repair or remove them, or set `on_undecodable = \"quarantine\"`"
    )]
    Undecodable { path: String, reason: String, count: usize },
}

impl IngestError {
    pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }
}

/// A file, and a line of it if there is one; shown as `file:line`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: Option<u64>,
}

impl Place {
    pub(super) fn line(file: &Path, line: u64) -> Self {
        Self { file: file.to_owned(), line: Some(line) }
    }

    pub(super) fn file(file: &Path) -> Self {
        Self { file: file.to_owned(), line: None }
    }
}

impl fmt::Display for Place {
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
    pub(super) fn near(typed: &str, names: &[String]) -> Self {
        let typed = typed.to_lowercase();
        let similarity = |name: &String| strsim::jaro_winkler(&typed, &name.to_lowercase());
        let nearest = names.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        let suggestion = nearest.filter(|name| similarity(name) >= SUGGESTION_SIMILARITY).cloned();
        Self { names: names.to_vec(), suggestion }
    }
}

impl fmt::Display for KnownNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names.iter().enumerate() {
            write!(f, "{}`{name}`", if i == 0 { "" } else { ", " })?;
        }
        self.suggestion.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean `{name}`?"))
    }
}
