//! Writing to disk so that nothing half-written is ever taken for whole: atomic replacement and a log of whole lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RegistryError;

/// A file that is locked until this is dropped, or the process ends however it does.
///
/// Unlocked, not merely closed: a process that another thread is just starting has a copy of every open file until it
/// executes its program, and would keep the lock meanwhile.
#[derive(Debug)]
pub(super) struct Held(File);

impl Held {
    /// Takes over a file that was locked.
    pub fn new(locked: File) -> Self {
        Self(locked)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Closing unlocks too, as soon as nobody has a copy.
        let _ = self.0.unlock();
    }
}

/// Replaces `path` by what `write` writes: a temporary file beside it, synced, renamed, and the folder synced.
///
/// # Errors
/// Whatever a step gives, with the path; the old content, if any, is then still there.
pub(crate) fn replace_file<F, E>(path: &Path, write: F) -> Result<(), E>
where
    F: FnOnce(&mut io::BufWriter<&File>) -> Result<(), E>,
    E: From<RegistryError>,
{
    let folder = parent(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-");
    share(&mut builder, 0o666);
    let file = builder.tempfile_in(folder).map_err(RegistryError::io("create a file beside", path))?;
    let mut buffered = io::BufWriter::new(file.as_file());
    write(&mut buffered)?;
    buffered.flush().map_err(RegistryError::io("write", path))?;
    drop(buffered);
    file.as_file().sync_all().map_err(RegistryError::io("sync", path))?;
    file.persist(path).map_err(|error| RegistryError::io("replace", path)(error.error))?;
    Ok(sync_folder(folder)?)
}

/// Replaces `path` by the value's JSON, indented for people.
pub(super) fn replace_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), RegistryError> {
    let mut text = serde_json::to_string_pretty(value).map_err(RegistryError::json(path))?;
    text.push('\n');
    replace_file(path, |out| out.write_all(text.as_bytes()).map_err(RegistryError::io("write", path)))
}

/// Replaces `path` by one line of JSON per value.
pub(super) fn replace_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), RegistryError> {
    replace_file(path, |out| {
        for value in values {
            let line = serde_json::to_string(value).map_err(RegistryError::json(path))?;
            writeln!(out, "{line}").map_err(RegistryError::io("write", path))?;
        }
        Ok(())
    })
}

/// The JSON value in `path`; `None` if there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RegistryError> {
    let Some(text) = read_optional(path)? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(RegistryError::json(path))
}

/// The content of `path`; `None` if there is no such file.
pub(super) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RegistryError::io("read", path)(error)),
    }
}

/// Makes renames and creations in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), RegistryError> {
    // Windows has no handle of a folder to sync; there NTFS journals the rename.
    if cfg!(unix) {
        File::open(folder).and_then(|handle| handle.sync_all()).map_err(RegistryError::io("sync", folder))?;
    }
    Ok(())
}

/// Lets others see what the builder makes, as far as the umask does: `tempfile` would hide results from them.
#[cfg(unix)]
pub(super) fn share(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(fs::Permissions::from_mode(mode));
}

/// Elsewhere what is made inherits its folder's permissions.
#[cfg(not(unix))]
pub(super) fn share(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// The folder that `path` is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The whole lines of a log. A torn last line, what a crash in mid-write leaves, is not among them.
pub(super) fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&b| b == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

/// A file that whole lines are appended to, each by one `write(2)`.
#[derive(Debug)]
pub(super) struct LineLog {
    file: File,
    path: PathBuf,
    /// Bytes of whole lines.
    whole_bytes: u64,
    /// Set when a torn line could not be taken back: a further line would run into it.
    broken: bool,
}

impl LineLog {
    /// Opens or creates the log, and cuts off a torn last line.
    ///
    /// # Errors
    /// Whatever opening, reading or truncating gives.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(RegistryError::io("open", path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(RegistryError::io("read", path))?;
        let whole_bytes = whole_lines(&bytes).map(|line| line.len() as u64 + 1).sum();
        file.set_len(whole_bytes).map_err(RegistryError::io("truncate", path))?;
        file.seek(SeekFrom::Start(whole_bytes)).map_err(RegistryError::io("seek in", path))?;
        Ok(Self { file, path: path.to_owned(), whole_bytes, broken: false })
    }

    /// Appends one line, given without its newline.
    ///
    /// # Errors
    /// If the line could not be written whole; it is then taken back, and if that fails too, the log takes no more.
    pub fn append(&mut self, line: &str) -> Result<(), RegistryError> {
        debug_assert!(!line.contains('\n'), "a line has no line break");
        if self.broken {
            let source = io::Error::other("an earlier line could neither be written nor taken back");
            return Err(RegistryError::io("append to", &self.path)(source));
        }
        let line = format!("{line}\n");
        if let Err(source) = write_once(&mut self.file, line.as_bytes()) {
            self.broken = self.take_back().is_err();
            return Err(RegistryError::io("append to", &self.path)(source));
        }
        self.whole_bytes += line.len() as u64;
        Ok(())
    }

    /// Waits until every line is on disk.
    pub fn sync(&self) -> Result<(), RegistryError> {
        self.file.sync_data().map_err(RegistryError::io("sync", &self.path))
    }

    fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.whole_bytes)?;
        self.file.seek(SeekFrom::Start(self.whole_bytes)).map(drop)
    }
}

/// All bytes in a single `write`, or an error: a second call could interleave with a crash.
fn write_once(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    loop {
        match file.write(bytes) {
            Ok(n) if n == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::StorageFull, "only part of the line fitted")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_failed_replacement_leaves_the_old_content_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value.json");
        replace_json(&path, &1).unwrap();
        let result = replace_file(&path, |out| {
            out.write_all(b"half").unwrap();
            Err(RegistryError::io("write", &path)(io::ErrorKind::StorageFull.into()))
        });
        assert!(result.is_err());
        assert_eq!(read_json::<u32>(&path).unwrap(), Some(1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_log_cuts_a_torn_line_before_it_appends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "one\ntwo\nthr").unwrap();
        LineLog::open(&path).unwrap().append("three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file_and_stops_the_log() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let mut log = LineLog { file, path, whole_bytes: 0, broken: false };
        let error = log.append("line").unwrap_err();
        assert_eq!(error.to_string(), "cannot append to `/dev/full`");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
        assert!(log.broken, "a device cannot be truncated");
        assert!(log.append("line").is_err());
    }

    proptest! {
        #[test]
        fn a_log_cut_anywhere_holds_a_prefix_of_its_lines(
            lines in prop::collection::vec("[a-z]{0,8}", 0..8), cut in 0_usize..80,
        ) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let cut = cut.min(text.len());
            let read: Vec<_> = whole_lines(&text.as_bytes()[..cut]).collect();
            prop_assert!(read.len() <= lines.len());
            prop_assert!(read.iter().zip(&lines).all(|(read, line)| *read == line.as_bytes()));
            prop_assert_eq!(read.len(), text[..cut].matches('\n').count());
        }
    }
}
