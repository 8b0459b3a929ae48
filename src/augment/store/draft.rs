//! A set in the making: `<digest>.partial/`, with the images so far and a journal that vouches for them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, RgbImage};
use rayon::prelude::*;

use super::error::{At as _, StoreError};
use super::files::{Sync, create_folder, remove_if_present, sync, write_whole};
use super::manifest::{DerivedImage, Header, Key, MANIFEST, Outcome, json_line};
use crate::data::manifest::Lineage;
use crate::digest::Digest;

/// One line per image that is done. Appended to after each batch, read by the next attempt.
const JOURNAL: &str = "done.jsonl";

/// An unfinished set. Whoever has one holds the set's lock.
pub(super) struct Draft {
    folder: PathBuf,
    journal: File,
    done: BTreeMap<Key, Outcome>,
}

impl Draft {
    /// Continues the set in `folder`, or begins it. Of what is there, an image counts if it is among the planned, a
    /// line of the journal vouches for it, and its file still has the recorded digest.
    pub(super) fn open(folder: PathBuf, planned: &[Key]) -> Result<Self, StoreError> {
        create_folder(&folder)?;
        let mut folders: Vec<String> = planned.iter().map(Key::folder).collect();
        folders.dedup();
        for images in folders {
            create_folder(&folder.join(images))?;
        }
        // An attempt that ended between writing the manifest and renaming the folder left a manifest; its lines count
        // as well as the journal's. A line cut short by a kill is no outcome, nor is a header.
        let lines = read_if_present(&folder.join(JOURNAL))? + "\n" + &read_if_present(&folder.join(MANIFEST))?;
        let recorded: BTreeMap<Key, Outcome> = lines
            .lines()
            .filter_map(|line| Outcome::from_line(line).ok())
            .map(|outcome| (outcome.key(), outcome))
            .filter(|(key, _)| planned.binary_search(key).is_ok())
            .collect();
        let done: BTreeMap<Key, Outcome> =
            recorded.into_par_iter().filter(|(_, outcome)| is_intact(&folder, outcome)).collect();

        let journal_path = folder.join(JOURNAL);
        let lines: String = done.values().map(Outcome::to_line).collect();
        write_whole(&journal_path, lines.as_bytes(), Sync::Now)?;
        remove_if_present(&folder.join(MANIFEST))?;
        let journal = OpenOptions::new().append(true).open(&journal_path).at("open", &journal_path)?;
        Ok(Self { folder, journal, done })
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.done.contains_key(key)
    }

    /// Number of planned images whose outcome is known.
    pub(super) fn len(&self) -> usize {
        self.done.len()
    }

    /// Number of planned images that are known to be missing.
    pub(super) fn missing(&self) -> usize {
        self.done.values().filter(|outcome| matches!(outcome, Outcome::Missing(_))).count()
    }

    /// Writes one image. It counts only once it is [recorded](Self::record).
    pub(super) fn write(&self, key: &Key, image: &RgbImage, lineage: Lineage) -> Result<DerivedImage, StoreError> {
        let (file, bytes) = (key.file(), encode(image));
        write_whole(&self.folder.join(&file), &bytes, Sync::Later)?;
        let (digest, size_bytes) = (Digest::of_bytes(&bytes), bytes.len() as u64);
        Ok(DerivedImage { file, digest, size_bytes, class: key.class, lineage })
    }

    /// Appends the outcomes to the journal, in one write.
    pub(super) fn record(&mut self, outcomes: Vec<Outcome>) -> Result<(), StoreError> {
        let lines: String = outcomes.iter().map(Outcome::to_line).collect();
        let path = self.folder.join(JOURNAL);
        self.journal.write_all(lines.as_bytes()).and_then(|()| self.journal.sync_data()).at("write", &path)?;
        self.done.extend(outcomes.into_iter().map(|outcome| (outcome.key(), outcome)));
        Ok(())
    }

    /// Puts everything on the disk, the manifest last, and gives the folder its final name.
    pub(super) fn finish(self, header: &Header, finished: &Path) -> Result<(), StoreError> {
        let files: Vec<&str> = self.done.values().filter_map(file_of).collect();
        files.par_iter().try_for_each(|file| sync(&self.folder.join(file)))?;
        let mut folders: Vec<String> = self.done.keys().map(Key::folder).collect();
        folders.dedup();
        folders.iter().try_for_each(|folder| sync(&self.folder.join(folder)))?;

        let lines: String = self.done.values().map(Outcome::to_line).collect();
        write_whole(&self.folder.join(MANIFEST), (json_line(header) + &lines).as_bytes(), Sync::Now)?;
        remove_if_present(&self.folder.join(JOURNAL))?;
        sync(&self.folder)?;
        fs::rename(&self.folder, finished).at("rename to", finished)?;
        finished.parent().map_or(Ok(()), sync)
    }
}

fn file_of(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Made(image) => Some(&image.file),
        Outcome::Missing(_) => None,
    }
}

fn is_intact(folder: &Path, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Made(image) => Digest::of_file(&folder.join(&image.file)).is_ok_and(|found| found == image.digest),
        Outcome::Missing(_) => true,
    }
}

/// The text of a file; nothing if there is none. Bytes that are no text can only spoil the lines they are in.
fn read_if_present(path: &Path) -> Result<String, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).at("read", path),
    }
}

fn encode(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .expect("an RGB image can be written to memory");
    bytes
}
