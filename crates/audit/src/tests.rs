//! Tests of an audit from files to pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};

use crate::{Decided, Findings, LabelIssue, Oddity, Reach, Site, Subject, Survey, SurveyError, write_audit};
use augtrial_base::events::Split;
use augtrial_data::ingest::ingest;
use augtrial_data::manifest::Manifest;
use augtrial_data::source::{Layout, Source};
use augtrial_plan::dataset::Ingest;
use augtrial_plan::decisions::{Decisions, Relabel, Seen, Several, Single};

/// A picture of its own for each `seed`: light blobs on a gradient.
fn scene(seed: u32) -> RgbImage {
    let blob = |x: u32, y: u32, k: u32| {
        let (cx, cy) = ((seed * 37 + k * 61) % 96, (seed * 53 + k * 29) % 72);
        let d = (i64::from(x) - i64::from(cx)).pow(2) + (i64::from(y) - i64::from(cy)).pow(2);
        if d < 220 { 110 } else { 0 }
    };
    RgbImage::from_fn(96, 72, |x, y| {
        let level = (x * (seed % 3) + y * (seed % 2 + 1)) % 120 + blob(x, y, seed % 5) + blob(x, y, 7 + seed % 11);
        Rgb([level as u8, (level / 2 + seed * 13 % 90) as u8, 200 - (level / 2) as u8])
    })
}

fn png(image: &RgbImage, compression: CompressionType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, compression, FilterType::Sub);
    encoder.write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(image).unwrap();
    bytes
}

