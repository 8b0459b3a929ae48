//! Writing to disk so that nothing half-written is ever taken for whole. Every file and folder of this program is written
//! through these functions.
//!
//! One rule of durability: [`replace`] and [`publish`] return when the content *and* its name are on the disk, so that what
//! is there survives a power cut. [`Durability::Later`] leaves the content to the system, for the many small files of a
//! folder that [`publish`] makes whole at the end.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

mod fault;
mod lease;
mod leftovers;
mod lock;
mod log;
mod sealed;
mod sharing;

pub use lease::{Lease, LeaseState, SILENCE, lease_note, lease_state};
pub use leftovers::{Unfinished, abandoned, sweep};
pub use lock::{Lock, lock};
pub use log::{Log, whole_lines};
pub use sealed::{read_sealed, write_sealed};
pub use sharing::{FILE_SYSTEM_VARIABLE, shared_file_system};

use fault::operation;

/// Prefix of files and folders that are being written. What a kill leaves of them is never read.
pub const UNFINISHED: &str = ".new-";

/// How often a folder is put in place again because another process changed it meanwhile.
const MOST_RIVALS: u32 = 100;

/// When the content of a file must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the file gets its name: it survives a power cut.
    Now,
    /// Some time later: it survives the end of this process.
    Later,
}

/// Replaces `path` by what `write` writes: a temporary file beside it, synced, renamed, and the folder synced.
///
/// # Errors
/// Whatever a step gives; the old content, if any, is then still there, and nothing is left behind.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    replace_with(path, Durability::Now, write)
}

/// As [`replace`], with the durability that is asked for.
///
/// # Errors
/// As [`replace`].
pub fn replace_with(
    path: &Path,
    durability: Durability,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let file = begin(path)?;
    let mut buffered = BufWriter::new(file.as_file());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    finish(file, path, durability)
}

/// As [`replace`], by what `write` writes at the path that it is given: for libraries that open their files themselves.
///
/// # Errors
/// As [`replace`].
pub fn replace_at(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let file = begin(path)?;
    write(file.path())?;
    finish(file, path, Durability::Now)
}

fn begin(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    operation("write", path)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    share(&mut builder, 0o666);
    let file = builder.tempfile_in(parent(path))?;
    leftovers::hold(file.as_file());
    Ok(file)
}

fn finish(file: tempfile::NamedTempFile, path: &Path, durability: Durability) -> io::Result<()> {
    if durability == Durability::Now {
        operation("sync", path)?;
        file.as_file().sync_all()?;
    }
    operation("rename", path)?;
    file.persist(path).map_err(|error| error.error)?;
    if durability == Durability::Now { sync_folder(parent(path)) } else { Ok(()) }
}

/// Replaces `path` by `bytes`, as [`replace`] does.
///
/// # Errors
/// As [`replace`].
pub fn replace_bytes(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    replace_with(path, durability, |out| out.write_all(bytes))
}

/// A new folder beside `folder` to fill and then to [`publish`]; removed when it is dropped before.
///
/// # Errors
/// Whatever creating folders gives.
pub fn unfinished_folder(folder: &Path) -> io::Result<Unfinished> {
    let parent = parent(folder);
    create_folder(parent)?;
    operation("create", folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    share(&mut builder, 0o777);
    builder.tempdir_in(parent).map(Unfinished::hold)
}

/// What became of a folder that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It has its name now.
    Ours,
    /// Another process was faster; its folder is there, and this one is still under its temporary name.
    Rival,
}

/// Syncs the files of `unfinished` and renames it to `folder`.
///
/// # Errors
/// Whatever a step gives.
pub fn publish(unfinished: &Path, folder: &Path) -> io::Result<Published> {
    publish_with(unfinished, folder, Durability::Now)
}

/// As [`publish`]. With [`Durability::Later`] the files are not synced: for folders whose files are synced already, or
/// whose content is checked whenever the folder is opened.
///
/// # Errors
/// As [`publish`].
pub fn publish_with(unfinished: &Path, folder: &Path, durability: Durability) -> io::Result<Published> {
    if durability == Durability::Now {
        sync_tree(unfinished)?;
    }
    operation("rename", folder)?;
    match fs::rename(unfinished, folder) {
        Ok(()) => sync_folder(parent(folder)).map(|()| Published::Ours),
        // A folder cannot replace one that is not empty.
        Err(_) if folder.is_dir() => Ok(Published::Rival),
        Err(error) => Err(error),
    }
}

/// Puts the folder `unfinished` in place of `folder`, whatever was there; that is removed. Where the file system can exchange two
/// names, nobody ever sees no folder. Elsewhere a kill between two renames leaves the old folder and the new one beside, under
/// temporary names. Of two processes that do this at once, the later one's folder stays.
///
/// # Errors
/// Whatever a step gives; the old folder is then still there, or put back.
pub fn replace_folder(unfinished: &Unfinished, folder: &Path) -> io::Result<()> {
    replace_folder_with(unfinished, folder, placed)
}

