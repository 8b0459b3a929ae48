//! Tests of the decoded cache.

use std::fs;
use std::sync::atomic::AtomicU64;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;

const WORKING: Working = Working { width_px: 8, height_px: 6, max_pixels: 10_000 };

fn pictures(folder: &TempDir, sizes: &[(u32, u32)]) -> Vec<Picture> {
    let picture = |(i, &(width, height)): (usize, &(u32, u32))| {
        let file = folder.path().join(format!("{i}.png"));
        RgbImage::from_fn(width, height, |x, y| Rgb([i as u8, (x * 9) as u8, (y * 9) as u8])).save(&file).unwrap();
        let digest = Digest::of_file(&file).unwrap();
        Picture { file, digest }
    };
    sizes.iter().enumerate().map(picture).collect()
}

/// Opens the pixels and says how many pictures were decoded for it.
fn open(store: &Path, pictures: &[Picture], working: Working) -> (Result<Decoded, CacheError>, u64) {
    open_first(store, pictures, working, pictures.len())
}

/// The same where only the first `kept` are kept.
fn open_first(store: &Path, pictures: &[Picture], working: Working, kept: usize) -> (Result<Decoded, CacheError>, u64) {
    let decodings = AtomicU64::new(0);
    let result = decoded(store, pictures, working, kept, &|done, total| {
        assert!((1..=total).contains(&done));
        decodings.fetch_add(1, Ordering::Relaxed);
    });
    (result, decodings.into_inner())
}

fn files(store: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn images_of_the_working_size_are_stored_as_they_are_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6); 5]);
    let store = folder.path().join("cache/deep");
    let (result, decodings) = open(&store, &pictures, WORKING);
    let Decoded { pixels, digest, reused, replaced: None } = result.unwrap() else { panic!("nothing was there") };
    assert_eq!((pixels.len(), decodings, reused), (5, 5, false));
    for (i, picture) in pictures.iter().enumerate() {
        assert_eq!(&*pixels.rgb(i).unwrap(), image::open(&picture.file).unwrap().into_rgb8().as_raw().as_slice());
    }
    assert_eq!(files(&store), [store.join(format!("{digest}.rgb8"))], "no temporary file stays");
}

#[test]
fn a_second_opening_decodes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6), (20, 20)]);
    let store = folder.path().join("cache");
    assert_eq!(open(&store, &pictures, WORKING).1, 2);
    for picture in &pictures {
        fs::remove_file(&picture.file).unwrap();
    }
    let (result, decodings) = open(&store, &pictures, WORKING);
    let decoded = result.unwrap();
    assert!(decoded.reused && decodings == 0);
    assert_eq!(decoded.pixels.len(), 2);
}

#[test]
fn a_torn_file_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6), (8, 6)]);
    let store = folder.path().join("cache");
    let whole = open(&store, &pictures, WORKING).0.unwrap().pixels.rgb(1).unwrap().into_owned();
    let file = files(&store).remove(0);
    for torn in [&[][..], &[1; 100], &[1; 8 * 6 * 3 * 3]] {
        fs::write(&file, torn).unwrap();
        let (result, decodings) = open(&store, &pictures, WORKING);
        assert_eq!((&*result.unwrap().pixels.rgb(1).unwrap(), decodings), (&whole[..], 2), "{} bytes", torn.len());
    }
}

#[test]
fn a_byte_that_changed_in_the_store_is_found_when_it_is_opened_and_the_pixels_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6), (20, 20), (8, 6)]);
    let store = folder.path().join("cache");
    open(&store, &pictures, WORKING).0.unwrap();
    let file = files(&store).remove(0);
    let whole = fs::read(&file).unwrap();
    verify(&file).unwrap();
    for at in [0, 8 * 6 * 3 + 1, 8 * 6 * 3 * 3 - 1, whole.len() - 20] {
        let mut changed = whole.clone();
        changed[at] = changed[at].wrapping_add(1);
        fs::write(&file, &changed).unwrap();
        assert_eq!(verify(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (result, decodings) = open(&store, &pictures, WORKING);
        let found = result.unwrap();
        assert!(!found.reused && decodings == 3, "byte {at}");
        assert!(found.replaced.unwrap().contains(".rgb8: it"), "byte {at}");
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
    // Pixels of other pictures, whole in themselves, under this name.
    let others = Working { width_px: 6, height_px: 8, ..WORKING };
    let other = decoded(&store, &pictures, others, pictures.len(), &|_, _| {}).unwrap().digest;
    fs::copy(store.join(format!("{other}.rgb8")), &file).unwrap();
    assert_eq!(open(&store, &pictures, WORKING).1, 3);
}

#[test]
fn what_a_killed_process_left_in_the_store_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6)]);
    let store = folder.path().join("cache");
    fs::create_dir(&store).unwrap();
    let long_ago =
        std::time::SystemTime::from(augtrial_base::clock::Clock::System.now()) - std::time::Duration::from_hours(48);
    for name in [".new-killed", ".tmpearlier.tmp"] {
        fs::write(store.join(name), b"half").unwrap();
        fs::File::open(store.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    open(&store, &pictures, WORKING).0.unwrap();
    assert_eq!(files(&store).len(), 1);
}

#[test]
fn the_digest_covers_size_order_and_content() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6), (8, 6)]);
    let swapped = [pictures[1].clone(), pictures[0].clone()];
    let digest = WORKING.digest(&pictures);
    assert_ne!(digest, WORKING.digest(&swapped));
    assert_ne!(digest, WORKING.digest(&pictures[..1]));
    assert_ne!(digest, Working { width_px: 6, height_px: 8, ..WORKING }.digest(&pictures));
    assert_eq!(digest, Working { max_pixels: 99_999, ..WORKING }.digest(&pictures));
    let moved = pictures.iter().map(|p| Picture { file: "elsewhere".into(), digest: p.digest }).collect::<Vec<_>>();
    assert_eq!(digest, WORKING.digest(&moved));
}

