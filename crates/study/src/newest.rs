//! The page of a study: that of its newest finished plan, in the folder that holds the reports of all plans.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StudyError;
use augtrial_base::disk::{self, Durability};
use augtrial_report::ReportError;

/// `newest.json` in a study's folder of reports: whose report the study's page shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Newest {
    /// Whether every planned trial has a result; a finished plan goes before any that is not.
    pub(super) complete: bool,
    /// When the plan's last run ended, RFC 3339 in UTC.
    pub(super) ended_at: String,
    pub(super) plan: String,
}

/// Shows this report as the study's, unless one of a plan that was finished, or run, later is shown. Says where a report of the
/// old layout went, which is moved aside and never overwritten.
pub(super) fn point_to(folder: &Path, newest: &Newest) -> Result<Option<PathBuf>, StudyError> {
    let above = disk::parent(folder);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StudyError::Report(ReportError::Write { path, source })
    };
    let pointer = above.join("newest.json");
    let shown = std::fs::read(&pointer).ok().and_then(|bytes| serde_json::from_slice::<Newest>(&bytes).ok());
    if shown.is_some_and(|shown| shown.plan != newest.plan && shown > *newest) {
        return Ok(None);
    }
    let moved = if pointer.exists() { None } else { move_aside(above).map_err(failed(above))? };
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| StudyError::Report(ReportError::Read { path, source }))
    };
    let inside = folder.file_name().unwrap_or_default().to_string_lossy();
    // The page holds everything that it shows; the text links into the plan's folder.
    let text = String::from_utf8_lossy(&read("report.md")?).replace("](figures/", &format!("]({inside}/figures/"));
    let text = text.replace("](gallery/", &format!("]({inside}/gallery/"));
    let json = serde_json::to_vec_pretty(newest).expect("plain data has a JSON form");
    for (name, bytes) in
        [("report.html", read("report.html")?), ("report.md", text.into_bytes()), ("newest.json", json)]
    {
        let path = above.join(name);
        disk::replace_bytes(&path, &bytes, Durability::Now).map_err(failed(&path))?;
    }
    Ok(moved)
}

/// What a report of the old layout consists of: it lay in the study's folder itself, whatever its plan.
const OLD_LAYOUT: [&str; 6] = ["report.html", "report.md", "references.bib", "figures", "tables", "gallery"];

/// Moves a report of the old layout into a folder beside those of the plans.
fn move_aside(study: &Path) -> io::Result<Option<PathBuf>> {
    let found: Vec<&str> = OLD_LAYOUT.into_iter().filter(|name| study.join(name).exists()).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let names = std::iter::once("earlier".to_owned()).chain((2..).map(|number| format!("earlier-{number}")));
    let aside = names.map(|name| study.join(name)).find(|folder| !folder.exists()).expect("numbers do not end");
    disk::create_folder(&aside)?;
    for name in found {
        disk::rename(&study.join(name), &aside.join(name))?;
    }
    Ok(Some(aside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_the_old_layout_is_moved_aside_and_never_overwritten() {
        let study = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = study.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("report.html", "old page");
        write("figures/one.svg", "old figure");
        write("aabb/report.html", "new page");
        write("aabb/report.md", "![](figures/one.png)");
        let newest = Newest { complete: true, ended_at: "2026-01-01".to_owned(), plan: "aabb".to_owned() };
        let moved = point_to(&study.path().join("aabb"), &newest).unwrap().expect("there was one");
        let text = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        assert_eq!(moved, study.path().join("earlier"));
        assert_eq!(text(moved.join("report.html")), "old page");
        assert_eq!(text(moved.join("figures/one.svg")), "old figure");
        assert_eq!(text(study.path().join("report.html")), "new page");
        assert_eq!(text(study.path().join("report.md")), "![](aabb/figures/one.png)");
        assert_eq!(point_to(&study.path().join("aabb"), &newest).unwrap(), None, "the page is this program's now");
        assert_eq!(text(moved.join("report.html")), "old page");
    }
}
