//! What a kill leaves of files and folders that were being written: told from live ones by a lock, and removed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{UNFINISHED, entries, shared_file_system};
use crate::clock::Clock;

/// A file is made a moment before it is locked: nothing as young as this is removed.
const YOUNG: Duration = Duration::from_secs(10);
/// Earlier versions did not lock what they wrote. They made no file that took longer than this.
const UNLOCKED: Duration = Duration::from_hours(24);

/// A folder that is being filled: locked against [`sweep`], removed when it is dropped.
#[derive(Debug)]
pub struct Unfinished {
    folder: tempfile::TempDir,
    _held: Option<File>,
}

impl Unfinished {
    pub(super) fn hold(folder: tempfile::TempDir) -> Self {
        // Folders can be opened and locked on Unix; elsewhere they are told by their age alone.
        let held = File::open(folder.path()).ok().inspect(hold);
        Self { folder, _held: held }
    }

    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Says that this process is writing `file`. Where locks are not to be had, the age of a file must do.
pub(super) fn hold(file: &File) {
    let _ = file.try_lock();
}

/// Removes from `folder`, and not from those below it, what killed processes left unfinished; returns what was removed.
/// What another process is writing is left alone, and so is what cannot be removed.
///
/// # Errors
/// If the folder is there and cannot be read.
pub fn sweep(folder: &Path) -> io::Result<Vec<PathBuf>> {
    // A failure here is another process's success: it was faster, or the file got its name.
    Ok(abandoned(folder)?.into_iter().filter(|path| remove(path).is_ok()).collect())
}

/// What [`sweep`] would remove from `folder`, sorted.
///
/// # Errors
/// As [`sweep`].
pub fn abandoned(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut abandoned = entries(folder)?;
    abandoned.retain(|path| {
        let locked = path.file_name().and_then(|name| name.to_str()).and_then(is_unfinished);
        locked.is_some_and(|locked| is_abandoned(path, locked).unwrap_or(false))
    });
    Ok(abandoned)
}

/// Whether the name is that of something unfinished, and if so whether its writer locks it.
fn is_unfinished(name: &str) -> Option<bool> {
    if name.starts_with(UNFINISHED) {
        return Some(true);
    }
    let earlier = [".synthetic-", ".replay-", ".reindex-"].iter().any(|prefix| name.starts_with(prefix))
        || (name.starts_with(".tmp") && name.strip_suffix(".tmp").is_some())
        || name == "checkpoint.safetensors.tmp";
    earlier.then_some(false)
}

fn is_abandoned(path: &Path, locked: bool) -> io::Result<bool> {
    let age = SystemTime::from(Clock::System.now())
        .duration_since(fs::symlink_metadata(path)?.modified()?)
        .unwrap_or_default();
    // What a process of another machine locks looks as if nobody did.
    let locked = locked && shared_file_system(path).is_none();
    if age < if locked { YOUNG } else { UNLOCKED } {
        return Ok(false);
    }
    match File::open(path)?.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        // No locks on this file system.
        Err(TryLockError::Error(_)) => Ok(age >= UNLOCKED),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    super::operation("remove", path)?;
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{replace, unfinished_folder};

    /// Makes `path` as old as it takes.
    fn age(path: &Path, by: Duration) {
        File::open(path).unwrap().set_modified(SystemTime::from(Clock::System.now()) - by).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_live_one_writes_is_not() {
        const OLD: &str = "checkpoint.safetensors.tmp";
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".new-dead", "kept", ".tmpx.tmp", ".tmpyoung.tmp", OLD] {
            fs::write(at(name), b"x").unwrap();
        }
        for name in [".new-folder", ".synthetic-old"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("x"), b"x").unwrap();
        }
        for name in [".new-dead", "kept", ".tmpx.tmp", ".new-folder", ".synthetic-old", OLD] {
            age(&at(name), UNLOCKED * 2);
        }
        let live = unfinished_folder(&at("set")).unwrap();
        age(live.path(), UNLOCKED * 2);
        replace(&at("result"), |_| {
            let writing = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            for path in writing.filter(|path| path.to_string_lossy().contains(UNFINISHED)) {
                age(&path, UNLOCKED * 2);
            }
            let removed = sweep(folder.path())?;
            assert_eq!(removed, [".new-dead", ".new-folder", ".synthetic-old", ".tmpx.tmp", OLD].map(at));
            Ok(())
        })
        .unwrap();
        assert!(
            live.path().is_dir() && at("result").is_file() && at("kept").is_file() && at(".tmpyoung.tmp").is_file()
        );
        assert_eq!(sweep(&at("nowhere")).unwrap(), [] as [PathBuf; 0]);
    }

    #[test]
    fn what_is_just_being_made_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let young = folder.path().join(".new-young");
        fs::write(&young, b"x").unwrap();
        assert_eq!(sweep(folder.path()).unwrap(), [] as [PathBuf; 0]);
        assert!(young.is_file());
    }
}
