//! Tests of decoding: formats, orientation, bounds, damage.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageBuffer, ImageEncoder as _, Luma, LumaA, Rgba};

use super::*;
use crate::testing::boundless_png;
use augtrial_base::testing::{Mutation, fuzz};
use proptest::prelude::*;

const MAX_PIXELS: u64 = 1 << 20;

/// Smooth enough for lossy formats: red grows to the right, green downwards.
fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 250 / width) as u8, (y * 250 / height) as u8, 60]))
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    encoded(image.clone(), ImageFormat::Jpeg)
}

/// An EXIF block with the orientation tag alone, as TIFF 6.0 lays it out.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

fn reason(bytes: &[u8]) -> String {
    let error = check(bytes, MAX_PIXELS).unwrap_err().to_string();
    assert_eq!(decode(bytes, MAX_PIXELS).unwrap_err().to_string(), error);
    error
}

#[test]
fn every_format_is_read_by_content() {
    let image = gradient(40, 24);
    for (format, tolerance) in
        [(ImageFormat::Jpeg, 12), (ImageFormat::Png, 0), (ImageFormat::WebP, 0), (ImageFormat::Bmp, 0)]
    {
        let bytes = encoded(image.clone(), format);
        assert_eq!(check(&bytes, MAX_PIXELS).unwrap(), (40, 24));
        let read = decode(&bytes, MAX_PIXELS).unwrap();
        let off = image.as_raw().iter().zip(read.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(off <= tolerance, "{format:?}: off by {off}");
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_refused() {
    let bytes = jpeg(&gradient(64, 64));
    for cut in (1..bytes.len()).rev().step_by(7).chain([bytes.len() - 1, bytes.len() - 2]) {
        assert!(check(&bytes[..cut], MAX_PIXELS).is_err(), "cut to {cut} of {} bytes", bytes.len());
        assert!(decode(&bytes[..cut], MAX_PIXELS).is_err(), "cut to {cut} of {} bytes", bytes.len());
    }
    assert_eq!(reason(&bytes[..bytes.len() - 2]), "the JPEG is truncated: it has no end-of-image marker");
}

#[test]
fn a_jpeg_damaged_in_the_middle_is_refused_by_check_and_decode_alike() {
    let noisy = RgbImage::from_fn(64, 64, |x, y| Rgb([((x * 37) ^ (y * 91)) as u8, (x * y) as u8, (x * 13) as u8]));
    let whole = jpeg(&noisy);
    let middle = whole.len() / 2;
    let mut damaged = whole.clone();
    // Ones only, stuffed as T.81 F.1.2.3 asks: no Huffman code is all ones (T.81 C).
    damaged[middle..middle + 16].copy_from_slice(&[0xFF, 0].repeat(8));
    let lenient = image::load_from_memory(&damaged);
    assert!(lenient.is_ok(), "the usual decoder fills in gray and sees no error");
    assert_eq!(reason(&damaged), "the JPEG is damaged: it has data that its tables have no code for");

    let mut damaged = whole;
    // A byte pair that is no marker and cannot be data.
    damaged[middle..middle + 2].copy_from_slice(&[0xFF, 0x77]);
    assert!(check(&damaged, MAX_PIXELS).is_err());
}

#[test]
fn a_jpeg_with_bytes_after_its_end_is_read() {
    let mut bytes = jpeg(&gradient(16, 16));
    bytes.extend(b"appended by a camera");
    assert_eq!(check(&bytes, MAX_PIXELS).unwrap(), (16, 16));
}

#[test]
fn a_thumbnails_end_is_not_the_images_end() {
    let image = jpeg(&gradient(32, 32));
    let thumbnail = jpeg(&gradient(8, 8));
    let mut bytes = image[..2].to_vec();
    bytes.extend([0xFF, 0xE5]);
    bytes.extend((thumbnail.len() as u16 + 2).to_be_bytes());
    bytes.extend(&thumbnail);
    bytes.extend(&image[2..]);
    assert_eq!(check(&bytes, MAX_PIXELS).unwrap(), (32, 32));
    assert_eq!(reason(&bytes[..bytes.len() - 2]), "the JPEG is truncated: it has no end-of-image marker");
}

#[test]
fn gray_jpegs_become_rgb() {
    let bytes = encoded(ImageBuffer::from_pixel(9, 7, Luma([77_u8])), ImageFormat::Jpeg);
    assert_eq!(check(&bytes, MAX_PIXELS).unwrap(), (9, 7));
    let [r, g, b] = decode(&bytes, MAX_PIXELS).unwrap().get_pixel(4, 3).0;
    assert!(r == g && g == b && r.abs_diff(77) <= 1, "{r} {g} {b}");
}

#[test]
fn cut_and_flipped_files_of_the_other_formats_are_refused() {
    let noisy = RgbImage::from_fn(64, 64, |x, y| Rgb([((x * 37) ^ (y * 91)) as u8, (x * y) as u8, (x * 13) as u8]));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp] {
        let bytes = encoded(noisy.clone(), format);
        assert!(check(&bytes[..bytes.len() / 2], MAX_PIXELS).is_err(), "{format:?}");
    }
    let mut png = encoded(noisy, ImageFormat::Png);
    let middle = png.len() / 2;
    png[middle] ^= 1;
    assert!(check(&png, MAX_PIXELS).is_err());
}

#[test]
fn what_is_transparent_becomes_white() {
    let image = ImageBuffer::from_fn(3, 1, |x, _| Rgba([200_u8, 100, 0, [0, 128, 255][x as usize]]));
    let read = decode(&encoded(image, ImageFormat::Png), MAX_PIXELS).unwrap();
    assert_eq!(read.as_raw(), &[255, 255, 255, 227, 177, 127, 200, 100, 0]);
    let gray = ImageBuffer::from_fn(2, 1, |x, _| LumaA([10_u8, [0, 255][x as usize]]));
    assert_eq!(decode(&encoded(gray, ImageFormat::Png), MAX_PIXELS).unwrap().as_raw(), &[255, 255, 255, 10, 10, 10]);
}

#[test]
fn sixteen_bits_become_eight() {
    let image = ImageBuffer::from_fn(2, 1, |x, _| Rgb([[0_u16, 65535][x as usize], 257 * 90, 257 * 31]));
    let read = decode(&encoded(image, ImageFormat::Png), MAX_PIXELS).unwrap();
    assert_eq!(read.as_raw(), &[0, 90, 31, 255, 90, 31]);
}

#[test]
fn the_exif_orientation_is_applied_and_the_stored_size_reported() {
    let image = gradient(48, 16);
    for (orientation, size, top_left) in [(1, (48, 16), (0, 0)), (3, (48, 16), (47, 15)), (6, (16, 48), (0, 15))] {
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.encode_image(&image).unwrap();
        assert_eq!(check(&bytes, MAX_PIXELS).unwrap(), (48, 16));
        let upright = decode(&bytes, MAX_PIXELS).unwrap();
        assert_eq!(upright.dimensions(), size, "orientation {orientation}");
        let (expected, found) = (image.get_pixel(top_left.0, top_left.1).0, upright.get_pixel(0, 0).0);
        assert!((0..3).all(|c| expected[c].abs_diff(found[c]) <= 12), "orientation {orientation}: {found:?}");
    }
}

#[test]
fn broken_exif_is_no_orientation_and_no_reason_to_refuse_a_picture() {
    let image = gradient(24, 16);
    for broken in [&b"nonsense"[..], &exif(6)[..11], b""] {
        let mut webp = Vec::new();
        let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(broken.to_vec()).unwrap();
        encoder.write_image(image.as_raw(), 24, 16, image::ExtendedColorType::Rgb8).unwrap();
        let mut png = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
        encoder.set_exif_metadata(broken.to_vec()).unwrap();
        encoder.write_image(image.as_raw(), 24, 16, image::ExtendedColorType::Rgb8).unwrap();
        for bytes in [webp, png] {
            assert_eq!(check(&bytes, MAX_PIXELS).unwrap(), (24, 16));
            assert_eq!(decode(&bytes, MAX_PIXELS).unwrap(), image);
        }
    }
    // A chunk that is longer than the file.
    let mut webp = Vec::new();
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.write_image(image.as_raw(), 24, 16, image::ExtendedColorType::Rgb8).unwrap();
    assert_eq!(decode(&webp, MAX_PIXELS).unwrap().dimensions(), (16, 24));
    let at = webp.windows(4).position(|name| name == b"EXIF").unwrap();
    webp[at + 4..at + 8].copy_from_slice(&0x7FFF_FFF0_u32.to_le_bytes());
    assert_eq!(check(&webp, MAX_PIXELS).unwrap(), (24, 16));
    assert_eq!(decode(&webp, MAX_PIXELS).unwrap(), image);
}

#[test]
fn exif_of_the_other_formats_may_begin_with_its_identifier() {
    let image = gradient(24, 16);
    let mut webp = Vec::new();
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.set_exif_metadata([&b"Exif\0\0"[..], &exif(6)].concat()).unwrap();
    encoder.write_image(image.as_raw(), 24, 16, image::ExtendedColorType::Rgb8).unwrap();
    assert_eq!(decode(&webp, MAX_PIXELS).unwrap().dimensions(), (16, 24));
}

#[test]
fn limits_at_the_end_of_their_type_overflow_nothing() {
    let bytes = jpeg(&gradient(20, 10));
    assert_eq!(check(&bytes, u64::MAX).unwrap(), (20, 10));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jpg");
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(read(&file, u64::MAX).unwrap(), bytes);
    // A file of a terabyte without content: its length is no reason to take as much memory.
    std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(read(&file, 10), Err(DecodeError::TooManyBytes { bytes, .. }) if bytes == 1 << 40));
}

#[test]
fn an_error_of_the_machine_is_not_taken_for_a_file_that_is_not_there() {
    let of = io::Error::from_raw_os_error;
    // ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP of Linux.
    assert!([2, 20, 36, 40].into_iter().all(|code| leads_nowhere(&of(code))));
    // EIO, EACCES, ENFILE, EMFILE, ESTALE of Linux.
    assert!(![5, 13, 23, 24, 116].into_iter().any(|code| leads_nowhere(&of(code))));
}

#[test]
fn no_change_of_a_file_makes_its_reader_panic_or_its_check_and_its_decoding_disagree() {
    let noisy = RgbImage::from_fn(31, 23, |x, y| Rgb([((x * 37) ^ (y * 91)) as u8, (x * y) as u8, (x * 13) as u8]));
    let gray = ImageBuffer::from_fn(9, 7, |x, y| LumaA([(x * 20) as u8, (y * 30) as u8]));
    let corpus = [
        encoded(noisy.clone(), ImageFormat::Png),
        encoded(gray, ImageFormat::Png),
        encoded(noisy.clone(), ImageFormat::WebP),
        encoded(noisy, ImageFormat::Bmp),
    ];
    let strategy = (0..corpus.len(), prop::collection::vec(Mutation::any(), 1..6));
    fuzz("changed PNG, WebP and BMP files", 400, &strategy, |(file, changes)| {
        let bytes = Mutation::all(&changes, &corpus[file]);
        let (checked, decoded) = (check(&bytes, MAX_PIXELS), decode(&bytes, MAX_PIXELS));
        prop_assert!(!matches!(checked, Err(DecodeError::Panicked)), "{:?}", checked);
        prop_assert_eq!(checked.map(drop).map_err(|e| e.to_string()), decoded.map(drop).map_err(|e| e.to_string()));
        Ok(())
    });
}

#[test]
fn a_header_that_promises_too_much_is_refused_before_anything_is_allocated() {
    assert_eq!(
        check(&boundless_png(), 64_000_000).unwrap_err().to_string(),
        "the header promises 30000 x 30000 pixels, more than 64000000; raise `max_pixels` to read it"
    );
    let small = jpeg(&gradient(20, 10));
    assert!(check(&small, 200).is_ok());
    assert!(matches!(check(&small, 199), Err(DecodeError::TooManyPixels { width_px: 20, height_px: 10, .. })));
}

#[test]
fn files_that_are_no_images_are_told_apart() {
    assert_eq!(reason(b"hello"), "the content is not JPEG, PNG, WebP or BMP");
    assert_eq!(reason(b"GIF89a\x01\0\x01\0\0\0\0"), "the content is GIF, which is not read: convert it to JPEG or PNG");
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read(folder.path(), 1), Err(DecodeError::NotAFile)));
    let file = folder.path().join("empty.jpg");
    std::fs::write(&file, []).unwrap();
    assert!(matches!(read(&file, 1), Err(DecodeError::Empty)));
    std::fs::write(&file, vec![0; METADATA_BYTES as usize + 9]).unwrap();
    assert!(matches!(read(&file, 1), Err(DecodeError::TooManyBytes { bytes, .. }) if bytes == METADATA_BYTES + 9));
    assert_eq!(read(&file, 2).unwrap().len() as u64, METADATA_BYTES + 9);
}
