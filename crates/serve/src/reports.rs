//! Files of rendered reports, from the folder of reports and from nowhere else.

use std::path::{Component, Path, PathBuf};

use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::answer::Refusal;

/// A report's page is one file with its script in it. It runs as a document of no origin: it reaches neither the
/// dashboard nor the network.
pub(super) const REPORT_POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox allow-scripts allow-downloads allow-popups allow-modals; default-src 'none'; script-src 'unsafe-inline'; \
     style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
/// Everything else is shown, and runs nothing.
const FILE_POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'none'",
);
pub(super) const POLICY: axum::http::HeaderName = CONTENT_SECURITY_POLICY;

/// The reports of a study that a browser can show, by their paths on this server.
pub(super) fn links(reports_dir: &Path, study: &str) -> Vec<String> {
    let shown = ["report.html", "report.md"].iter();
    shown
        .filter(|name| resolve(reports_dir, study, name).is_ok())
        .map(|name| format!("/reports/{study}/{name}"))
        .collect()
}

/// Whether the report that a study's page shows is of a plan whose every trial has a result, as its pointer says.
pub(super) fn is_complete(reports_dir: &Path, study: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Newest {
        complete: bool,
    }
    let pointer = resolve(reports_dir, study, "newest.json").ok().and_then(|path| std::fs::read(path).ok());
    pointer.and_then(|bytes| serde_json::from_slice(&bytes).ok()).is_some_and(|newest: Newest| newest.complete)
}

/// A file of a report, its type, and what it may do.
pub(super) fn read(
    reports_dir: &Path,
    study: &str,
    file: &str,
) -> Result<(Vec<u8>, &'static str, HeaderValue), Refusal> {
    let path = resolve(reports_dir, study, file)?;
    let bytes = std::fs::read(&path).map_err(|error| Refusal::Internal(format!("cannot read a report: {error}")))?;
    let is_page = path.extension().is_some_and(|ending| ending == "html");
    Ok((bytes, content_type(&path), if is_page { REPORT_POLICY } else { FILE_POLICY }))
}

/// The file's real place, which must be below the folder of reports whatever links are on the way.
fn resolve(reports_dir: &Path, study: &str, file: &str) -> Result<PathBuf, Refusal> {
    let missing = || Refusal::NotFound(format!("there is no report file `{study}/{file}`"));
    if study.contains('/') || !is_plain(study) || !is_plain(file) {
        return Err(missing());
    }
    let root = reports_dir.canonicalize().map_err(|_| missing())?;
    let path = root.join(study).join(file).canonicalize().map_err(|_| missing())?;
    if path.starts_with(&root) && path.is_file() { Ok(path) } else { Err(missing()) }
}

/// Whether each part of a path is a visible name.
fn is_plain(path: &str) -> bool {
    let parts = || path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    let plain = |component| matches!(component, Component::Normal(_));
    !path.contains(['\\', '\0', ':']) && parts() && Path::new(path).components().all(plain)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "json" => "application/json",
        "csv" => "text/csv; charset=utf-8",
        "md" | "tex" | "txt" | "bib" => "text/plain; charset=utf-8",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_folder_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let reports = folder.path().join("reports");
        std::fs::create_dir_all(reports.join("demo/figures")).unwrap();
        std::fs::write(folder.path().join("secret.md"), "secret").unwrap();
        std::fs::write(reports.join("demo/report.md"), "report").unwrap();
        std::fs::write(reports.join("demo/.hidden"), "hidden").unwrap();
        std::fs::write(reports.join("demo/figures/a.svg"), "<svg/>").unwrap();
        assert_eq!(read(&reports, "demo", "figures/a.svg").unwrap().1, "image/svg+xml");
        assert_eq!(links(&reports, "demo"), ["/reports/demo/report.md"]);
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("secret.md"), reports.join("demo/link.md")).unwrap();
        let absolute = folder.path().join("secret.md");
        for (study, file) in [
            ("demo", "../../secret.md"),
            ("..", "secret.md"),
            ("demo", absolute.to_str().unwrap()),
            ("demo", "figures/../../../secret.md"),
            ("demo", "..\\..\\secret.md"),
            ("demo", ".hidden"),
            ("demo", "link.md"),
            ("demo", "figures"),
            ("demo", ""),
            ("", "demo/report.md"),
            ("demo", "nothing.md"),
            ("demo", "a\0b"),
        ] {
            assert!(matches!(read(&reports, study, file), Err(Refusal::NotFound(_))), "{study} {file}");
        }
    }
}