#[test]
fn changed_missing_and_oversized_files_are_errors_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("cache");
    let mut pictures = pictures(&folder, &[(8, 6), (8, 6)]);
    let expected = std::mem::replace(&mut pictures[1].digest, Digest::of_bytes(b"before"));
    let error = open(&store, &pictures, WORKING).0.unwrap_err();
    assert!(matches!(&error, CacheError::Changed { path, .. } if path.ends_with("1.png")), "{error}");
    pictures[1].digest = expected;
    let error = open(&store, &pictures, Working { max_pixels: 47, ..WORKING }).0.unwrap_err();
    assert!(matches!(error, CacheError::Undecodable { source: DecodeError::TooManyPixels { .. }, .. }), "{error}");
    fs::remove_file(&pictures[0].file).unwrap();
    assert!(matches!(open(&store, &pictures, WORKING).0, Err(CacheError::Unreadable { .. })));
    assert_eq!(files(&store), [] as [PathBuf; 0]);
}

#[test]
fn a_store_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6)]);
    let error = open(&folder.path().join("0.png"), &pictures, WORKING).0.unwrap_err();
    assert!(matches!(error, CacheError::Store { .. }), "{error}");
}

#[test]
fn no_picture_needs_no_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open(folder.path(), &[], WORKING).0.unwrap().pixels.is_empty());
    assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
}

#[test]
fn of_more_images_than_are_kept_the_others_are_decoded_when_they_are_asked_for_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6), (20, 20), (8, 6), (30, 7)]);
    let (store, bounded) = (folder.path().join("cache"), folder.path().join("bounded"));
    let whole = open(&store, &pictures, WORKING).0.unwrap().pixels;
    for kept in 0..=5 {
        let (result, decodings) = open_first(&bounded, &pictures, WORKING, kept);
        let found = result.unwrap();
        assert_eq!((found.pixels.len(), found.pixels.held()), (4, kept.min(4)));
        assert_eq!(decodings, if kept > 4 { 0 } else { kept as u64 }, "four kept of four are the whole file");
        for index in 0..4 {
            let rgb = found.pixels.rgb(index).unwrap();
            assert_eq!(rgb, whole.rgb(index).unwrap());
            assert_eq!(matches!(rgb, std::borrow::Cow::Borrowed(_)), index < kept, "no copy of what is kept");
        }
        assert_eq!(found.digest, WORKING.digest(&pictures));
        let file = file_of(&bounded, found.digest, pictures.len(), kept);
        assert_eq!(file.exists(), kept > 0);
        assert!(kept == 0 || verify(&file).is_ok(), "{}", file.display());
        let again = open_first(&bounded, &pictures, WORKING, kept);
        assert_eq!((again.1, again.0.unwrap().reused), (0, true));
    }
    // Another number under this name.
    let [two, three] = [2, 3].map(|kept| file_of(&bounded, WORKING.digest(&pictures), 4, kept));
    fs::copy(three, two).unwrap();
    let (result, decodings) = open_first(&bounded, &pictures, WORKING, 2);
    assert!(result.unwrap().replaced.is_some() && decodings == 2);
}

#[test]
fn an_image_that_changed_or_went_after_the_start_is_an_error_and_never_other_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder, &[(8, 6), (8, 6), (8, 6)]);
    let pixels = open_first(&folder.path().join("cache"), &pictures, WORKING, 1).0.unwrap().pixels;
    fs::copy(&pictures[0].file, &pictures[1].file).unwrap();
    fs::remove_file(&pictures[2].file).unwrap();
    assert!(pixels.rgb(0).is_ok());
    let changed = pixels.rgb(1).unwrap_err();
    assert!(matches!(&changed, CacheError::Changed { path, .. } if path.ends_with("1.png")), "{changed}");
    assert!(matches!(pixels.rgb(2).unwrap_err(), CacheError::Unreadable { .. }));
}
