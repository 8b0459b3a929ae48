//! One image file to RGB pixels: JPEG, PNG, WebP and BMP, told apart by content.
//!
//! The result is what a viewer shows: the EXIF orientation is applied, gray becomes RGB, 16 bits become 8, and what is
//! transparent is composited over white. Color profiles are not applied, as in torchvision.
//!
//! Nothing is allocated on the word of a header: its pixel count is bounded first. A JPEG must be whole (see `jpeg`).
//! [`check`] and [`decode`] are one path, so that what passes the one passes the other.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use crate::foreign;
use crate::jpeg::{self, Defect};

/// The largest pixel that any of the formats has: RGBA of 16 bits.
const MAX_BYTES_PER_PIXEL: u64 = 8;
/// Room for headers, metadata and color profiles.
const METADATA_BYTES: u64 = 16 << 20;
/// Memory taken for a file before its first byte is read; the rest as it comes, whatever length the system says it has.
const FIRST_BYTES: u64 = 16 << 20;
/// What EXIF begins with outside of TIFF. Some writers put it there twice (Pillow's issue 8348).
const EXIF_IDENTIFIER: &[u8] = b"Exif\0";

/// The file is no usable image.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("not a regular file")]
    NotAFile,
    #[error("the file is empty")]
    Empty,
    #[error("{bytes} bytes are more than an image of {max_pixels} pixels takes; raise `max_pixels` to read it")]
    TooManyBytes { bytes: u64, max_pixels: u64 },
    #[error("the content is not JPEG, PNG, WebP or BMP")]
    UnknownFormat,
    #[error("the content is {0}, which is not read: convert it to JPEG or PNG")]
    Foreign(&'static str),
    #[error(
        "the header promises {width_px} x {height_px} pixels, more than {max_pixels}; raise `max_pixels` to read it"
    )]
    TooManyPixels { width_px: u32, height_px: u32, max_pixels: u64 },
    #[error("the JPEG is truncated: it has no end-of-image marker")]
    Truncated,
    #[error("the JPEG is damaged: {0}")]
    DamagedJpeg(String),
    #[error("{0}")]
    Damaged(#[from] image::ImageError),
    #[error("its decoder panicked")]
    Panicked,
}

impl From<Defect> for DecodeError {
    fn from(defect: Defect) -> Self {
        match defect {
            Defect::NoEnd => Self::Truncated,
            other => Self::DamagedJpeg(other.to_string()),
        }
    }
}

/// Whether an error of opening a file says that there is no such file. Any other says nothing of what the file holds: a
/// permission, a failing disk, too many open files.
#[must_use]
pub fn leads_nowhere(error: &io::Error) -> bool {
    /// Too many symbolic links in a row, on Linux, and on macOS and the BSDs.
    const LINKS_IN_A_CIRCLE: [i32; 2] = [40, 62];
    let kind = error.kind();
    matches!(
        kind,
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename
    ) || error.raw_os_error().is_some_and(|code| cfg!(unix) && LINKS_IN_A_CIRCLE.contains(&code))
}

/// Reads a file that may be an image of at most `max_pixels` pixels.
///
/// # Errors
/// If it cannot be read, is no regular file, is empty, or is longer than any such image.
pub fn read(path: &Path, max_pixels: u64) -> Result<Vec<u8>, DecodeError> {
    // Asked before opening: opening a named pipe would wait for its writer.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(DecodeError::NotAFile);
    }
    let max_bytes = max_bytes(max_pixels);
    let mut bytes = Vec::with_capacity(metadata.len().min(max_bytes).min(FIRST_BYTES) as usize);
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() as u64 > max_bytes {
        return Err(DecodeError::TooManyBytes { bytes: metadata.len(), max_pixels });
    }
    Ok(bytes)
}

/// Decodes all of the file, to see that it is sound. Returns its width and height as stored, px.
///
/// # Errors
/// Whatever makes the file unusable.
pub fn check(bytes: &[u8], max_pixels: u64) -> Result<(u32, u32), DecodeError> {
    guarded(|| load(bytes, max_pixels).map(|picture| picture.stored_px))
}

/// Decodes a file to RGB, upright.
///
/// # Errors
/// Whatever makes the file unusable: what [`check`] finds, and nothing else.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<RgbImage, DecodeError> {
    guarded(|| {
        let mut picture = load(bytes, max_pixels)?;
        picture.image.apply_orientation(picture.orientation);
        Ok(over_white(picture.image))
    })
}

/// A picture as it is stored.
struct Picture {
    image: DynamicImage,
    stored_px: (u32, u32),
    orientation: Orientation,
}

/// Files come from anywhere, and the decoders are large; a panic in one is a property of the file.
fn guarded<T>(work: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(DecodeError::Panicked))
}

fn max_bytes(max_pixels: u64) -> u64 {
    max_pixels.saturating_mul(MAX_BYTES_PER_PIXEL).saturating_add(METADATA_BYTES)
}

fn load(bytes: &[u8], max_pixels: u64) -> Result<Picture, DecodeError> {
    let unknown = || foreign::name(bytes).map_or(DecodeError::UnknownFormat, DecodeError::Foreign);
    let format = image::guess_format(bytes).map_err(|_| unknown())?;
    match format {
        ImageFormat::Jpeg => {
            let whole = jpeg::whole(bytes, max_pixels)?;
            let mut picture = read_all(open(&whole.bytes, format, max_pixels)?)?;
            picture.orientation = orientation(whole.exif);
            Ok(picture)
        }
        ImageFormat::Png | ImageFormat::WebP | ImageFormat::Bmp => {
            let mut decoder = open(bytes, format, max_pixels)?;
            // What cannot be read of it turns nothing: it is no reason to refuse the picture.
            let exif = decoder.exif_metadata().ok().flatten();
            let mut picture = read_all(decoder)?;
            picture.orientation = orientation(exif.as_deref());
            Ok(picture)
        }
        _ => Err(unknown()),
    }
}

fn open(bytes: &[u8], format: ImageFormat, max_pixels: u64) -> Result<impl ImageDecoder + '_, DecodeError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(max_bytes(max_pixels));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder()?;
    let (width_px, height_px) = decoder.dimensions();
    if u64::from(width_px) * u64::from(height_px) > max_pixels {
        return Err(DecodeError::TooManyPixels { width_px, height_px, max_pixels });
    }
    Ok(decoder)
}

fn read_all(decoder: impl ImageDecoder) -> Result<Picture, DecodeError> {
    let stored_px = decoder.dimensions();
    Ok(Picture { image: DynamicImage::from_decoder(decoder)?, stored_px, orientation: Orientation::NoTransforms })
}

/// The orientation that EXIF data ask for; none where they are broken.
fn orientation(exif: Option<&[u8]>) -> Orientation {
    let mut tiff = exif.unwrap_or_default();
    while let Some(rest) = tiff.strip_prefix(EXIF_IDENTIFIER) {
        // A byte of padding follows.
        tiff = rest.get(1..).unwrap_or_default();
    }
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
        Rgb([r, g, b].map(|c| {
            let (c, alpha) = (u16::from(c), u16::from(alpha));
            ((c * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        }))
    })
}

#[cfg(test)]
mod tests;
