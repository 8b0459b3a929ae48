//! A file that whole lines are appended to. A line that a kill cut short is no line: readers pass it over, and the next
//! writer cuts it off.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::fault::operation;

/// An open log. A line that could not be written whole is taken back.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    /// Bytes of whole lines.
    whole_bytes: u64,
    /// Set when a torn line could not be taken back: a further line would run into it.
    broken: bool,
}

impl Log {
    /// Opens `path` at its end, made if it is not there, and cuts off a torn last line.
    ///
    /// # Errors
    /// Whatever opening, reading or truncating gives.
    pub fn open(path: &Path) -> io::Result<Self> {
        operation("open", path)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole_bytes = whole_lines(&bytes).map(|line| line.len() as u64 + 1).sum();
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::Start(whole_bytes))?;
        Ok(Self { file, path: path.to_owned(), whole_bytes, broken: false })
    }

    /// Appends whole lines, each with its line break, in one write, and syncs them.
    ///
    /// # Errors
    /// As [`append_unsynced`](Self::append_unsynced) and [`sync`](Self::sync).
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.append_unsynced(lines)?;
        self.sync()
    }

    /// Appends whole lines, each with its line break, in one write: they survive the end of this process, and a power cut
    /// only after [`sync`](Self::sync).
    ///
    /// # Errors
    /// If they could not be written whole; they are then taken back, and if that fails too, the log takes no more.
    pub fn append_unsynced(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier line could neither be written nor taken back"));
        }
        let written = operation("append", &self.path).and_then(|()| write_once(&mut self.file, lines));
        if written.is_err() {
            self.broken = self.take_back().is_err();
            return written;
        }
        self.whole_bytes += lines.len() as u64;
        Ok(())
    }

    /// Waits until every line is on the disk.
    ///
    /// # Errors
    /// Whatever the system gives.
    pub fn sync(&self) -> io::Result<()> {
        operation("sync", &self.path)?;
        self.file.sync_data()
    }

    fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.whole_bytes)?;
        self.file.seek(SeekFrom::Start(self.whole_bytes)).map(drop)
    }
}

/// The whole lines of a log, without their line breaks. A torn last line is not among them.
pub fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&b| b == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
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
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_cuts_a_torn_line_before_it_appends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "one\ntwo\nthr").unwrap();
        Log::open(&path).unwrap().append(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_stops_a_log_that_cannot_be_taken_back() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let mut log = Log { file, path, whole_bytes: 0, broken: false };
        let error = log.append(b"line\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(log.broken, "a device cannot be truncated");
        assert!(log.append(b"line\n").is_err());
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
