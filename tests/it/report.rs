//! Reports of made-up studies, from record to files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, Split, TestResult};
use augtrial_compare::{ArmResults, Conduct, Excluded, RunResult, StudyResults, TestImage};
use augtrial_data::manifest::{ImageRecord, LeftOut, Manifest};
use augtrial_plan::Plan;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::file::Contrast;
use augtrial_report::{
    ArmRecord, BannerFact, Drawings, ExampleRecord, FORMATS, Fact, Figures, Html, Markdown, PartRecord, Picture,
    ReportFormat as _, ReportedRun, StudyRecord, StudyView, Tables, write_report,
};

const CLASSES: [&str; 6] = ["cardboard", "glass", "metal", "paper", "plastic", "trash"];
const ON_DISK: [u64; 6] = [403, 501, 410, 594, 482, 137];
const TABLE_1: [u64; 6] = [404, 502, 411, 595, 483, 137];
const EPOCHS: u32 = 40;

/// A number of 0 to 1 that depends on nothing but its arguments.
fn noise(labels: &[u64]) -> f64 {
    let digest = Digest::of_value("noise", labels);
    f64::from(u32::from_le_bytes(digest.as_bytes()[..4].try_into().unwrap())) / f64::from(u32::MAX)
}

/// An arm of a made-up study: its name, and the share of test images its runs get right.
struct Arm(&'static str, f64);

fn plan(arms: &[Arm], seeds: u64) -> Plan {
    let mut arm_tables = String::new();
    for (index, arm) in arms.iter().enumerate() {
        let role = if index == 0 { "control" } else { "treatment" };
        let table = format!("[[arm]]\nname = \"{}\"\nrole = \"{role}\"\nrepeat = {}\n", arm.0, index + 1);
        arm_tables.push_str(&table);
    }
    let seeds: Vec<u64> = (1..=seeds).collect();
    let text = format!(
        "[study]\nname = \"made-up\"\ntitle = \"Do edited copies help?\"\n\
         question = \"Does editing help more than flipping does?\"\nseeds = {seeds:?}\n\
         [dataset.folder]\npath = \"data\"\n[classifier]\n[classifier.budget]\nepochs = {EPOCHS}\n{arm_tables}"
    );
    let mut plan = Plan::parse("made-up.toml", &text, ".".into(), &[]).unwrap();
    let control = arms[0].0;
    let contrast = |arm: &Arm| Contrast { treatment: arm.0.to_owned(), control: control.to_owned() };
    plan.ingest.declared = CLASSES.iter().map(|class| (*class).to_owned()).zip(TABLE_1).collect();
    plan.contrasts = arms[1..].iter().map(contrast).collect();
    plan
}

fn manifest() -> Manifest {
    let mut images = Vec::new();
    for (class, (name, count)) in (0..).zip(CLASSES.iter().zip(ON_DISK)) {
        for number in 0..count {
            let path = format!("{name}/{number:04}.jpg");
            let digest = Digest::of_bytes(path.as_bytes());
            images.push(ImageRecord { path, class, digest, width_px: 512, height_px: 384, group: None, split: None });
        }
    }
    let left_out = |path: &str, reason: &str| LeftOut { path: path.to_owned(), reason: reason.to_owned(), class: None };
    Manifest {
        classes: CLASSES.map(str::to_owned).to_vec(),
        images,
        quarantined: vec![left_out("glass/0501.jpg", "cannot be decoded: the file ends too early")],
        ignored: vec![left_out("cardboard/.DS_Store", "hidden file")],
        synthetic: false,
    }
}

/// Metrics of a run that approaches its accuracy, the faster the larger the arm.
fn metrics(arm: u64, seed: u64, top1: f64) -> Vec<EpochMetrics> {
    let mut all = Vec::new();
    for epoch in 1..=EPOCHS {
        for (split, gap) in [(Split::Train, 0.04_f64), (Split::Validation, 0.0)] {
            let progress = 1.0 - (-f64::from(epoch) * (0.08 + 0.06 * arm as f64)).exp();
            let wobble = 0.03 * (noise(&[arm, seed, epoch.into(), gap.to_bits()]) - 0.5);
            let top1 = (0.2 + (top1 + gap - 0.2) * progress + wobble).min(1.0);
            all.push(EpochMetrics {
                epoch,
                split,
                loss_nats: 2.1 * (1.0 - top1) + 0.05,
                top1,
                learning_rate: 0.01,
                samples: 1769 * (arm + 1),
                updates: u64::from(epoch) * 111 * (arm + 1),
                elapsed_secs: 10.5,
            });
        }
    }
    all
}

fn predictions(arm: u64, seed: u64, top1: f64) -> Vec<Prediction> {
    (0..431_u64)
        .map(|image| {
            let label = (image % 6) as u32;
            let right = noise(&[arm, seed, image, 77]) < top1;
            let other = (label + 1 + (noise(&[arm, image, seed]) * 4.99) as u32) % 6;
            Prediction {
                image: Digest::of_value("image", &image),
                path: format!("{}/{image:04}.jpg", CLASSES[label as usize]),
                derived: false,
                label,
                predicted: if right { label } else { other },
                probabilities: vec![1.0 / 6.0; 6],
            }
        })
        .collect()
}

fn run(arm: u64, name: &str, seed: u64, top1: f64) -> ReportedRun {
    let predictions = predictions(arm, seed, top1 + 0.015 * (noise(&[seed]) - 0.5));
    let right = predictions.iter().filter(|p| p.label == p.predicted).count() as f64;
    ReportedRun {
        seed,
        run: format!("{name}-{seed}-1"),
        metrics: metrics(arm, seed, top1),
        selected_epoch: 30 + (seed % 7) as u32,
        test: TestResult { loss_nats: 0.7, top1: right / 431.0, samples: 431 },
        predictions,
        elapsed_secs: 840.0 + 300.0 * arm as f64,
    }
}

/// A small picture that looks like no other: a gradient under its shade of red.
fn picture(shade: u8) -> Picture {
    let image = image::RgbImage::from_fn(48, 36, |x, y| image::Rgb([shade, (x * 5) as u8, (y * 7) as u8]));
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    Picture::new(png.into_inner())
}

/// Two sources, with one derived image each in the second arm, and one that is missing in the third.
fn examples(arm: u64) -> Vec<ExampleRecord> {
    let example = |class: u32, result| ExampleRecord {
        source: picture(class as u8 * 40),
        path: format!("{}/0007.jpg", CLASSES[class as usize]),
        class,
        copy: 0,
        asked: if arm == 1 { "horizontal_flip(p 1.0)".to_owned() } else { "make it look <rusty> & \"old\"".to_owned() },
        change_levels: (arm > 1).then_some(17.25),
        result,
    };
    match arm {
        0 => Vec::new(),
        1 => vec![example(2, Ok(picture(200))), example(5, Ok(picture(210)))],
        _ => vec![example(2, Ok(picture(220))), example(5, Err("the edit equals its source".to_owned()))],
    }
}

fn record(arms: &[Arm], seeds: u64) -> StudyRecord {
    let plan = plan(arms, seeds);
    let arm_records: Vec<ArmRecord> = (0..)
        .zip(arms)
        .map(|(index, arm)| ArmRecord {
            name: arm.0.to_owned(),
            counts: ON_DISK.iter().map(|n| n * 7 / 10 * (index + 1)).collect(),
            originals: 1767,
            planned: ON_DISK.iter().map(|n| n * 7 / 10 * (index + 1)).sum::<u64>() + 2 * index,
            missing: (0..2 * index)
                .map(|i| LeftOut {
                    path: format!("{i}.png"),
                    reason: "unchanged by the editor".to_owned(),
                    class: None,
                })
                .collect(),
            generation_secs: (index > 0).then_some(12.5 * index as f64),
            examples: examples(index),
            runs: (1..=seeds).map(|seed| run(index, arm.0, seed, arm.1)).collect(),
        })
        .collect();
    let results = arm_records
        .iter()
        .zip(&plan.arms)
        .map(|(record, arm)| ArmResults {
            name: record.name.clone(),
            role: arm.role,
            runs: record
                .runs
                .iter()
                .map(|run| RunResult {
                    seed: run.seed,
                    value: run.test.top1,
                    run: run.run.clone(),
                    correct: run.predictions.iter().map(|p| p.label == p.predicted).collect(),
                    answers: Vec::new(),
                })
                .collect(),
            excluded: Vec::new(),
            planned_images: record.planned,
            missing_images: record.missing.len() as u64,
        })
        .collect();
    let fact = |label: &str, value: &str| Fact { label: label.to_owned(), value: value.to_owned() };
    StudyRecord {
        manifest: manifest(),
        parts: vec![
            PartRecord { split: Split::Test, counts: vec![69, 85, 70, 101, 82, 24] },
            PartRecord { split: Split::Train, counts: vec![282, 351, 287, 416, 337, 96] },
            PartRecord { split: Split::Validation, counts: vec![52, 65, 53, 77, 63, 17] },
        ],
        unused: 0,
        duplicates: 3,
        contradicting: Vec::new(),
        withheld: Vec::new(),
        arms: arm_records,
        audit: None,
        quality: None,
        results: StudyResults {
            study: plan.study.clone(),
            contrasts: plan.contrasts.clone(),
            arms: results,
            conduct: Conduct::default(),
            images: (0..431).map(|image| TestImage { label: image % 6, cluster: image }).collect(),
        },
        evaluations: Vec::new(),
        tuning: None,
        provenance: vec![fact("Commit", "0123abcd"), fact("Finished", "2026-01-31T12:00:00.000Z")],
        plan,
    }
}

/// Three arms, five seeds, nothing missing.
fn thesis_like() -> StudyRecord {
    record(&[Arm("control", 0.742), Arm("traditional", 0.755), Arm("ip2p", 0.835)], 5)
}

/// Four arms with long names, seven seeds, one run lost, everything that a banner can warn of.
fn troubled() -> StudyRecord {
    let mut record = record(
        &[
            Arm("control", 0.742),
            Arm("control-repeated-three-times-as-often", 0.744),
            Arm("horizontal-flip-and-color-jitter-offline", 0.762),
            Arm("instruct-pix2pix-class-preserving-edits", 0.79),
        ],
        7,
    );
    record.manifest.synthetic = true;
    record.plan.study.protocol = Protocol::AsPublished;
    record.results.study.protocol = Protocol::AsPublished;
    let lost = &mut record.results.arms[3];
    lost.runs.remove(2);
    lost.excluded.push(Excluded { seed: 3, reason: "loss became NaN".to_owned() });
    record.results.arms[0].runs.push(RunResult {
        seed: 99,
        value: 0.9,
        run: "later".to_owned(),
        correct: vec![],
        answers: vec![],
    });
    record
}

/// Every file below a folder, by relative path.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn drawn(view: &StudyView) -> Drawings {
    Drawings::draw(view, &|| false)
}

