//! Decoding once: files to `[N, H, W, 3]` bytes at the working size, kept under the digest of what decides them, with
//! checksums that are compared whenever they are opened. Of more images than there is room for, the first are kept.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::ingest::OnProgress;
use super::manifest::ImageRecord;
use super::pixels::PixelBlock;
use super::sums::{self, Summing};
use augtrial_base::digest::{Digest, DigestBuilder};
use augtrial_base::disk;
use augtrial_imaging::decode::{self, DecodeError};
use augtrial_imaging::resize::{NoPixels, resized};

/// Raised when the same files would give other bytes.
const FORMAT: &str = "decoded-v1";
const FILTER: &str = "bilinear-antialias";
const CHANNELS: usize = 3;
/// In the name of a file that has the first pictures only, before their number.
const FIRST: &str = "first-";
/// Resized images waiting for the disk; decoded originals, one per thread, come on top.
const BATCH_BYTES: usize = 64 << 20;

/// A file to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub file: PathBuf,
    /// Digest that the file must have.
    pub digest: Digest,
}

impl Picture {
    /// The images of a manifest, in its order.
    #[must_use]
    pub fn of_records(root: &Path, images: &[ImageRecord]) -> Vec<Self> {
        images.iter().map(|image| Self { file: root.join(&image.path), digest: image.digest }).collect()
    }
}

/// How files are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Working {
    pub width_px: u32,
    pub height_px: u32,
    /// A file whose header promises more pixels is refused.
    pub max_pixels: u64,
}

impl Working {
    /// Bytes of one decoded image.
    #[must_use]
    pub fn image_bytes(&self) -> usize {
        self.width_px as usize * self.height_px as usize * CHANNELS
    }

    /// The digest that names the decoded pixels of `pictures`: of all that decides them.
    #[must_use]
    pub fn digest(&self, pictures: &[Picture]) -> Digest {
        let mut key = DigestBuilder::new(FORMAT);
        key.field(FILTER.as_bytes()).field(&self.width_px.to_le_bytes()).field(&self.height_px.to_le_bytes());
        for picture in pictures {
            key.field(picture.digest.as_bytes());
        }
        key.finish()
    }
}

/// Decoded pixels, and whether they were there already.
#[derive(Debug)]
pub struct Decoded {
    pub pixels: PixelBlock,
    pub digest: Digest,
    /// Whether nothing had to be decoded.
    pub reused: bool,
    /// What was wrong with decoded pixels that were there and had to be made anew.
    pub replaced: Option<String>,
}

/// The pixels cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("{} cannot be decoded: restore the file, or ingest the data set again", path.display())]
    Undecodable { path: PathBuf, source: DecodeError },
    #[error("{} changed since it was ingested (it was {expected}): restore the file, or ingest again", path.display())]
    Changed { path: PathBuf, expected: Digest },
    #[error("{} cannot be read: check its permissions, and the disk", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} cannot be resized", path.display())]
    Resize { path: PathBuf, source: NoPixels },
    #[error("cannot write decoded pixels to {}: check its permissions and free space", path.display())]
    Store { path: PathBuf, source: io::Error },
}

impl CacheError {
    fn store(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Store { path: path.to_owned(), source }
    }
}

/// The file of decoded pixels of `images` pictures with this digest, of which the first `kept` are in it.
#[must_use]
pub fn file_of(folder: &Path, digest: Digest, images: usize, kept: usize) -> PathBuf {
    folder.join(if kept < images { format!("{digest}.{FIRST}{kept}.rgb8") } else { format!("{digest}.rgb8") })
}

/// Opens the pixels of `pictures`, in their order, from `folder`; decodes them first unless they are there. Only the first `kept`
/// are kept; the others are decoded whenever they are asked for.
///
/// What is there is compared with its checksums, and made anew if it is not what was written. What killed processes left
/// unfinished is removed. Decoding runs in parallel and holds a bounded number of images.
///
/// # Errors
/// If a picture changed or cannot be decoded, or if the folder cannot be read or written to.
pub fn decoded(
    folder: &Path,
    pictures: &[Picture],
    working: Working,
    kept: usize,
    progress: OnProgress<'_>,
) -> Result<Decoded, CacheError> {
    // Of no consequence for this study if it fails.
    let _ = disk::sweep(folder);
    let digest = working.digest(pictures);
    let path = file_of(folder, digest, pictures.len(), kept);
    let (first, rest) = pictures.split_at(kept.min(pictures.len()));
    let open = || {
        let block = PixelBlock::open(&path, digest, working.width_px, working.height_px, first.len())?;
        Ok::<_, io::Error>(block.followed_by(rest, working.max_pixels))
    };
    let replaced = match open() {
        Ok(pixels) => return Ok(Decoded { pixels, digest, reused: true, replaced: None }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(format!("{}: {error}", path.display())),
        Err(source) => return Err(CacheError::Unreadable { path, source }),
    };
    disk::create_folder(folder).map_err(CacheError::store(folder))?;
    write(&path, digest, first, working, progress)?;
    let pixels = open().map_err(CacheError::store(&path))?;
    Ok(Decoded { pixels, digest, reused: false, replaced })
}

/// Compares decoded pixels, the file `<digest>.rgb8` or `<digest>.first-<N>.rgb8`, with their checksums.
///
/// # Errors
/// `InvalidData` if they are not what was written; else whatever reading gives.
pub fn verify(path: &Path) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('.').next()?.parse().ok());
    let unnamed = || io::Error::new(io::ErrorKind::InvalidData, "it is not named by a digest");
    sums::verify(path, name.ok_or_else(unnamed)?).map(drop)
}

fn write(
    path: &Path,
    digest: Digest,
    pictures: &[Picture],
    working: Working,
    progress: OnProgress<'_>,
) -> Result<(), CacheError> {
    let done = AtomicU64::new(0);
    let batch = (BATCH_BYTES / working.image_bytes().max(1)).max(rayon::current_num_threads());
    // What stopped the work, if it was not the writing.
    let mut stopped = None;
    let written = disk::replace(path, |out| {
        let mut out = Summing::new(out);
        for batch in pictures.chunks(batch) {
            let decoded: Result<Vec<_>, _> = batch
                .par_iter()
                .map(|picture| {
                    let rgb = load(picture, working)?;
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, pictures.len() as u64);
                    Ok(rgb)
                })
                .collect();
            match decoded {
                Ok(images) => images.iter().try_for_each(|rgb| out.write(rgb))?,
                Err(error) => {
                    stopped = Some(error);
                    return Err(io::Error::other("a picture cannot be decoded"));
                }
            }
        }
        out.finish(digest)
    });
    match stopped {
        Some(error) => Err(error),
        None => written.map_err(CacheError::store(path)),
    }
}

/// One picture as `[H, W, 3]` at the working size.
pub(super) fn load(picture: &Picture, working: Working) -> Result<Vec<u8>, CacheError> {
    let Working { width_px, height_px, max_pixels } = working;
    let path = || picture.file.clone();
    let unusable = |error| match error {
        DecodeError::Unreadable(source) => CacheError::Unreadable { path: path(), source },
        source => CacheError::Undecodable { path: path(), source },
    };
    let bytes = decode::read(&picture.file, max_pixels).map_err(unusable)?;
    if Digest::of_bytes(&bytes) != picture.digest {
        return Err(CacheError::Changed { path: path(), expected: picture.digest });
    }
    let image = decode::decode(&bytes, max_pixels).map_err(unusable)?;
    let small = resized(&image, width_px, height_px).map_err(|source| CacheError::Resize { path: path(), source })?;
    Ok(small.into_raw())
}

#[cfg(test)]
mod tests;
