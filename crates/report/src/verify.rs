//! Whether a report on disk is still the one that its record gives: every file compared byte by byte with one made in memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::figures::Drawings;
use super::format::{MAIN_FILE, ReportError, render};
use super::view::StudyView;

/// How a report on disk differs from the one that its record gives. Paths are relative to the report, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Number of files that the record gives.
    pub files: usize,
    pub differing: Vec<String>,
    pub missing: Vec<String>,
    /// Files that no format writes.
    pub extra: Vec<String>,
}

impl Verification {
    /// Whether the report is the record's, file by file and byte by byte.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.differing.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }
}

/// Renders the view in memory and compares it with the report in `folder`. Writes nothing.
///
/// # Errors
/// [`ReportError::NoReport`] if there is none; else if a format fails or a file cannot be read.
pub fn verify_report(view: &StudyView, folder: &Path) -> Result<Verification, ReportError> {
    if !folder.join(MAIN_FILE).exists() {
        return Err(ReportError::NoReport { path: folder.to_owned() });
    }
    let mut on_disk = BTreeMap::new();
    list(folder, "", &mut on_disk)?;
    let mut expected = render(view, &Drawings::draw(view, &|| false))?;
    expected.sort_by(|a, b| a.path.cmp(&b.path));
    let mut found = Verification { files: expected.len(), ..Verification::default() };
    for file in expected {
        match on_disk.remove(&file.path) {
            None => found.missing.push(file.path),
            Some(path) => {
                let bytes = fs::read(&path).map_err(|source| ReportError::Read { path, source })?;
                if bytes != file.bytes {
                    found.differing.push(file.path);
                }
            }
        }
    }
    found.extra = on_disk.into_keys().collect();
    Ok(found)
}

/// Every file below `folder`, by its path from there with `/`.
fn list(folder: &Path, prefix: &str, found: &mut BTreeMap<String, PathBuf>) -> Result<(), ReportError> {
    let failed = |source| ReportError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            list(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.insert(name, entry.path());
        }
    }
    Ok(())
}