fn page(record: &StudyRecord) -> String {
    let view = StudyView::new(record);
    let files = Markdown.files(&view, &Drawings::named(&view)).unwrap();
    let page = files.into_iter().find(|file| file.path == "report.md").unwrap();
    String::from_utf8(page.bytes).unwrap()
}

#[test]
fn the_page_of_a_clean_study() {
    insta::assert_snapshot!(page(&thesis_like()));
}

#[test]
fn the_page_of_a_troubled_study_warns_before_the_first_number() {
    let page = page(&troubled());
    let head: String = page.split("## Flow of images").next().unwrap().to_owned();
    insta::assert_snapshot!(head);
    assert!(page.contains("seed 3: loss became NaN"));
}

#[test]
fn a_single_seed_is_reported_without_interval_or_verdict() {
    let page = page(&record(&[Arm("control", 0.742), Arm("traditional", 0.755)], 1));
    assert!(page.contains("no answer, since 1 of 1 planned pairs are complete"), "{page}");
    assert!(!page.contains("NaN") && !page.contains("differences.png"));
}

#[test]
fn a_study_without_any_run_still_has_a_report() {
    let mut record = thesis_like();
    record.arms.clear();
    record.results.arms.iter_mut().for_each(|arm| arm.runs.clear());
    let folder = tempfile::tempdir().unwrap();
    write_report(&StudyView::new(&record), &folder.path().join("r"), &|| false).unwrap();
    let page = fs::read_to_string(folder.path().join("r/report.md")).unwrap();
    assert!(page.contains("15 of 15 planned trials have no result") && !page.contains("NaN"), "{page}");
}

