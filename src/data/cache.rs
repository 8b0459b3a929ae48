//! Decoding once: files to `[N, H, W, 3]` bytes at the working size, kept under the digest of what decides them.
//!
//! Images of another size are resized by convolution with a triangle filter whose support grows with the reduction: the
//! bilinear filter of Pillow, and of torchvision with `antialias=True`. The aspect ratio is not kept.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::decode::{self, DecodeError};
use super::ingest::Progress;
use super::manifest::ImageRecord;
use super::pixels::PixelBlock;
use crate::digest::{Digest, DigestBuilder};

/// Raised when the same files would give other bytes.
const FORMAT: &str = "decoded-v1";
const FILTER: &str = "bilinear-antialias";
const CHANNELS: usize = 3;
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
    fn image_bytes(&self) -> usize {
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
}

/// The pixels cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("{} cannot be decoded: restore the file, or ingest the data set again", path.display())]
    Undecodable { path: PathBuf, source: DecodeError },
    #[error("{} changed since it was ingested (it was {expected}): restore the file, or ingest again", path.display())]
    Changed { path: PathBuf, expected: Digest },
    #[error("{} cannot be resized to {width_px} x {height_px} px", path.display())]
    Resize { path: PathBuf, width_px: u32, height_px: u32, source: fast_image_resize::ResizeError },
    #[error("cannot write decoded pixels to {}: check its permissions and free space", path.display())]
    Store { path: PathBuf, source: io::Error },
}

impl CacheError {
    fn store(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Store { path: path.to_owned(), source }
    }
}

/// Opens the pixels of `pictures`, in their order, from `folder`; decodes them first unless they are there.
///
/// A file of the wrong size is made anew. Decoding runs in parallel and holds a bounded number of images.
///
/// # Errors
/// If a picture changed or cannot be decoded, or if the folder cannot be written to.
pub fn decoded(
    folder: &Path,
    pictures: &[Picture],
    working: Working,
    progress: Progress<'_>,
) -> Result<Decoded, CacheError> {
    let digest = working.digest(pictures);
    let path = folder.join(format!("{digest}.rgb8"));
    let open = || PixelBlock::open(&path, working.width_px, working.height_px, pictures.len());
    match open() {
        Ok(pixels) => return Ok(Decoded { pixels, digest, reused: true }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {}
        Err(error) => return Err(CacheError::store(&path)(error)),
    }
    fs::create_dir_all(folder).map_err(CacheError::store(folder))?;
    write(folder, &path, pictures, working, progress)?;
    let pixels = open().map_err(CacheError::store(&path))?;
    Ok(Decoded { pixels, digest, reused: false })
}

fn write(
    folder: &Path,
    path: &Path,
    pictures: &[Picture],
    working: Working,
    progress: Progress<'_>,
) -> Result<(), CacheError> {
    let failed = || CacheError::store(path);
    // A name of its own, removed on failure: two processes may decode the same set at once. Made by hand, because the
    // usual temporary file is readable by its owner alone, and so would stay after the renaming.
    let temporary = tempfile::Builder::new().suffix(".tmp").make_in(folder, |path| File::create_new(path));
    let mut temporary = temporary.map_err(failed())?;
    let mut out = BufWriter::new(temporary.as_file_mut());
    let done = AtomicU64::new(0);
    let batch = (BATCH_BYTES / working.image_bytes().max(1)).max(rayon::current_num_threads());
    for batch in pictures.chunks(batch) {
        let decoded: Result<Vec<_>, _> = batch
            .par_iter()
            .map(|picture| {
                let rgb = load(picture, working)?;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, pictures.len() as u64);
                Ok(rgb)
            })
            .collect();
        for rgb in decoded? {
            out.write_all(&rgb).map_err(failed())?;
        }
    }
    out.flush().map_err(failed())?;
    drop(out);
    temporary.as_file().sync_all().map_err(failed())?;
    temporary.persist(path).map_err(|error| failed()(error.error))?;
    // The new name itself must be on disk too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed())
}

/// One picture as `[H, W, 3]` at the working size.
fn load(picture: &Picture, working: Working) -> Result<Vec<u8>, CacheError> {
    let Working { width_px, height_px, max_pixels } = working;
    let path = || picture.file.clone();
    let undecodable = |source| CacheError::Undecodable { path: path(), source };
    let bytes = decode::read(&picture.file, max_pixels).map_err(undecodable)?;
    if Digest::of_bytes(&bytes) != picture.digest {
        return Err(CacheError::Changed { path: path(), expected: picture.digest });
    }
    let image = decode::decode(&bytes, max_pixels).map_err(undecodable)?;
    let failed = |source| CacheError::Resize { path: path(), width_px, height_px, source };
    Ok(resized(&image, width_px, height_px).map_err(failed)?.into_raw())
}

/// A picture at another size; one that has the size already is not touched.
///
/// # Errors
/// If a side is 0.
pub fn resized(
    image: &image::RgbImage,
    width_px: u32,
    height_px: u32,
) -> Result<image::RgbImage, fast_image_resize::ResizeError> {
    if image.dimensions() == (width_px, height_px) {
        return Ok(image.clone());
    }
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)
        .expect("an RGB image has three bytes per pixel");
    let mut target = Image::new(width_px, height_px, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options)?;
    Ok(image::RgbImage::from_raw(width_px, height_px, target.into_vec()).expect("the target has three bytes per pixel"))
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