/// A folder of two classes with four scenes each; `a/0` is there once more in four ways.
struct Data {
    folder: tempfile::TempDir,
    manifest: Manifest,
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

impl Data {
    fn new(more: &[(&str, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for class in 0..2 {
            for number in 0..4 {
                let bytes = png(&scene(1 + class * 10 + number * 3), CompressionType::Fast);
                write(folder.path(), &format!("{}/{number}.png", ["a", "b"][class as usize]), &bytes);
            }
        }
        for (path, bytes) in more {
            write(folder.path(), path, bytes);
        }
        let source = Source::new(folder.path().to_owned(), Layout::Folder { classes: None });
        let manifest = ingest(&source, &Ingest::default(), &|_, _| {}).unwrap();
        Self { folder, manifest }
    }

    /// With all ways of being `a/0` once more: the bytes, the pixels, and a picture that looks alike, of both classes.
    fn with_twins() -> Self {
        let scene = scene(1);
        Self::new(&[
            ("b/bytes.png", png(&scene, CompressionType::Fast)),
            ("a/pixels.png", png(&scene, CompressionType::Best)),
            ("b/alike.jpg", jpeg(&scene)),
        ])
    }

    fn position(&self, path: &str) -> usize {
        self.manifest.images.iter().position(|image| image.path == path).unwrap()
    }

    fn seen(&self, path: &str) -> Seen {
        Seen { path: path.to_owned(), sha256: self.manifest.images[self.position(path)].digest.short() }
    }

    fn within<T>(&self, work: impl FnOnce(&Site<'_>) -> T) -> T {
        let cache = self.folder.path().join("cache");
        work(&Site {
            manifest: &self.manifest,
            root: self.folder.path(),
            max_pixels: 1 << 20,
            cache: &cache,
            stop: &|| false,
        })
    }

    fn survey(&self) -> Result<Survey, SurveyError> {
        self.within(|site| Survey::of(site, Reach::default(), &|_, _| {}, &|_, _| {}))
    }

    fn paths(&self, images: &[usize]) -> Vec<&str> {
        images.iter().map(|&image| self.manifest.images[image].path.as_str()).collect()
    }
}

#[test]
fn the_same_picture_is_found_by_bytes_by_pixels_and_by_sight() {
    let data = Data::with_twins();
    let survey = data.survey().unwrap();
    let found = Findings::of(&data.manifest, &survey, &Decided::default(), Vec::new());
    assert_eq!(found.same.len(), 1);
    assert_eq!(data.paths(&found.same[0].images), ["a/0.png", "a/pixels.png", "b/bytes.png"]);
    assert!(!found.same[0].bytes, "not all have equal bytes");
    assert_eq!(found.near.len(), 1, "{:?}", found.near);
    let near = found.near[0];
    assert_eq!(data.paths(&[near.pair.a, near.pair.b]), ["a/0.png", "b/alike.jpg"]);
    assert!(near.contradicting && !near.straddling && near.pair.similarity > 0.95);
    assert_eq!(found.groups.len(), 1);
    assert_eq!(data.paths(&found.groups[0]), ["a/0.png", "a/pixels.png", "b/alike.jpg", "b/bytes.png"]);
    assert_eq!(found.contradicting, found.groups);
}

#[test]
fn a_second_survey_is_taken_from_what_was_kept_and_a_damaged_one_is_made_anew() {
    let data = Data::with_twins();
    let first = data.survey().unwrap();
    // Nothing is read again: the pictures are gone.
    let kept = fs::read(data.folder.path().join("a/1.png")).unwrap();
    fs::remove_file(data.folder.path().join("a/1.png")).unwrap();
    assert_eq!(data.survey().unwrap(), first);
    for entry in fs::read_dir(data.folder.path().join("cache")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes[70] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    assert!(data.survey().is_err(), "it is measured again, and a picture is gone");
    fs::write(data.folder.path().join("a/1.png"), kept).unwrap();
    assert_eq!(data.survey().unwrap(), first);
}

#[test]
fn a_folder_that_changes_during_the_audit_is_told() {
    let data = Data::new(&[]);
    write(data.folder.path(), "a/1.png", &png(&scene(99), CompressionType::Fast));
    let error = data.survey().unwrap_err().to_string();
    assert!(error.contains("a/1.png changed during the audit"), "{error}");
    fs::write(data.folder.path().join("a/1.png"), b"no picture").unwrap();
    assert!(data.survey().unwrap_err().to_string().contains("changed during the audit"));
}

#[test]
fn a_reach_that_is_none_is_refused() {
    let data = Data::new(&[]);
    let error = |radius, similarity| {
        let reach = Reach { radius, similarity };
        data.within(|site| Survey::of(site, reach, &|_, _| {}, &|_, _| {})).unwrap_err().to_string()
    };
    assert!(error(129, 0.9).contains("the radius is 129"));
    assert!(error(3, f64::NAN).contains("the similarity is NaN"));
}

#[test]
fn images_that_are_all_the_same_are_one_set_and_no_pairs() {
    let flat = png(&RgbImage::from_pixel(40, 30, Rgb([250, 250, 250])), CompressionType::Fast);
    let folder = tempfile::tempdir().unwrap();
    for index in 0..30 {
        write(folder.path(), &format!("{}/{index}.png", ["a", "b"][index % 2]), &flat);
    }
    let source = Source::new(folder.path().to_owned(), Layout::Folder { classes: None });
    let manifest = ingest(&source, &Ingest::default(), &|_, _| {}).unwrap();
    let data = Data { folder, manifest };
    let survey = data.survey().unwrap();
    let found = Findings::of(&data.manifest, &survey, &Decided::default(), Vec::new());
    assert_eq!((found.same.len(), found.near.len(), found.groups.len(), found.contradicting.len()), (1, 0, 1, 1));
    assert_eq!(found.odd.iter().filter(|odd| odd.oddity == Oddity::Light).count(), 30);
}

fn several(data: &Data, paths: &[&str]) -> Vec<Several> {
    let images = paths.iter().map(|path| data.seen(path)).collect();
    vec![Several { reason: "seen".to_owned(), author: "A".to_owned(), images }]
}

fn single(image: Seen) -> Single {
    Single { reason: "seen".to_owned(), author: "A".to_owned(), image }
}

#[test]
fn what_was_decided_does_not_come_back() {
    let data = Data::with_twins();
    let survey = data.survey().unwrap();
    let issue = LabelIssue { index: 2, given: 0, suggested: 1, self_confidence: 0.1, normalized_margin: 0.1 };
    let found = |decisions: &Decisions| {
        let decided = Decided::of(decisions, &data.manifest);
        assert_eq!(decided.stale, []);
        let mut manifest = data.manifest.clone();
        decided.relabel(&mut manifest);
        Findings::of(&manifest, &survey, &decided, vec![issue])
    };
    let all = found(&Decisions::default());
    assert_eq!((all.near.len(), all.labels.len(), all.decided), (1, 1, 0));
    // One of several files with equal pixels stands for all of them.
    let apart = Decisions { distinct: several(&data, &["b/alike.jpg", "a/pixels.png"]), ..Decisions::default() };
    let apart = found(&apart);
    assert_eq!((apart.near.len(), apart.decided), (0, 1));
    assert_eq!(data.paths(&apart.groups[0]), ["a/0.png", "a/pixels.png", "b/bytes.png"]);
    let together = found(&Decisions { group: several(&data, &["b/alike.jpg", "a/0.png"]), ..Decisions::default() });
    assert_eq!((together.near.len(), together.groups.len(), together.decided), (0, 1, 1));
    let known = several(&data, &["a/0.png", "a/pixels.png", "b/bytes.png"]);
    assert!(found(&Decisions { group: known, ..Decisions::default() }).same.is_empty());
    let excluded = ["b/bytes.png", "a/pixels.png", "b/alike.jpg"].map(|path| single(data.seen(path))).to_vec();
    let excluded = found(&Decisions { exclude: excluded, ..Decisions::default() });
    assert_eq!((excluded.same.len(), excluded.near.len(), excluded.contradicting.len()), (0, 0, 0));
    let kept = found(&Decisions { keep: vec![single(data.seen("a/2.png"))], ..Decisions::default() });
    assert_eq!(data.position("a/2.png"), 2);
    let odd = all.odd.iter().filter(|odd| odd.image == 2).count();
    assert_eq!((kept.labels.len(), kept.odd.len(), kept.decided), (0, all.odd.len() - odd, 1 + odd));
    let relabel = |path: &str| Relabel {
        class: "a".to_owned(),
        reason: "seen".to_owned(),
        author: "A".to_owned(),
        image: data.seen(path),
    };
    let relabeled = vec![relabel("b/alike.jpg"), relabel("b/bytes.png")];
    assert!(found(&Decisions { relabel: relabeled, ..Decisions::default() }).contradicting.is_empty());
}

#[test]
fn decisions_about_files_that_are_gone_or_changed_decide_nothing_and_are_told() {
    let data = Data::new(&[]);
    let mut changed = data.seen("a/1.png");
    changed.sha256 = "0".repeat(12);
    let gone = Seen { path: "a/gone.png".to_owned(), sha256: "0".repeat(64) };
    let decisions = Decisions {
        exclude: vec![single(changed), single(gone.clone()), single(data.seen("b/1.png"))],
        group: vec![Several {
            reason: "r".to_owned(),
            author: "A".to_owned(),
            images: vec![gone, data.seen("a/0.png")],
        }],
        ..Decisions::default()
    };
    let decided = Decided::of(&decisions, &data.manifest);
    assert_eq!(decided.excluded.keys().copied().collect::<Vec<_>>(), [data.position("b/1.png")]);
    assert!(decided.together.is_empty());
    let told: Vec<(&str, &str)> = decided.stale.iter().map(|s| (&*s.place, &*s.problem)).collect();
    assert_eq!(told[0], ("group[0]", "`a/gone.png` is not in the data set"));
    assert!(told[1].0 == "exclude[0]" && told[1].1.contains("`a/1.png` changed since it was decided on"), "{told:?}");
    assert_eq!(told[2], ("exclude[1]", "`a/gone.png` is not in the data set"));
}

#[test]
fn test_images_with_a_twin_in_training_are_leaked() {
    let mut data = Data::with_twins();
    for image in &mut data.manifest.images {
        image.split =
            Some(if image.path == "b/alike.jpg" || image.path == "a/2.png" { Split::Test } else { Split::Train });
    }
    let survey = data.survey().unwrap();
    let none = BTreeSet::new();
    assert_eq!(data.paths(&survey.leaked(&data.manifest, &none, Split::Test)), ["b/alike.jpg"]);
    let apart = BTreeSet::from([(data.position("a/0.png"), data.position("b/alike.jpg"))]);
    assert!(survey.leaked(&data.manifest, &apart, Split::Test).is_empty());
    data.manifest.images.iter_mut().for_each(|image| image.split = Some(Split::Test));
    assert!(survey.leaked(&data.manifest, &none, Split::Test).is_empty(), "nothing is trained on");
}

#[test]
fn the_page_and_the_tables_hold_every_finding_and_no_markup_of_a_name() {
    let hostile = "b/<img onerror=x>&.png";
    let data = Data::new(&[
        (hostile, png(&scene(1), CompressionType::Best)),
        ("b/dark.png", png(&RgbImage::new(30, 90), CompressionType::Fast)),
    ]);
    let survey = data.survey().unwrap();
    let found = Findings::of(&data.manifest, &survey, &Decided::default(), Vec::new());
    let out = data.folder.path().join("audit");
    for _ in 0..2 {
        data.within(|site| {
            let data_set = data.manifest.digest();
            write_audit(
                &Subject { name: "tiny", data_set, site: *site, survey: &survey, found: &found, stale: &[] },
                &out,
            )
        })
        .unwrap();
    }
    let names = ["findings.csv", "findings.json", "findings.parquet", "images.csv", "images.parquet", "index.html"];
    let mut written: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    written.sort();
    assert_eq!(written, names);
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(!page.contains("<img onerror") && page.contains("&lt;img onerror=x&gt;&amp;.png"));
    assert_eq!(page.matches("<article").count(), found.same.len() + found.near.len() + found.odd.len());
    assert_eq!(page.matches("data:image/jpeg").count(), 2 + found.odd.len());
    let csv = fs::read_to_string(out.join("findings.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 1 + found.odd.len(), "{csv}");
    assert!(csv.contains("same pixels,1,a/0.png,a,,b/<img onerror=x>&.png,b,,true,0,1,,"), "{csv}");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(out.join("findings.json")).unwrap()).unwrap();
    let same = json["findings"]["same"][0]["images"][1].as_u64().unwrap() as usize;
    assert_eq!(json["images"][same]["path"], hostile);
    assert_eq!(json["data_set"], data.manifest.digest().to_string());
}

/// Prints what each measure of a photograph costs, and a search among as many hashes as a large data set has.
#[test]
#[ignore = "measures"]
fn how_long_measuring_takes() {
    let image = RgbImage::from_fn(512, 384, |x, y| Rgb([(x * y / 97) as u8, (x ^ y) as u8, (x + y / 3) as u8]));
    let time = |name: &str, work: &dyn Fn()| {
        let watch = augtrial_base::clock::Clock::System.start();
        (0..20).for_each(|_| work());
        println!("{name}: {:.2} ms", 50.0 * watch.elapsed().as_secs_f64());
    };
    time("all", &|| {
        std::hint::black_box(crate::Signature::of(&image));
    });
    time("hash", &|| {
        std::hint::black_box(crate::DifferenceHash::of(&image));
    });
    time("scores", &|| {
        std::hint::black_box(crate::Scores::of(&image));
    });
    let mut state = 1_u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    let hashes: Vec<_> = (0..100_000).map(|_| crate::DifferenceHash([word(), word(), word(), word()])).collect();
    let watch = augtrial_base::clock::Clock::System.start();
    let found = crate::near::pairs_within(&hashes, 20).unwrap();
    println!("100,000 hashes: {:.1} s, {} pairs", watch.elapsed().as_secs_f64(), found.len());
}
