//! Tests of wholeness and of colors, on files that another encoder made (tests/fixtures/jpeg).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::decode::{DecodeError, check, decode};
use augtrial_base::testing::{Mutation, fuzz};
use proptest::prelude::*;

const MAX_PIXELS: u64 = 1 << 20;
const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// What Pillow shows of a fixture.
#[derive(Deserialize)]
struct Expected {
    size_px: (u32, u32),
    mean: [f64; 3],
}

/// Every fixture: its name, its bytes, and what Pillow shows.
fn fixtures() -> Vec<(String, Vec<u8>, Expected)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg");
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&expected).unwrap();
    assert!(expected.len() >= 13);
    expected.into_iter().map(|(name, shown)| (name.clone(), std::fs::read(folder.join(name)).unwrap(), shown)).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures().into_iter().find(|(file, ..)| file == name).unwrap().1
}

/// Where the data of the first scan begin.
fn data_of(bytes: &[u8]) -> usize {
    let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    scan + 2 + usize::from(u16::from_be_bytes([bytes[scan + 2], bytes[scan + 3]]))
}

fn mean(bytes: &[u8]) -> [f64; 3] {
    let image = decode(bytes, MAX_PIXELS).unwrap();
    std::array::from_fn(|c| {
        image.pixels().map(|pixel| f64::from(pixel.0[c])).sum::<f64>() / f64::from(image.width() * image.height())
    })
}

/// The file with a segment put in after the start of the image.
fn with_segment(bytes: &[u8], code: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xFF, code], &length, content, &bytes[2..]].concat()
}

