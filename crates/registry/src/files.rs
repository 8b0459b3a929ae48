//! JSON on disk: values that are replaced whole, and one value a line.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RegistryError;
use augtrial_base::disk::{self, Durability};

/// Replaces `path` by the value's JSON, indented for people.
pub(super) fn replace_json<T: Serialize + ?Sized>(
    path: &Path,
    value: &T,
    durability: Durability,
) -> Result<(), RegistryError> {
    let mut text = serde_json::to_string_pretty(value).map_err(RegistryError::json(path))?;
    text.push('\n');
    disk::replace_bytes(path, text.as_bytes(), durability).map_err(RegistryError::io("write", path))
}

/// Replaces `path` by one line of JSON per value.
pub(super) fn replace_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), RegistryError> {
    disk::replace(path, |out| {
        for value in values {
            writeln!(out, "{}", serde_json::to_string(value)?)?;
        }
        Ok(())
    })
    .map_err(RegistryError::io("write", path))
}

/// The JSON value in `path`; `None` if there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RegistryError> {
    let Some(text) = read_optional(path)? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(RegistryError::json(path))
}

/// The JSON value in `path`, which every record has.
pub(super) fn read_required<T: DeserializeOwned>(path: &Path) -> Result<T, RegistryError> {
    read_json(path)?.ok_or_else(|| RegistryError::Missing { path: path.to_owned() })
}

/// The content of `path`; `None` if there is no such file.
pub(super) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RegistryError::io("read", path)(error)),
    }
}

/// Names of the folders in a folder, sorted; none if there is no such folder.
pub(super) fn folders_in(folder: &Path) -> Result<BTreeSet<String>, RegistryError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(RegistryError::io("read", folder))?,
    };
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    Ok(folders.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// One value per whole line; no file, no lines. `on_error` may forgive a line.
pub(super) fn read_lines<T, F>(path: &Path, on_error: F) -> Result<Vec<T>, RegistryError>
where
    T: DeserializeOwned,
    F: Fn(&[u8], serde_json::Error) -> Result<(), serde_json::Error>,
{
    let bytes = read_optional(path)?.unwrap_or_default();
    let mut values = Vec::new();
    for (index, line) in disk::whole_lines(&bytes).enumerate() {
        match serde_json::from_slice(line) {
            Ok(value) => values.push(value),
            Err(error) => on_error(line, error).map_err(|source| RegistryError::JsonLine {
                path: path.to_owned(),
                line: index + 1,
                source,
            })?,
        }
    }
    Ok(values)
}
