//! From a view to files: the trait of a format, the table of formats, and writing a report so that its answer cannot be lost.

use std::fs;
use std::path::{Path, PathBuf};

use super::figures::Drawings;
use super::view::StudyView;
use super::{Figures, Html, Markdown, Tables};
use augtrial_base::disk;

/// Every format of a report, in the order written.
pub const FORMATS: [&dyn ReportFormat; 4] = [&Figures, &Tables, &Markdown, &Html];

/// One way to render a view.
pub trait ReportFormat: Sync {
    /// Name for messages and options.
    fn name(&self) -> &'static str;

    /// The files of this format, with the figures that were drawn; the others are named as missing. The same view and
    /// drawings give the same bytes.
    ///
    /// # Errors
    /// If the view cannot be encoded.
    fn files(&self, view: &StudyView, drawings: &Drawings) -> Result<Vec<ReportFile>, ReportError>;
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
    #[error("cannot encode table `{table}`")]
    Table { table: String, source: augtrial_tables::FrameError },
    #[error("cannot draw the figures: {problem}")]
    Figure { problem: String },
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
/// The answer comes first: where there is no report yet, one without figures is put there before the first figure is drawn. A
/// figure that cannot be drawn, or was not when `stop` said so, is named in its place. Gives the names of those.
///
/// # Errors
/// If a format fails, a file cannot be written, or `folder` holds something that is not a report.
pub fn write_report(
    view: &StudyView,
    folder: &Path,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<String>, ReportError> {
    refuse_others(folder)?;
    if !folder.join(MAIN_FILE).exists() {
        put(&render(view, &Drawings::none())?, folder)?;
    }
    let drawings = Drawings::draw(view, stop);
    put(&render(view, &drawings)?, folder)?;
    Ok(drawings.missing().map(|(name, _)| name.to_owned()).collect())
}

/// A folder that holds something else than a report is left alone.
pub(super) fn refuse_others(folder: &Path) -> Result<(), ReportError> {
    if folder.exists() && !folder.join(MAIN_FILE).exists() && !is_empty(folder) {
        return Err(ReportError::NotAReport { path: folder.to_owned() });
    }
    Ok(())
}

pub(super) fn put(files: &[ReportFile], folder: &Path) -> Result<(), ReportError> {
    disk::replace_folder_by(folder, files.iter().map(|file| (file.path.as_str(), file.bytes.as_slice())))
        .map_err(|(path, source)| ReportError::Write { path, source })
}

/// Every file of the report, in memory.
///
/// # Errors
/// If a format fails.
pub(super) fn render(view: &StudyView, drawings: &Drawings) -> Result<Vec<ReportFile>, ReportError> {
    let mut files = Vec::new();
    for format in FORMATS {
        files.extend(format.files(view, drawings)?);
    }
    Ok(files)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