/// The file without its segments of this code.
fn without_segments(bytes: &[u8], code: u8) -> Vec<u8> {
    let mut kept = bytes[..2].to_vec();
    let mut at = 2;
    while bytes[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] != code {
            kept.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    [&kept, &bytes[at..]].concat()
}

/// EXIF data with the orientation alone, as TIFF 6.0 lays it out.
fn tiff(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    tiff
}

/// Means agree within two levels: decoders round differently, and enlarge chroma differently.
#[test]
fn whole_files_of_every_kind_are_read_in_the_colors_that_pillow_shows() {
    for (name, bytes, expected) in fixtures() {
        assert_eq!(check(&bytes, MAX_PIXELS).unwrap(), expected.size_px, "{name}");
        let found = mean(&bytes);
        // The decoder's conversion of CMYK is not Pillow's.
        let tolerance = if name == "cmyk.jpg" { 12.0 } else { 2.0 };
        for c in 0..3 {
            assert!((found[c] - expected.mean[c]).abs() < tolerance, "{name}: {found:?}, not {:?}", expected.mean);
        }
    }
}

#[test]
fn a_file_cut_anywhere_in_its_data_is_refused_with_an_end_marker_appended() {
    for (name, bytes, _) in fixtures() {
        // From the last four bytes of data on, what is cut off may be padding.
        for cut in data_of(&bytes) + 1..bytes.len() - 6 {
            let torn = [&bytes[..cut], &END_OF_IMAGE].concat();
            let error = check(&torn, MAX_PIXELS).unwrap_err();
            assert!(matches!(error, DecodeError::DamagedJpeg(_) | DecodeError::Truncated), "{name}, {cut}: {error}");
        }
    }
}

/// In a picture of 48 blocks that is a few hundred bytes long, what is left can by chance be codes of as many blocks. In
/// one as long as a photograph it cannot.
#[test]
fn a_file_whose_middle_is_cut_out_is_refused() {
    for (name, bytes, _) in fixtures() {
        let (begin, end) = (data_of(&bytes), bytes.len() - 2);
        let (mut cuts, mut passed) = (0, Vec::new());
        for share in [2, 4, 8] {
            let removed = (end - begin) / share;
            for at in (begin..end - removed).step_by(3) {
                cuts += 1;
                if check(&[&bytes[..at], &bytes[at + removed..]].concat(), MAX_PIXELS).is_ok() {
                    passed.push((at, removed));
                }
            }
        }
        let by_chance = if bytes.len() < 1000 { cuts / 40 } else { 0 };
        assert!(cuts > 100 && passed.len() <= by_chance, "{name}: {passed:?} of {cuts}");
    }
}

#[test]
fn restart_intervals_that_are_missing_repeated_or_swapped_are_refused() {
    for name in ["restart_blocks.jpg", "progressive_restart.jpg"] {
        let bytes = fixture(name);
        let begin = data_of(&bytes);
        let markers: Vec<usize> =
            (begin..bytes.len() - 1).filter(|&i| bytes[i] == 0xFF && (0xD0..0xD8).contains(&bytes[i + 1])).collect();
        let [first, second, third, ..] = markers[..] else { panic!("{name} has {} markers", markers.len()) };
        let (one, two) = (&bytes[first..second], &bytes[second..third]);
        let (before, after) = (&bytes[..first], &bytes[third..]);
        for torn in
            [[before, two, after].concat(), [before, one, one, two, after].concat(), [before, two, one, after].concat()]
        {
            assert!(matches!(check(&torn, MAX_PIXELS), Err(DecodeError::DamagedJpeg(_))), "{name}");
        }
        // Eight intervals make the numbers fit again, and blocks are missing all the same.
        if let Some(&ninth) = markers.get(8) {
            let torn = [before, &bytes[ninth..]].concat();
            assert!(matches!(check(&torn, MAX_PIXELS), Err(DecodeError::DamagedJpeg(_))), "{name}");
        }
    }
}

#[test]
fn a_progressive_file_without_its_last_scans_is_refused() {
    let bytes = fixture("progressive_420.jpg");
    let scans: Vec<usize> =
        bytes.windows(2).enumerate().filter(|(_, pair)| *pair == [0xFF, 0xDA]).map(|(i, _)| i).collect();
    assert!(scans.len() > 5);
    for &scan in &scans[1..] {
        let torn = [&bytes[..scan], &END_OF_IMAGE].concat();
        let error = check(&torn, MAX_PIXELS).unwrap_err().to_string();
        assert!(error.ends_with("scans are missing: not all of the picture's detail is there"), "{error}");
    }
}

#[test]
fn a_few_bytes_before_the_end_are_a_careless_encoders_and_many_are_damage() {
    let bytes = fixture("baseline_444.jpg");
    let with_junk = |count: usize| [&bytes[..bytes.len() - 2], &vec![0x55; count], &END_OF_IMAGE].concat();
    assert!(check(&with_junk(4), MAX_PIXELS).is_ok());
    assert!(check(&with_junk(9), MAX_PIXELS).is_err());
}

#[test]
fn a_frame_of_motion_jpeg_may_leave_the_typical_tables_out() {
    // Its tables are the typical ones, and none is in the file.
    let bytes = without_segments(&fixture("baseline_444.jpg"), 0xC4);
    assert!(super::whole(&bytes, MAX_PIXELS).is_ok());
}

#[test]
fn an_exif_header_that_is_doubled_is_skipped() {
    let bytes = fixture("baseline_444.jpg");
    for identifiers in 1..4 {
        let exif = [b"Exif\0\0".repeat(identifiers), tiff(6)].concat();
        let image = decode(&with_segment(&bytes, 0xE1, &exif), MAX_PIXELS).unwrap();
        assert_eq!(image.dimensions(), (43, 61), "{identifiers}");
    }
}

#[test]
fn of_two_exif_segments_the_first_counts() {
    let bytes = fixture("baseline_444.jpg");
    let exif = |orientation| [&b"Exif\0\0"[..], &tiff(orientation)].concat();
    // The segment that is put in last comes first.
    let sideways = with_segment(&with_segment(&bytes, 0xE1, &exif(1)), 0xE1, &exif(6));
    assert_eq!(decode(&sideways, MAX_PIXELS).unwrap().dimensions(), (43, 61));
    let upright = with_segment(&with_segment(&bytes, 0xE1, &exif(6)), 0xE1, &exif(1));
    assert_eq!(decode(&upright, MAX_PIXELS).unwrap().dimensions(), (61, 43));
}

/// The file with its components called otherwise, in the frame and in the scan header.
fn called(bytes: &[u8], from: [u8; 3], to: [u8; 3]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    for i in 0..3 {
        for (place, step) in [(frame + 10, 3), (scan + 5, 2)] {
            assert_eq!(bytes[place + step * i], from[i]);
            bytes[place + step * i] = to[i];
        }
    }
    bytes
}

#[test]
fn jfif_decides_the_colors_before_adobe_and_adobe_before_the_names_of_the_components() {
    let near = |bytes: &[u8], expected: [f64; 3]| {
        let found = mean(bytes);
        assert!((0..3).all(|c| (found[c] - expected[c]).abs() < 1.0), "{found:?}, not {expected:?}");
    };
    // YCbCr that is said to be JFIF.
    let ycc = fixture("baseline_444.jpg");
    let shown = mean(&ycc);
    let named_rgb = called(&ycc, [1, 2, 3], *b"RGB");
    near(&named_rgb, shown);
    let adobe = |transform| [&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat();
    near(&with_segment(&ycc, 0xEE, &adobe(0)), shown);
    // RGB, by an Adobe segment, whatever the names.
    let rgb = without_segments(&fixture("rgb_kept.jpg"), 0xEE);
    let shown = mean(&rgb);
    near(&with_segment(&called(&rgb, *b"RGB", [1, 2, 3]), 0xEE, &adobe(0)), shown);
    // Without JFIF and Adobe the names decide.
    let bare = without_segments(&named_rgb, 0xE0);
    let found = mean(&bare);
    assert!((0..3).any(|c| (found[c] - mean(&ycc)[c]).abs() > 10.0), "{found:?}");
}

#[test]
fn no_change_of_a_file_makes_its_reader_panic_or_its_check_and_its_decoding_disagree() {
    let corpus: Vec<Vec<u8>> = fixtures().into_iter().map(|(_, bytes, _)| bytes).collect();
    let strategy = (0..corpus.len(), prop::collection::vec(Mutation::any(), 1..6));
    fuzz("changed JPEGs", 400, &strategy, |(file, changes)| {
        let bytes = Mutation::all(&changes, &corpus[file]);
        let checked = check(&bytes, MAX_PIXELS);
        let decoded = decode(&bytes, MAX_PIXELS);
        prop_assert!(!matches!(checked, Err(DecodeError::Panicked)), "{:?}", checked);
        prop_assert_eq!(checked.map(drop).map_err(|e| e.to_string()), decoded.map(drop).map_err(|e| e.to_string()));
        Ok(())
    });
}
