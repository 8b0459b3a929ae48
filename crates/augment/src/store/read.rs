//! Reading a finished set, and checking it.
//!
//! The set's digest can be computed from its manifest alone, so a line that was lost or changed cannot go unnoticed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::{ImageFormat, ImageReader, RgbImage};
use rayon::prelude::*;

use super::error::StoreError;
use super::manifest::{DerivedImage, FORMAT, FORMAT_VERSION, Header, MANIFEST, MissingImage, Outcome};
use super::request::Identity;
use augtrial_base::digest::Digest;
use augtrial_data::manifest::Lineage;
use augtrial_data::pixels::PixelBlock;

/// A finished set.
#[derive(Clone, Debug)]
pub struct DerivedSet {
    pub digest: Digest,
    pub folder: PathBuf,
    /// Sorted by source, class and copy.
    pub images: Vec<DerivedImage>,
    /// Planned images that are not there, sorted alike.
    pub missing: Vec<MissingImage>,
    /// Size of every image.
    pub width_px: u32,
    pub height_px: u32,
    /// Whether it was there already.
    pub reused: bool,
    /// What was wrong with a set that was there and had to be made anew.
    pub replaced: Option<String>,
}

impl DerivedSet {
    /// Decodes one image.
    ///
    /// # Errors
    /// If the file cannot be read, is not a PNG, or has another size.
    pub fn decode(&self, image: &DerivedImage) -> Result<RgbImage, StoreError> {
        let path = self.folder.join(&image.file);
        let damaged = |problem: String| damaged(&self.folder, format!("{}: {problem}", image.file));
        let bytes = fs::read(&path).map_err(|error| damaged(error.to_string()))?;
        let mut reader = ImageReader::with_format(std::io::Cursor::new(bytes), ImageFormat::Png);
        let mut limits = image::Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(self.width_px), Some(self.height_px));
        reader.limits(limits);
        let decoded = reader.decode().map_err(|error| damaged(error.to_string()))?.into_rgb8();
        if decoded.dimensions() == (self.width_px, self.height_px) {
            Ok(decoded)
        } else {
            Err(damaged(format!("is {} x {} px", decoded.width(), decoded.height())))
        }
    }

    /// Decodes all images, in their order.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn pixels(&self) -> Result<PixelBlock, StoreError> {
        let decode = |image| self.decode(image).map(RgbImage::into_raw);
        let images: Vec<Vec<u8>> = self.images.par_iter().map(decode).collect::<Result<_, _>>()?;
        Ok(PixelBlock::from_memory(self.width_px, self.height_px, images.concat()))
    }
}

/// Reads the manifest of a finished set; checks it against itself and every file's presence and size.
///
/// # Errors
/// [`StoreError::Damaged`] if anything is not as the manifest and its digest say.
pub fn open(folder: &Path) -> Result<DerivedSet, StoreError> {
    let damaged = |problem: String| damaged(folder, problem);
    let text = fs::read_to_string(folder.join(MANIFEST)).map_err(|error| unusable(folder, MANIFEST, error))?;
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let header: Header = serde_json::from_str(first).map_err(|error| damaged(format!("{MANIFEST}:1: {error}")))?;
    if (header.format.as_str(), header.version) != (FORMAT, FORMAT_VERSION) {
        let Header { format, version, .. } = header;
        return Err(damaged(format!("its format is {format} {version}, not {FORMAT} {FORMAT_VERSION}")));
    }
    let outcomes = rest
        .lines()
        .enumerate()
        .map(|(index, line)| Outcome::from_line(line).map_err(|e| damaged(format!("{MANIFEST}:{}: {e}", index + 2))))
        .collect::<Result<Vec<_>, _>>()?;
    check(folder, &header, &outcomes).map_err(damaged)?;

    let (mut images, mut missing) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Outcome::Made(image) => images.push(image),
            Outcome::Missing(image) => missing.push(image),
        }
    }
    images.par_iter().try_for_each(|image| check_size(folder, image))?;
    let Header { set, width_px, height_px, .. } = header;
    let folder = folder.to_owned();
    Ok(DerivedSet { digest: set, folder, images, missing, width_px, height_px, reused: false, replaced: None })
}

/// Opens a set and hashes every file of it again.
///
/// # Errors
/// [`StoreError::Damaged`] if anything is not as the manifest and its digest say.
pub fn verify(folder: &Path) -> Result<DerivedSet, StoreError> {
    let set = open(folder)?;
    set.images.par_iter().try_for_each(|image| {
        let found = Digest::of_file(&folder.join(&image.file)).map_err(|e| unusable(folder, &image.file, e))?;
        if found == image.digest {
            Ok(())
        } else {
            Err(damaged(folder, format!("{} has another content than was recorded", image.file)))
        }
    })?;
    Ok(set)
}

/// A file that is not there, or is no text, is damage. A file that cannot be read says nothing about the set.
fn unusable(folder: &Path, file: &str, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidData => {
            damaged(folder, format!("{file}: {error}"))
        }
        _ => StoreError::Io { action: "read", path: folder.join(file), source: error },
    }
}

fn damaged(folder: &Path, problem: String) -> StoreError {
    StoreError::Damaged { folder: folder.to_owned(), problem }
}

/// Whether header, lines and the folder's name belong together.
fn check(folder: &Path, header: &Header, outcomes: &[Outcome]) -> Result<(), String> {
    let sources: BTreeSet<(Digest, u32)> = outcomes.iter().map(|o| (o.key().source, o.key().class)).collect();
    let planned = sources.len() * header.copies.get() as usize;
    let images = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Made(_))).count();
    if (images, outcomes.len()) != (header.images, header.images + header.missing) || outcomes.len() != planned {
        return Err(format!("{MANIFEST} has {} lines of images where {planned} were planned", outcomes.len()));
    }
    if !outcomes.is_sorted_by(|a, b| a.key() < b.key()) {
        return Err(format!("{MANIFEST} is not sorted"));
    }
    if let Some(stray) = outcomes.iter().find(|outcome| outcome.key().copy >= header.copies.get()) {
        return Err(format!("{MANIFEST} has a copy that was not planned: {}", stray.key().file()));
    }
    let Header { width_px, height_px, recipe, copies, seed, .. } = *header;
    let tool = &header.tool;
    let is_ours = |l: &Lineage| l.recipe == recipe && l.seed == seed.0 && l.tool == *tool;
    if let Some(stray) = outcomes.iter().find(|outcome| !is_ours(outcome.lineage())) {
        return Err(format!("{MANIFEST} has an image of another recipe, seed or tool: {}", stray.key().file()));
    }
    let identity = Identity { sources: &sources, width_px, height_px, recipe, copies, seed, tool };
    if identity.digest() != header.set || !folder.ends_with(header.set.to_string()) {
        return Err(format!("{MANIFEST} describes another set than the folder's name says"));
    }
    Ok(())
}

fn check_size(folder: &Path, image: &DerivedImage) -> Result<(), StoreError> {
    match fs::metadata(folder.join(&image.file)) {
        Ok(file) if file.len() == image.size_bytes => Ok(()),
        Ok(file) => {
            let problem = format!("{} has {} bytes instead of {}", image.file, file.len(), image.size_bytes);
            Err(damaged(folder, problem))
        }
        Err(error) => Err(unusable(folder, &image.file, error)),
    }
}