#[test]
fn the_same_view_gives_the_same_bytes_and_replaces_the_old_report() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let view = StudyView::new(&thesis_like());
    write_report(&view, &one, &|| false).unwrap();
    write_report(&view, &two, &|| false).unwrap();
    let first = contents(&one);
    assert_eq!(first, contents(&two));
    for path in
        ["report.md", "figures/accuracy-by-epoch.png", "figures/differences.svg", "tables/arms.csv", "tables/arms.tex"]
    {
        assert!(first.contains_key(path), "{path} is missing");
    }
    fs::write(one.join("stale.txt"), "from an older version").unwrap();
    write_report(&view, &one, &|| false).unwrap();
    assert_eq!(first, contents(&one));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "no temporary folder stays behind");
}

#[test]
fn a_folder_that_is_no_report_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.docx"), "precious").unwrap();
    let error = write_report(&StudyView::new(&thesis_like()), folder.path(), &|| false).unwrap_err();
    assert!(error.to_string().contains("is not a report"), "{error}");
    assert_eq!(contents(folder.path()).len(), 1);
}

#[test]
fn every_figure_of_the_page_exists_and_every_link_is_relative() {
    let view = StudyView::new(&troubled());
    let mut files: Vec<String> = Vec::new();
    let drawings = Drawings::named(&view);
    for format in FORMATS {
        files.extend(format.files(&view, &drawings).unwrap().into_iter().map(|file| file.path));
    }
    let page = page(&troubled());
    let links: Vec<&str> = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 10);
    for link in links {
        assert!(files.iter().any(|file| file == link), "{link} is not written");
    }
}

