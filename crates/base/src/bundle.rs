//! What every folder of weights with a `manifest.json` has in common: its format and version, and plain names of its files.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The LibTorch that tch 0.26 binds. What another minor version traced or scripted may compute other bits, or not load.
pub const LIBTORCH_VERSION: &str = "2.13.0";

/// Name of the manifest in its folder.
pub const MANIFEST: &str = "manifest.json";

/// Why a manifest cannot be used.
#[derive(Debug)]
pub enum ManifestProblem {
    /// It is no JSON, or lacks fields.
    Malformed(serde_json::Error),
    /// It is of another format or version; the reason as a sentence's second half.
    Unsupported(String),
}

/// Reads a manifest's text. Its `format` and `version` are looked at first: a newer one may have other fields, and the reader
/// should be told so.
///
/// # Errors
/// [`ManifestProblem`].
pub fn parse_manifest<M: DeserializeOwned>(text: &[u8], format: &str, version: u32) -> Result<M, ManifestProblem> {
    let value: Value = serde_json::from_slice(text).map_err(ManifestProblem::Malformed)?;
    if value["format"] != format {
        return Err(ManifestProblem::Unsupported(format!("its `format` is not `{format}`")));
    }
    if value["version"] != version {
        let found = &value["version"];
        let reason = format!("its `version` is {found}, and this program reads {version}");
        return Err(ManifestProblem::Unsupported(reason));
    }
    serde_json::from_value(value).map_err(ManifestProblem::Malformed)
}

/// Whether two versions `major.minor.patch` differ at most in their patch.
#[must_use]
pub fn same_minor(a: &str, b: &str) -> bool {
    let minor =
        |version: &str| version.rsplit_once('.').map_or_else(|| version.to_owned(), |(minor, _)| minor.to_owned());
    minor(a) == minor(b)
}

/// Whether `name` can only be a file in the manifest's own folder, and not the manifest.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=255).contains(&name.len()) && !name.starts_with('.') && name.chars().all(fits) && name != MANIFEST
}

/// A file's content.
///
/// # Errors
/// If it cannot be read, or has more than `most_bytes`.
pub fn read_bounded(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("more than {most_bytes} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_the_folder_itself_are_plain() {
        for name in ["unet.pt", "a", "text_encoder-2.safetensors"] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in
            ["", ".", "..", ".hidden", "a/b", "/etc/passwd", "a\\b", "manifest.json", "naïve.pt", &"a".repeat(256)]
        {
            assert!(!is_plain_name(name), "{name}");
        }
    }

    #[test]
    fn another_format_or_version_is_said_before_missing_fields() {
        let read = |text: &str| parse_manifest::<(u8,)>(text.as_bytes(), "augtrial-x", 2);
        let reason = |text: &str| match read(text) {
            Err(ManifestProblem::Unsupported(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(r#"{"format": "other"}"#), "its `format` is not `augtrial-x`");
        let newer = r#"{"format": "augtrial-x", "version": 3}"#;
        assert_eq!(reason(newer), "its `version` is 3, and this program reads 2");
        assert!(matches!(read("{"), Err(ManifestProblem::Malformed(_))));
        assert!(matches!(read(r#"{"format": "augtrial-x", "version": 2}"#), Err(ManifestProblem::Malformed(_))));
    }

    #[test]
    fn a_patch_does_not_make_another_version() {
        assert!(same_minor("2.13.0", "2.13.1"));
        assert!(!same_minor("2.13.0", "2.1.0"));
    }
}