fn replace_folder_with(
    unfinished: &Unfinished,
    folder: &Path,
    placed: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotFound};

    sync_tree(unfinished.path())?;
    for rivals in 0.. {
        operation("rename", folder)?;
        match placed(unfinished.path(), folder) {
            // Another process has put a folder here, or taken one away, since this one looked.
            Err(error)
                if rivals < MOST_RIVALS
                    && matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotFound)
                    && unfinished.path().is_dir() => {}
            done => {
                done?;
                break;
            }
        }
    }
    sync_folder(parent(folder))
}

/// Exchanges the names if `folder` is there, else gives `new` its name.
#[cfg(target_os = "linux")]
fn placed(new: &Path, folder: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    let how = if folder.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
    match renameat_with(CWD, new, CWD, folder, how) {
        // This file system, or kernel, has no such renames.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => placed_in_two_steps(new, folder),
        done => Ok(done?),
    }
}

#[cfg(not(target_os = "linux"))]
fn placed(new: &Path, folder: &Path) -> io::Result<()> {
    placed_in_two_steps(new, folder)
}

fn placed_in_two_steps(new: &Path, folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return fs::rename(new, folder);
    }
    let aside = unfinished_folder(folder)?;
    let old = aside.path().join("old");
    fs::rename(folder, &old)?;
    let placed = fs::rename(new, folder);
    if placed.is_err() && !folder.exists() {
        fs::rename(&old, folder)?;
    }
    placed
}

/// Writes `files`, each with its path below `folder`, as the whole content of `folder`, in place of what was there.
///
/// # Errors
/// Whatever a step gives, with the path that it was about; the old folder is then still there.
pub fn replace_folder_by<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let unfinished = unfinished_folder(folder).map_err(at(folder))?;
    for (name, bytes) in files {
        let path = unfinished.path().join(name);
        create_folder(parent(&path)).map_err(at(&path))?;
        replace_bytes(&path, bytes, Durability::Later).map_err(at(&path))?;
    }
    replace_folder(&unfinished, folder).map_err(at(folder))
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { sync_tree(&path)? } else { sync_file(&path)? }
    }
    sync_folder(folder)
}

/// Renames a file or folder, and syncs the folder that it is in then.
///
/// # Errors
/// Whatever the system gives.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    operation("rename", to)?;
    fs::rename(from, to)?;
    sync_folder(parent(to))
}

/// Replaces the content of an open file in place, for a file whose lock must not change hands. A reader may see it half-written.
///
/// # Errors
/// Whatever the system gives.
pub fn rewrite(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    operation("write", path)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(bytes)
}

/// Creates a folder and those above it.
///
/// # Errors
/// Whatever the system gives.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    operation("create", folder)?;
    fs::create_dir_all(folder)
}

/// What a folder holds, sorted; nothing if it is not there.
///
/// # Errors
/// If it is there and cannot be read.
pub fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

/// Removes a file if it is there.
///
/// # Errors
/// Whatever the system gives, but that there is none.
pub fn remove_file(path: &Path) -> io::Result<()> {
    operation("remove", path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Moves a file or folder that must not be used any longer out of the way, and removes it. Nobody sees half of it.
///
/// # Errors
/// Whatever the system gives.
pub fn discard(path: &Path) -> io::Result<()> {
    let grave = unfinished_folder(path)?;
    operation("discard", path)?;
    match fs::rename(path, grave.path().join("discarded")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until a file's bytes are on the disk.
///
/// # Errors
/// Whatever the system gives.
pub fn sync_file(path: &Path) -> io::Result<()> {
    operation("sync", path)?;
    File::open(path)?.sync_all()
}

/// Makes renames and creations in `folder` durable.
///
/// # Errors
/// Whatever the system gives.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows has no handle of a folder to sync; there NTFS journals the rename.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The bytes of a regular file of at most `most` bytes: a pipe or a device may never end.
///
/// # Errors
/// `InvalidInput` if it is no regular file, `FileTooLarge` if it has more bytes; else whatever reading gives.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open_regular(path, most)?;
    let mut bytes = Vec::with_capacity(length as usize);
    // The bound holds for a file that grows meanwhile too.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(bytes.len() as u64, most)) } else { Ok(bytes) }
}

/// A regular file of at most `most` bytes, and how many it has.
///
/// # Errors
/// As [`read_regular`].
pub fn open_regular(path: &Path, most: u64) -> io::Result<(File, u64)> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if found.len() > most { Err(too_large(found.len(), most)) } else { Ok((File::open(path)?, found.len())) }
}

fn too_large(bytes: u64, most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {bytes} bytes, and at most {most} are read"))
}

/// The folder that `path` is in.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Lets others see what the builder makes, as far as the umask does: `tempfile` would hide results from them.
#[cfg(unix)]
fn share(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(fs::Permissions::from_mode(mode));
}

/// Elsewhere what is made inherits its folder's permissions.
#[cfg(not(unix))]
fn share(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

#[cfg(test)]
mod tests;
