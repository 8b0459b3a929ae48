//! From a view to files: the trait of a format, the table of formats, and writing a report in one step.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::view::StudyView;
use super::{Figures, Html, Markdown, Tables};

/// Every format of a report, in the order written.
pub const FORMATS: [&dyn ReportFormat; 4] = [&Figures, &Tables, &Markdown, &Html];

/// One way to render a view.
pub trait ReportFormat: Sync {
    /// Name for messages and options.
    fn name(&self) -> &'static str;

    /// The files of this format. The same view gives the same bytes.
    ///
    /// # Errors
    /// If the view cannot be drawn or encoded.
    fn files(&self, view: &StudyView) -> Result<Vec<ReportFile>, ReportError>;
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    /// Relative to the report's folder, with `/`.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("cannot draw figure `{figure}`: {reason}")]
    Figure { figure: String, reason: String },
    #[error("cannot encode table `{table}`")]
    Table { table: String, source: csv::Error },
    #[error("cannot encode table `{table}`")]
    Parquet { table: String, source: polars::error::PolarsError },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("there is no report in {}: write it with `augtrial report`", path.display())]
    NoReport { path: PathBuf },
    #[error("{} exists and is not a report; name another folder", path.display())]
    NotAReport { path: PathBuf },
}

/// The file by which a folder is known to be a report.
pub(super) const MAIN_FILE: &str = "report.md";

/// Renders all formats into a temporary folder beside `folder`, then puts it in place of what was there: a reader never
/// meets half a report.
///
/// # Errors
/// If a format fails, a file cannot be written, or `folder` holds something that is not a report.
pub fn write_report(view: &StudyView, folder: &Path) -> Result<(), ReportError> {
    if folder.exists() && !folder.join(MAIN_FILE).exists() && !is_empty(folder) {
        return Err(ReportError::NotAReport { path: folder.to_owned() });
    }
    let files = render(view)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReportError::Write { path, source }
    };
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let temporary = tempfile::Builder::new().prefix(".report-").tempdir_in(parent).map_err(failed(parent))?;
    let fresh = temporary.path().join("new");
    for file in &files {
        let path = fresh.join(&file.path);
        write_file(&path, &file.bytes).map_err(failed(&path))?;
    }
    if folder.exists() {
        fs::rename(folder, temporary.path().join("old")).map_err(failed(folder))?;
    }
    fs::rename(&fresh, folder).map_err(failed(folder))
}

/// Every file of the report, in memory.
///
/// # Errors
/// If a format fails.
pub(super) fn render(view: &StudyView) -> Result<Vec<ReportFile>, ReportError> {
    let mut files = Vec::new();
    for format in FORMATS {
        files.extend(format.files(view)?);
    }
    Ok(files)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