#[test]
fn figures_are_large_and_their_svg_holds_the_words() {
    let view = StudyView::new(&thesis_like());
    let files = Figures.files(&view, &drawn(&view)).unwrap();
    let png = files.iter().find(|file| file.path == "figures/accuracy-by-epoch.png").unwrap();
    let image = image::load_from_memory(&png.bytes).unwrap().to_rgb8();
    assert_eq!(image.width(), 1600);
    assert_eq!(image.get_pixel(0, 0).0, [255, 255, 255]);
    let svg = files.iter().find(|file| file.path == "figures/accuracy-by-epoch.svg").unwrap();
    let svg = String::from_utf8(svg.bytes.clone()).unwrap();
    for words in ["Top-1 accuracy (%)", "Epoch", "Validation part", "traditional", "ip2p"] {
        assert!(svg.contains(words), "{words}");
    }
}

#[test]
fn tables_read_back_to_the_values_of_the_view() {
    let view = StudyView::new(&thesis_like());
    let files = Tables.files(&view, &Drawings::none()).unwrap();
    let csv = |name: &str| files.iter().find(|file| file.path == format!("tables/{name}.csv")).unwrap().bytes.clone();
    let bytes = csv("contrasts");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let column = reader.headers().unwrap().iter().position(|header| header == "difference").unwrap();
    let differences: Vec<f64> = reader.records().map(|row| row.unwrap()[column].parse().unwrap()).collect();
    let expected: Vec<f64> = view.comparison.contrasts.iter().map(|c| c.judged().unwrap().effect.difference).collect();
    assert_eq!(differences, expected);
    let bytes = csv("data");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let total = reader.records().last().unwrap().unwrap();
    // The thesis's table 1 counts five files too many.
    assert_eq!(total.iter().take(4).collect::<Vec<_>>(), ["total", "2527", "2532", "-5"]);
}

#[test]
fn same_input_same_page_and_the_page_of_a_small_study() {
    let record = record(&[Arm("control", 0.7), Arm("flips", 0.75)], 2);
    let one = html(&record);
    assert_eq!(one, html(&record));
    // Programs, styles, fonts, pictures and drawings are looked at elsewhere; what is left is the text and its order.
    let mut text = one;
    for (open, close) in [("<style>", "</style>"), ("<script", "</script>"), ("<svg", "</svg>"), ("base64,", "\"")] {
        text = cut(&text, open, close);
    }
    let head = text.split("content=\"default-src").next().unwrap().to_owned();
    let body = text.split("<body>").nth(1).unwrap();
    insta::assert_snapshot!(format!("{head}\n{body}").replace("><", ">\n<"));
}

#[test]
fn the_page_loads_nothing_its_links_resolve_and_every_id_is_its_own() {
    for record in [thesis_like(), troubled()] {
        let page = html(&record);
        let ids: Vec<&str> = attributes(&page, " id=\"").collect();
        let unique: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        let links: Vec<&str> = attributes(&page, " href=\"").collect();
        assert!(links.len() > 8);
        for link in links {
            assert!(
                unique.contains(link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leaves the page"))),
                "{link}"
            );
        }
        for label in attributes(&page, " aria-labelledby=\"") {
            assert!(unique.contains(label), "{label}");
        }
        for source in attributes(&page, " src=\"") {
            assert!(source.starts_with("data:image/"), "{}", &source[..40.min(source.len())]);
        }
        // The one address is the name of SVG's vocabulary.
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("://"), "nothing else is named by an address");
        assert!(!page.contains(" style=\"") && !page.contains(" onclick="), "the policy would block it");
        assert!(!page.contains("<rusty>"), "text is text");
        let read = cut(&cut(&page, "<script", "</script>"), "<style>", "</style>").replace("loss became NaN", "");
        assert!(!cut(&read, "base64,", "\"").contains("NaN"));
        assert_balanced(&page);
    }
}

