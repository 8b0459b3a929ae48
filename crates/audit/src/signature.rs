//! What is measured of one picture, and of all pictures of a data set once, in parallel: the digest of its pixels, its hash and
//! its scores. Nothing of a picture stays in memory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use augtrial_base::digest::{Digest, DigestBuilder};
use augtrial_data::cache::Picture;
use augtrial_data::ingest::OnProgress;
use augtrial_imaging::decode::{self, DecodeError};

use crate::hash::DifferenceHash;
use crate::odd::Scores;
use crate::store;

/// Raised when the same picture would give other measures.
const FORMAT: &str = "audit-signatures-v1";

/// A picture, measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// Of the decoded pixels, upright, with their size.
    pub pixels: Digest,
    #[serde(with = "hash_as_text")]
    pub hash: DifferenceHash,
    /// Upright.
    pub width_px: u32,
    pub height_px: u32,
    pub scores: Scores,
}

/// The pictures cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("{} cannot be decoded: restore the file, or begin the audit again", path.display())]
    Undecodable { path: PathBuf, source: DecodeError },
    #[error("{} changed during the audit (it was {expected}): begin the audit again when nothing writes to the folder", path.display())]
    Changed { path: PathBuf, expected: Digest },
    #[error("cannot keep what was measured in {}: check its permissions and free space", path.display())]
    Store { path: PathBuf, source: io::Error },
    #[error("stopped; what was measured so far is not kept")]
    Stopped,
}

impl Signature {
    /// Measures a picture.
    #[must_use]
    pub fn of(image: &RgbImage) -> Self {
        let (width_px, height_px) = image.dimensions();
        let mut pixels = DigestBuilder::new("pixels-v1");
        pixels.field(&width_px.to_le_bytes()).field(&height_px.to_le_bytes()).field(image.as_raw());
        Self {
            pixels: pixels.finish(),
            hash: DifferenceHash::of(image),
            width_px,
            height_px,
            scores: Scores::of(image),
        }
    }
}

/// The signatures of `pictures`, in their order: from `folder` if they are there, else measured and kept there.
///
/// # Errors
/// If a picture changed or cannot be decoded, if `stop` says so, or if the folder cannot be written to.
pub(crate) fn measured(
    pictures: &[Picture],
    max_pixels: u64,
    folder: &Path,
    stop: &(dyn Fn() -> bool + Sync),
    progress: OnProgress<'_>,
) -> Result<(Digest, Vec<Signature>), MeasureError> {
    let mut name = DigestBuilder::new(FORMAT);
    for picture in pictures {
        name.field(picture.digest.as_bytes());
    }
    let name = name.finish();
    if let Some(known) = store::read::<Vec<Signature>>(folder, &name).filter(|known| known.len() == pictures.len()) {
        return Ok((name, known));
    }
    let done = AtomicU64::new(0);
    let measure = |picture: &Picture| {
        if stop() {
            return Err(MeasureError::Stopped);
        }
        let signature = Signature::of(&load(picture, max_pixels)?);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, pictures.len() as u64);
        Ok(signature)
    };
    let signatures: Vec<Signature> = pictures.par_iter().map(measure).collect::<Result<_, _>>()?;
    store::write(folder, &name, &signatures)
        .map_err(|source| MeasureError::Store { path: folder.to_owned(), source })?;
    Ok((name, signatures))
}

/// A picture's pixels, if its file is what it was.
pub(crate) fn load(picture: &Picture, max_pixels: u64) -> Result<RgbImage, MeasureError> {
    let path = || picture.file.clone();
    let undecodable = |source| MeasureError::Undecodable { path: path(), source };
    let bytes = decode::read(&picture.file, max_pixels).map_err(undecodable)?;
    if Digest::of_bytes(&bytes) != picture.digest {
        return Err(MeasureError::Changed { path: path(), expected: picture.digest });
    }
    decode::decode(&bytes, max_pixels).map_err(undecodable)
}

/// A hash as 64 hexadecimal digits.
mod hash_as_text {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::DifferenceHash;

    pub fn serialize<S: Serializer>(hash: &DifferenceHash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DifferenceHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("`{text}` is not a hash of 64 hexadecimal digits"));
        let mut words = [0; 4];
        for (index, word) in words.iter_mut().enumerate() {
            let digits = text.get(16 * index..16 * (index + 1)).ok_or_else(wrong)?;
            *word = u64::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        if text.len() == 64 { Ok(DifferenceHash(words)) } else { Err(wrong()) }
    }
}
