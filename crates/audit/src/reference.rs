//! The measures against the tools whose names they bear, by the fixtures that `fixtures/make_fixtures.py` made.

use image::{Rgb, RgbImage};
use serde::Deserialize;

use crate::odd::{Oddity, size_scores};
use crate::{Signature, label_issues};
use augtrial_imaging::ssim::ssim;

#[derive(Deserialize)]
struct Pictures {
    pictures: Vec<Measured>,
    sizes: Vec<Sizes>,
}

#[derive(Deserialize)]
struct Measured {
    kind: String,
    width: u32,
    height: u32,
    dhash: String,
    dark: f64,
    light: f64,
    shape: f64,
    low_information: f64,
    blurry: f64,
}

#[derive(Deserialize)]
struct Sizes {
    #[serde(rename = "sizes")]
    width_and_height: Vec<(u32, u32)>,
    scores: Vec<f64>,
    odd: Vec<bool>,
    threshold: f64,
}

fn pictures() -> Pictures {
    serde_json::from_str(include_str!("../fixtures/pictures.json")).unwrap()
}

/// As `picture` in `make_fixtures.py`.
fn picture(kind: &str, width: u32, height: u32) -> RgbImage {
    let (w, h) = (i64::from(width), i64::from(height));
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (i64::from(x), i64::from(y));
        let noise = |k: i64| ((x * 7919 + y * 104_729 + k * 1_299_709).pow(2) / 64) % 256;
        let channels = match kind {
            "gradient" => [x * 255 / (w - 1).max(1), y * 255 / (h - 1).max(1), (x + y) % 256],
            "noise" => [1, 2, 3].map(noise),
            "dark" => [1, 2, 3].map(|k| noise(k) / 8),
            "light" => [1, 2, 3].map(|k| 255 - noise(k) / 32),
            "flat" => [90, 120, 60],
            "disk" if (2 * x - w).pow(2) + (2 * y - h).pow(2) < w.min(h).pow(2) / 2 => [200, 60, 40],
            "disk" => [235, 240, 238],
            "bars" => [if x / 5 % 2 == 0 { 20 } else { 220 }, if y / 9 % 2 == 0 { 30 } else { 200 }, 128],
            "smooth" => [100 + (x * x / 900 + y * y / 700) % 100, 90 + (x * y / 1500) % 80, 120 + (x / 8 + y / 6) % 60],
            other => panic!("{other}"),
        };
        Rgb(channels.map(|channel| channel as u8))
    })
}

#[test]
fn hashes_are_those_of_imagehash_to_the_bit() {
    for measured in pictures().pictures {
        let hash = Signature::of(&picture(&measured.kind, measured.width, measured.height)).hash;
        assert_eq!(hash.to_string(), measured.dhash, "{} {}x{}", measured.kind, measured.width, measured.height);
    }
}

/// Sums of exact numbers in another order.
#[test]
fn scores_are_those_of_cleanvision() {
    for m in pictures().pictures {
        let scores = Signature::of(&picture(&m.kind, m.width, m.height)).scores;
        let near = |ours: f64, theirs: f64, tolerance: f64, name: &str| {
            assert!(
                (ours - theirs).abs() <= tolerance,
                "{name} of {} {}x{}: {ours}, {theirs}",
                m.kind,
                m.width,
                m.height
            );
        };
        near(scores.dark, m.dark, 1e-12, "dark");
        near(scores.light, m.light, 1e-12, "light");
        near(scores.shape, m.shape, 0.0, "shape");
        near(scores.low_information, m.low_information, 1e-12, "low information");
        near(scores.blurry, m.blurry, 1e-12, "blurry");
    }
}

#[test]
fn sizes_are_odd_where_cleanvision_says_so() {
    for case in pictures().sizes {
        let scores = size_scores(&case.width_and_height);
        let odd: Vec<bool> = scores.iter().map(|&score| score < Oddity::Size.threshold()).collect();
        assert_eq!(odd, case.odd, "{:?}", case.width_and_height);
        if case.threshold < 1.0 {
            assert!(
                scores.iter().zip(&case.scores).all(|(a, b)| (a - b).abs() < 1e-12),
                "{scores:?}, {:?}",
                case.scores
            );
        }
    }
}

#[derive(Deserialize)]
struct Structure {
    cases: Vec<StructureCase>,
}

#[derive(Deserialize)]
struct StructureCase {
    width: usize,
    a: Vec<u8>,
    b: Vec<u8>,
    ssim: f64,
}

#[test]
fn structural_similarity_is_that_of_scikit_image() {
    let fixture: Structure = serde_json::from_str(include_str!("../fixtures/structure.json")).unwrap();
    assert_eq!(fixture.cases.len(), 12);
    for case in fixture.cases {
        let ours = ssim(&case.a, &case.b, case.width);
        assert!((ours - case.ssim).abs() < 1e-9, "{ours}, {}", case.ssim);
    }
}

#[derive(Deserialize)]
struct Labels {
    cases: Vec<LabelCase>,
}

#[derive(Deserialize)]
struct LabelCase {
    classes: usize,
    labels: Vec<u32>,
    ten_thousandths: Vec<u32>,
    issues: Vec<usize>,
    margins: Vec<f64>,
}

#[test]
fn label_issues_are_those_of_cleanlab() {
    let fixture: Labels = serde_json::from_str(include_str!("../fixtures/labels.json")).unwrap();
    assert_eq!(fixture.cases.len(), 200);
    let with_issues = fixture.cases.iter().filter(|case| !case.issues.is_empty()).count();
    assert!(with_issues > 100, "{with_issues} of 200 have issues");
    for (number, case) in fixture.cases.iter().enumerate() {
        let rows = case.ten_thousandths.chunks(case.classes);
        let rows: Vec<Vec<f64>> = rows.map(|row| row.iter().map(|&p| f64::from(p) / 10_000.0).collect()).collect();
        let mut issues = label_issues(&case.labels, &rows, case.classes).unwrap();
        assert!(issues.is_sorted_by(|a, b| a.normalized_margin <= b.normalized_margin));
        issues.sort_by_key(|issue| issue.index);
        assert_eq!(issues.iter().map(|issue| issue.index).collect::<Vec<_>>(), case.issues, "case {number}");
        for (issue, margin) in issues.iter().zip(&case.margins) {
            assert!((issue.normalized_margin - margin).abs() < 1e-9, "case {number}, image {}", issue.index);
        }
    }
}