#[test]
fn the_gallery_shows_source_request_and_result_and_says_what_is_missing() {
    let record = thesis_like();
    let (html, view) = (html(&record), StudyView::new(&record));
    assert_eq!(view.gallery.len(), 2, "one row per source, whatever the number of arms");
    assert!(html.contains("the edit equals its source") && html.contains("mean change 17.2 levels"));
    let files = Markdown.files(&view, &Drawings::named(&view)).unwrap();
    let page = String::from_utf8(files.iter().find(|file| file.path == "report.md").unwrap().bytes.clone()).unwrap();
    assert!(page.contains("**missing:** the edit equals its source"), "{page}");
    let pictures: Vec<&str> = page.split("](gallery/").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert_eq!(pictures.len(), 2 + 3);
    for picture in pictures {
        assert!(files.iter().any(|file| file.path == format!("gallery/{picture}")), "{picture}");
    }
}

/// The page of a study with everything that a page can show, for the browser's tests.
pub fn sample_page() -> String {
    html(&thesis_like())
}

/// The page of a study.
fn html(record: &StudyRecord) -> String {
    String::from_utf8(
        {
            let view = StudyView::new(record);
            Html.files(&view, &drawn(&view))
        }
        .unwrap()
        .remove(0)
        .bytes,
    )
    .unwrap()
}

/// The text without what stands between two marks.
fn cut(text: &str, open: &str, close: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        kept += before;
        kept += open;
        rest = &after[after.find(close).expect("what is opened is closed")..];
    }
    kept + rest
}

fn attributes<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(name).skip(1).filter_map(|rest| rest.split('"').next())
}

/// Every element is closed by its own end tag, in order.
fn assert_balanced(page: &str) {
    const VOID: [&str; 5] = ["meta", "img", "input", "br", "!DOCTYPE"];
    let page = cut(&cut(page, "<style>", "</style>"), "<script", "</script>");
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The clean study with so many classes that a matrix of all of them would be hundreds of megapixels.
fn many_classes(classes: u32) -> StudyRecord {
    let mut record = thesis_like();
    record.manifest.classes = (0..classes).map(|class| format!("class-{class:04}")).collect();
    record.plan.ingest.declared.clear();
    for part in &mut record.parts {
        part.counts = vec![1; classes as usize];
    }
    for arm in &mut record.arms {
        arm.counts = vec![1; classes as usize];
        for prediction in arm.runs.iter_mut().flat_map(|run| &mut run.predictions) {
            // Every sixth class has the images; of them, two are taken for each other.
            prediction.label *= classes / 6;
            prediction.predicted *= classes / 6;
        }
    }
    record
}

#[test]
fn figures_of_hundreds_of_classes_are_bounded_and_show_the_most_confused() {
    for classes in [240, 600] {
        assert!(page(&many_classes(classes)).contains(&format!("the 24 most confused of {classes} classes")));
    }
    let view = StudyView::new(&many_classes(1000));
    let drawings = drawn(&view);
    assert_eq!(drawings.missing().collect::<Vec<_>>(), []);
    let files = Figures.files(&view, &drawings).unwrap();
    let of = |name: &str| &files.iter().find(|file| file.path == name).unwrap().bytes;
    for name in ["figures/confusion-ip2p.png", "figures/recall.png"] {
        let figure = image::load_from_memory(of(name)).unwrap();
        assert!(figure.width() < 5000 && figure.height() < 9000, "{name}: {}x{}", figure.width(), figure.height());
    }
    let svg = String::from_utf8(of("figures/confusion-ip2p.svg").clone()).unwrap();
    assert!(svg.contains("class-0166"), "the classes with images are the confused ones");
}

#[test]
fn text_of_any_length_and_kind_neither_stops_the_report_nor_steers_its_reader() {
    let mut record = thesis_like();
    let hostile =
        format!("=1\u{1b}[31m\u{202e}</svg><script>alert(1)</script>\\input{{y}}\u{7} 玻璃 👩 {}", "x".repeat(100_000));
    record.manifest.classes[1].clone_from(&hostile);
    record.manifest.quarantined[0].reason.clone_from(&hostile);
    record.arms[1].missing[0].reason.clone_from(&hostile);
    record.results.arms[1].runs.remove(0);
    record.results.arms[1].excluded.push(Excluded { seed: 1, reason: hostile.clone() });
    record.plan.study.title = Some(hostile.clone());
    record.plan.study.question = Some(format!("# {hostile}"));
    let mut view = StudyView::new(&record);
    view.banner.push(BannerFact::GivenResults { file: "</p><script>alert(1)</script>.csv".to_owned() });
    let drawings = drawn(&view);
    assert_eq!(drawings.missing().count(), 0);
    for format in FORMATS {
        for file in format.files(&view, &drawings).unwrap() {
            if [".png", ".pdf", ".parquet"].iter().any(|ending| file.path.ends_with(ending)) {
                continue;
            }
            let text = String::from_utf8(file.bytes).unwrap();
            let steers = |c: char| (c.is_control() && c != '\n' && c != '\r') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(steers), "{}", file.path);
            let (_, ending) = file.path.rsplit_once('.').unwrap();
            assert!(!["md", "html", "svg"].contains(&ending) || !text.contains("<script>alert"), "{}", file.path);
            assert!(!text.contains(&"x".repeat(1000)), "{} holds the whole text", file.path);
            assert!(ending != "tex" || !text.contains("\\input"), "{} runs a command", file.path);
            let formula =
                ending == "csv" && text.split([',', '\n']).any(|cell| cell.trim_start_matches('"').starts_with("=1"));
            assert!(!formula, "{} holds a formula", file.path);
        }
    }
}

