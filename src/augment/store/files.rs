//! Files that are whole or absent: written under a temporary name, then renamed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::error::{At as _, StoreError};

/// Appended to a file's name while it is being written.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Whether the bytes must be on the disk before the file gets its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// On the disk: the file survives a power cut.
    Now,
    /// In the system's hands: survives the end of this process; to be synced later.
    Later,
}

/// Writes a file that is never seen half-written. A failed attempt leaves nothing behind.
pub(super) fn write_whole(path: &Path, bytes: &[u8], sync: Sync) -> Result<(), StoreError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY_SUFFIX);
    let temporary = PathBuf::from(temporary);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        if sync == Sync::Now { file.sync_all() } else { Ok(()) }
    };
    write().and_then(|()| fs::rename(&temporary, path)).at("write", path).inspect_err(|_| {
        // Best effort: the first error is the one to report, and the next attempt overwrites the remainder.
        let _ = fs::remove_file(&temporary);
    })
}

/// Waits until a file's bytes, or a folder's entries, are on the disk.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).at("sync", path)
}

/// Creates a folder and those above it.
pub(super) fn create_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).at("create", path)
}

/// Removes a file if it is there.
pub(super) fn remove_if_present(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}
