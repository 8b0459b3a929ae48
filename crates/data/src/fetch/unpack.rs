//! Unpacking without trust: no name leads out of the folder, no link is made, nothing is larger than the bound, whatever the
//! archive says of itself. What desktops leave in archives is left out.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Component, Path};

use augtrial_plan::declared::is_litter;

use super::recipe::Unpack;

/// Entries of an archive, at most.
const MOST_ENTRIES: usize = 20_000_000;
/// Bytes copied at a time.
const BLOCK_BYTES: usize = 1 << 16;
/// Kinds of files in the mode of a zip entry, and those of a regular file and of a folder (POSIX `sys/stat.h`).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// Unpacks `archive` into the folder `to`. Returns how many bytes were unpacked.
///
/// # Errors
/// What is wrong with the archive, or whatever writing gives.
pub(super) fn unpack(archive: &Path, format: Unpack, to: &Path, most_bytes: u64) -> Result<u64, String> {
    let file = File::open(archive).map_err(|error| error.to_string())?;
    let mut out = Out { root: to, left: most_bytes, entries: 0 };
    match format {
        Unpack::Zip => zip(file, &mut out)?,
        Unpack::TarGz => tar_gz(file, &mut out)?,
    }
    Ok(most_bytes - out.left)
}

fn zip(file: File, out: &mut Out<'_>) -> Result<(), String> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = entry.name().to_owned();
        let kind = entry.unix_mode().map_or(0, |mode| mode & KIND);
        if ![0, REGULAR, FOLDER].contains(&kind) {
            return Err(format!("`{}` is a link or a device", name.escape_debug()));
        }
        if entry.is_dir() {
            out.folder(Path::new(&name))?;
        } else {
            out.file(Path::new(&name), &mut entry)?;
        }
    }
    Ok(())
}

fn tar_gz(file: File, out: &mut Out<'_>) -> Result<(), String> {
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)));
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        let name = entry.path().map_err(|error| error.to_string())?.into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => out.folder(&name)?,
            tar::EntryType::Regular | tar::EntryType::Continuous => out.file(&name, &mut entry)?,
            tar::EntryType::XGlobalHeader => {}
            _ => return Err(format!("`{}` is a link or a device", name.to_string_lossy().escape_debug())),
        }
    }
    Ok(())
}

/// Where entries go.
struct Out<'a> {
    root: &'a Path,
    /// Bytes that may still be written.
    left: u64,
    entries: usize,
}

impl Out<'_> {
    /// The parts of an entry's name; nothing if it is left out.
    fn place<'n>(&mut self, name: &'n Path) -> Result<Option<Vec<&'n str>>, String> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(format!("it has more than {MOST_ENTRIES} entries"));
        }
        let shown = || name.to_string_lossy().escape_debug().to_string();
        let mut parts = Vec::new();
        for part in name.components() {
            match part {
                Component::Normal(part) => {
                    let part = part.to_str().ok_or_else(|| format!("the name `{}` is not UTF-8", shown()))?;
                    if part.contains('\\') || part.chars().any(char::is_control) {
                        return Err(format!("the name `{}` cannot be used", shown()));
                    }
                    parts.push(part);
                }
                Component::CurDir => {}
                _ => return Err(format!("`{}` leads out of the folder", shown())),
            }
        }
        Ok((!parts.is_empty() && !parts.iter().any(|part| is_litter(part))).then_some(parts))
    }

    fn folder(&mut self, name: &Path) -> Result<(), String> {
        let Some(parts) = self.place(name)? else { return Ok(()) };
        fs::create_dir_all(self.root.join(parts.join("/"))).map_err(|error| error.to_string())
    }

    fn file(&mut self, name: &Path, content: &mut dyn Read) -> Result<(), String> {
        let Some(parts) = self.place(name)? else { return Ok(()) };
        let below = parts.join("/");
        let failed = |error: io::Error| format!("{below}: {error}");
        let path = self.root.join(&below);
        fs::create_dir_all(path.parent().unwrap_or(self.root)).map_err(failed)?;
        // New, so that no entry replaces another, and nothing is written through what is there.
        let mut file = File::create_new(&path).map_err(failed)?;
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let read = content.read(&mut block).map_err(failed)?;
            if read == 0 {
                return Ok(());
            }
            let left = self.left.checked_sub(read as u64);
            self.left = left.ok_or_else(|| "it holds more than `most_gb`".to_owned())?;
            file.write_all(&block[..read]).map_err(failed)?;
        }
    }
}