#[test]
fn the_answer_is_written_first_and_figures_that_were_not_drawn_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("r");
    let view = StudyView::new(&thesis_like());
    // Asked to stop at once: when the first figure would be drawn, the answer is on the disk already.
    let seen = std::sync::atomic::AtomicBool::new(false);
    let stop = || {
        seen.store(report.join("report.html").exists(), std::sync::atomic::Ordering::Relaxed);
        true
    };
    let missing = write_report(&view, &report, &stop).unwrap();
    assert!(seen.into_inner(), "the answer comes first");
    assert!(missing.contains(&"differences".to_owned()) && missing.len() > 8, "{missing:?}");
    for name in ["report.md", "report.html"] {
        let page = fs::read_to_string(report.join(name)).unwrap();
        assert!(page.contains("Missing figure") && page.contains("asked to stop"), "{name}");
        assert!(
            page.replace('\\', "").contains(&view.answers[0].replace(" %", "\u{a0}%"))
                || page.replace('\\', "").contains(&view.answers[0]),
            "{name}"
        );
    }
    assert!(!report.join("figures").exists());
    assert_eq!(write_report(&view, &report, &|| false).unwrap(), Vec::<String>::new());
    assert!(report.join("figures/differences.png").exists());
}

#[test]
fn the_text_cites_what_is_listed_and_nothing_else() {
    let mut describing = thesis_like();
    describing.plan.contrasts.clear();
    describing.results.contrasts.clear();
    for record in [thesis_like(), troubled(), describing] {
        let view = StudyView::new(&record);
        let text = view.methods.join(" ");
        for work in &view.references {
            assert!(text.contains(&work.in_text()), "{} is listed and not cited", work.key);
        }
        // Whatever looks like a citation, a name and a year, is of a listed work.
        for (at, _) in text.match_indices(['1', '2']) {
            let year: String = text[at..].chars().take_while(char::is_ascii_digit).collect();
            if year.len() == 4 && text[..at].ends_with(' ') {
                assert!(view.references.iter().any(|work| work.year.to_string() == year), "{year} in {text}");
            }
        }
    }
}

#[test]
fn a_study_of_one_arm_describes_it() {
    let mut record = record(&[Arm("control", 0.742)], 5);
    record.plan.contrasts.clear();
    record.results.contrasts.clear();
    let page = page(&record);
    assert!(page.contains("control: Top-1 accuracy ") && page.contains("no hypothesis is tested"), "{page}");
    assert!(!page.contains("Student 1908") && page.contains("### Limits"), "{page}");
}
