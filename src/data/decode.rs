//! One image file to RGB pixels: JPEG, PNG, WebP and BMP, told apart by content.
//!
//! The result is what a viewer shows: the EXIF orientation is applied, grey becomes RGB, 16 bits become 8, and what is
//! transparent is composited over white. Colour profiles are not applied, as in torchvision.
//!
//! Nothing is allocated on the word of a header: its pixel count is bounded first. A JPEG must be complete, ending with
//! its end-of-image marker (ITU-T T.81, B.1.1.3), and [`check`] decodes it strictly; the usual decoders fill what is
//! missing with grey and say nothing. Damage that leaves valid codes and markers cannot be told from a picture.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The largest pixel that any of the formats has: RGBA of 16 bits.
const MAX_BYTES_PER_PIXEL: u64 = 8;
/// Room for headers, metadata and colour profiles.
const METADATA_BYTES: u64 = 16 << 20;

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
    let mut bytes = Vec::with_capacity(metadata.len().min(max_bytes) as usize);
    File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() as u64 > max_bytes {
        return Err(DecodeError::TooManyBytes { bytes: metadata.len(), max_pixels });
    }
    Ok(bytes)
}

/// Decodes all of the file, strictly, to see that it is sound. Returns its width and height as stored, px.
///
/// # Errors
/// Whatever makes the file unusable.
pub fn check(bytes: &[u8], max_pixels: u64) -> Result<(u32, u32), DecodeError> {
    guarded(|| {
        let decoder = open(bytes, max_pixels)?;
        let size = decoder.dimensions();
        if image::guess_format(bytes)? == ImageFormat::Jpeg {
            decode_jpeg_strictly(bytes)?;
        } else {
            DynamicImage::from_decoder(decoder)?;
        }
        Ok(size)
    })
}

/// Decodes a file to RGB, upright.
///
/// # Errors
/// Whatever makes the file unusable.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<RgbImage, DecodeError> {
    guarded(|| {
        let mut decoder = open(bytes, max_pixels)?;
        let orientation = decoder.orientation()?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        Ok(over_white(image))
    })
}

/// Files come from anywhere, and the decoders are large; a panic in one is a property of the file.
fn guarded<T>(work: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(DecodeError::Panicked))
}

fn max_bytes(max_pixels: u64) -> u64 {
    max_pixels.saturating_mul(MAX_BYTES_PER_PIXEL).saturating_add(METADATA_BYTES)
}

fn open(bytes: &[u8], max_pixels: u64) -> Result<impl image::ImageDecoder + '_, DecodeError> {
    let format = image::guess_format(bytes).map_err(|_| DecodeError::UnknownFormat)?;
    match format {
        ImageFormat::Jpeg if !reaches_end_of_image(bytes) => return Err(DecodeError::Truncated),
        ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Bmp => {}
        _ => return Err(DecodeError::UnknownFormat),
    }
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

/// Walks the markers of a JPEG: whether a scan and, after it, the end of the image are there.
fn reaches_end_of_image(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: u8 = 0xD9;
    let mut rest = bytes;
    let mut scanned = false;
    while let Some(at) = rest.iter().position(|&byte| byte == 0xFF) {
        rest = &rest[at + 1..];
        match rest.first() {
            Some(&END_OF_IMAGE) => return scanned,
            // Stuffed byte, TEM, RST0 to RST7, start of image: no length follows.
            Some(0x00 | 0x01 | 0xD0..=0xD8) => rest = &rest[1..],
            // A fill byte: the marker is still to come.
            Some(0xFF) => {}
            Some(&marker) => {
                scanned |= marker == START_OF_SCAN;
                let length = rest.get(1..3).map_or(usize::MAX, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
                rest = rest.get(1..).and_then(|segment| segment.get(length..)).unwrap_or_default();
            }
            None => break,
        }
    }
    false
}

fn decode_jpeg_strictly(bytes: &[u8]) -> Result<(), DecodeError> {
    let damaged = |error: zune_jpeg::errors::DecodeErrors| DecodeError::DamagedJpeg(error.to_string());
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    decoder.set_options(options.jpeg_set_out_colorspace(if grey { ColorSpace::Luma } else { ColorSpace::RGB }));
    decoder.decode().map_err(damaged)?;
    Ok(())
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
#[path = "decode_tests.rs"]
pub(super) mod tests;
