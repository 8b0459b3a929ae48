//! A set in the making: `<digest>.partial/`, with the images so far and a journal that vouches for them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, RgbImage};
use rayon::prelude::*;

use super::error::{At as _, StoreError};
use super::manifest::{DerivedImage, Header, Key, MANIFEST, Outcome, json_line};
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability, Log};
use augtrial_data::manifest::Lineage;

/// One line per image that is done. Appended to after each batch, read by the next attempt.
const JOURNAL: &str = "done.jsonl";

/// An unfinished set. Whoever has one holds the set's lock.
pub(super) struct Draft {
    folder: PathBuf,
    journal: Log,
    done: BTreeMap<Key, Outcome>,
}

impl Draft {
    /// Continues the set in `folder`, or begins it. Of what is there, an image counts if it is among the planned, a
    /// line of the journal with a lineage that `is_ours` vouches for it, and its file still has the recorded digest.
    pub(super) fn open(
        folder: PathBuf,
        planned: &[Key],
        is_ours: impl Fn(&Lineage) -> bool,
    ) -> Result<Self, StoreError> {
        let create_folder = |folder: &Path| disk::create_folder(folder).at("create", folder);
        create_folder(&folder)?;
        let mut folders: Vec<String> = planned.iter().map(Key::folder).collect();
        folders.dedup();
        for images in &folders {
            create_folder(&folder.join(images))?;
        }
        // Whoever has a draft holds the set's lock, so that nothing unfinished is anybody else's.
        for below in folders.iter().map(|images| folder.join(images)).chain([folder.clone()]) {
            remove_unfinished(&below)?;
        }
        // An attempt that ended between writing the manifest and renaming the folder left a manifest; its lines count
        // as well as the journal's. A line cut short by a kill is no outcome, nor is a header.
        let lines = read_if_present(&folder.join(JOURNAL))? + "\n" + &read_if_present(&folder.join(MANIFEST))?;
        let recorded: BTreeMap<Key, Outcome> = lines
            .lines()
            .filter_map(|line| Outcome::from_line(line).ok())
            .map(|outcome| (outcome.key(), outcome))
            .filter(|(key, outcome)| planned.binary_search(key).is_ok() && is_ours(outcome.lineage()))
            .collect();
        let done: BTreeMap<Key, Outcome> =
            recorded.into_par_iter().filter(|(_, outcome)| is_intact(&folder, outcome)).collect();

        let journal_path = folder.join(JOURNAL);
        let lines: String = done.values().map(Outcome::to_line).collect();
        disk::replace_bytes(&journal_path, lines.as_bytes(), Durability::Now).at("write", &journal_path)?;
        let manifest = folder.join(MANIFEST);
        disk::remove_file(&manifest).at("remove", &manifest)?;
        let journal = Log::open(&journal_path).at("open", &journal_path)?;
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
        let path = self.folder.join(&file);
        disk::replace_bytes(&path, &bytes, Durability::Later).at("write", &path)?;
        let (digest, size_bytes) = (Digest::of_bytes(&bytes), bytes.len() as u64);
        Ok(DerivedImage { file, digest, size_bytes, class: key.class, lineage })
    }

    /// Appends the outcomes to the journal, in one write.
    pub(super) fn record(&mut self, outcomes: Vec<Outcome>) -> Result<(), StoreError> {
        let lines: String = outcomes.iter().map(Outcome::to_line).collect();
        let path = self.folder.join(JOURNAL);
        self.journal.append(lines.as_bytes()).at("write", &path)?;
        self.done.extend(outcomes.into_iter().map(|outcome| (outcome.key(), outcome)));
        Ok(())
    }

    /// Puts everything on the disk, the manifest last, and gives the folder its final name.
    pub(super) fn finish(self, header: &Header, finished: &Path) -> Result<(), StoreError> {
        let sync = |path: PathBuf| disk::sync_file(&path).at("sync", &path);
        let files: Vec<&str> = self.done.values().filter_map(file_of).collect();
        files.par_iter().try_for_each(|file| sync(self.folder.join(file)))?;
        let mut folders: Vec<String> = self.done.keys().map(Key::folder).collect();
        folders.dedup();
        for folder in folders.iter().map(|folder| self.folder.join(folder)) {
            disk::sync_folder(&folder).at("sync", &folder)?;
        }

        let lines: String = self.done.values().map(Outcome::to_line).collect();
        let manifest = self.folder.join(MANIFEST);
        disk::replace_bytes(&manifest, (json_line(header) + &lines).as_bytes(), Durability::Now)
            .at("write", &manifest)?;
        let journal = self.folder.join(JOURNAL);
        disk::remove_file(&journal).at("remove", &journal)?;
        disk::sync_folder(&self.folder).at("sync", &self.folder)?;
        // Synced already, file by file and in parallel.
        disk::publish_with(&self.folder, finished, Durability::Later).at("rename to", finished).map(drop)
    }
}

/// Removes what a killed process was writing into a folder of the set.
fn remove_unfinished(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && (name.starts_with(disk::UNFINISHED) || name.strip_suffix(".tmp").is_some()) {
            disk::remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(())
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
