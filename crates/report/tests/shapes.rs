//! Reports of made-up studies of every shape: few and many arms, classes, seeds and epochs, and names of any script.
//!
//! To look at all of them: `AUGTRIAL_SHAPES=FOLDER cargo test -p augtrial-report --test shapes -- --ignored`.

use std::path::Path;

use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, Split, TestResult};
use augtrial_compare::{ArmResults, Conduct, RunResult, StudyResults, TestImage};
use augtrial_data::manifest::{ImageRecord, LeftOut, Manifest};
use augtrial_plan::Plan;
use augtrial_plan::file::Contrast;
use augtrial_quality::{QualityRow, RowPart, RowSubject, SetQuality};
use augtrial_report::{
    ArmRecord, Drawings, Fact, Figures, Html, PartRecord, QualityRecord, ReportFormat as _, ReportedRun, StudyRecord,
    StudyView, write_report,
};

/// A study's measures.
#[derive(Clone, Copy, Debug)]
struct Shape {
    arms: usize,
    classes: u32,
    seeds: u64,
    epochs: u32,
}

/// Test images of a class.
const TESTED: u32 = 12;

/// A number of 0 to 1 that depends on nothing but its arguments.
fn noise(labels: &[u64]) -> f64 {
    let digest = Digest::of_value("noise", labels);
    f64::from(u32::from_le_bytes(digest.as_bytes()[..4].try_into().unwrap())) / f64::from(u32::MAX)
}

const ARMS: [&str; 12] = [
    "control",
    "repeat",
    "flips",
    "color-jitter",
    "rand-augment",
    "mixup",
    "cutmix",
    "instruct-pix2pix",
    "random-erasing",
    "trivial-augment-wide",
    "instruct-pix2pix-and-flips-with-a-long-name",
    "all",
];

fn plan(shape: Shape) -> Plan {
    let mut arms = String::new();
    for (index, name) in ARMS[..shape.arms].iter().enumerate() {
        let role = if index == 0 { "control" } else { "treatment" };
        let table = format!("[[arm]]\nname = \"{name}\"\nrole = \"{role}\"\nrepeat = {}\n", index + 1);
        arms.push_str(&table);
    }
    let seeds: Vec<u64> = (1..=shape.seeds).collect();
    let text = format!(
        "[study]\nname = \"made-up\"\ntitle = \"{} arms, {} classes, {} seeds\"\nseeds = {seeds:?}\n\
         [dataset.folder]\npath = \"data\"\n[classifier.budget]\nepochs = {}\n{arms}",
        shape.arms, shape.classes, shape.seeds, shape.epochs
    );
    let mut plan = Plan::parse("made-up.toml", &text, ".".into(), &[]).unwrap();
    let contrast = |arm: &&str| Contrast { treatment: (*arm).to_owned(), control: ARMS[0].to_owned() };
    plan.contrasts = ARMS[1..shape.arms].iter().map(contrast).collect();
    plan
}

/// Epochs of a run that approaches its accuracy; the third seed's loss has a spike.
fn metrics(arm: u64, seed: u64, top1: f64, epochs: u32) -> Vec<EpochMetrics> {
    let at = |epoch: u32, split: Split, gap: f64| {
        let progress = 1.0 - (-f64::from(epoch) * (0.08 + 0.02 * arm as f64)).exp();
        let wobble = 0.03 * (noise(&[arm, seed, epoch.into(), gap.to_bits()]) - 0.5);
        let top1 = (0.2 + (top1 + gap - 0.2) * progress + wobble).clamp(0.0, 1.0);
        let spike = if seed == 3 && epoch == epochs / 2 { 40.0 } else { 0.0 };
        EpochMetrics {
            epoch,
            split,
            loss_nats: 2.1 * (1.0 - top1) + 0.05 + spike,
            top1,
            learning_rate: 0.01,
            samples: 1769 * (arm + 1),
            updates: u64::from(epoch) * 111 * (arm + 1),
            elapsed_secs: 10.5,
        }
    };
    (1..=epochs).flat_map(|epoch| [at(epoch, Split::Train, 0.04), at(epoch, Split::Validation, 0.0)]).collect()
}

fn run(arm: u64, name: &str, seed: u64, shape: Shape) -> ReportedRun {
    let top1 = 0.72 + 0.02 * arm as f64 + 0.03 * (noise(&[seed]) - 0.5);
    let prediction = |image: u32| {
        let label = image % shape.classes;
        // Some classes are harder, and are taken for their neighbors.
        let hard = 0.25 * noise(&[label.into(), 5]);
        let right = noise(&[arm, seed, image.into(), 77]) < top1 - hard + 0.1;
        let step = 1 + (2.0 * noise(&[arm, image.into(), seed])) as u32;
        Prediction {
            image: Digest::of_value("image", &image),
            path: format!("{label}/{image}.jpg"),
            derived: false,
            label,
            predicted: if right { label } else { (label + step) % shape.classes },
            probabilities: Vec::new(),
        }
    };
    let predictions: Vec<Prediction> = (0..TESTED * shape.classes).map(prediction).collect();
    let right = predictions.iter().filter(|p| p.label == p.predicted).count() as f64;
    ReportedRun {
        seed,
        run: format!("{name}-{seed}-1"),
        metrics: metrics(arm, seed, top1, shape.epochs),
        selected_epoch: shape.epochs,
        test: TestResult { loss_nats: 0.7, top1: right / predictions.len() as f64, samples: predictions.len() as u64 },
        predictions,
        elapsed_secs: 840.0 + 300.0 * arm as f64,
    }
}

fn class_names(classes: u32) -> Vec<String> {
    let known =
        ["cardboard", "glass", "metal", "paper", "plastic", "trash", "batteries", "clothes", "shoes", "organic"];
    let name = |class: u32| known.get(class as usize).map_or(format!("class-{class:03}"), |name| (*name).to_owned());
    (0..classes).map(name).collect()
}

fn study(shape: Shape) -> StudyRecord {
    let plan = plan(shape);
    let classes = class_names(shape.classes);
    let image = |(class, number): (u32, u32)| {
        let path = format!("{class}/{number:04}.jpg");
        let digest = Digest::of_bytes(path.as_bytes());
        ImageRecord { path, class, digest, width_px: 512, height_px: 384, group: None, split: None }
    };
    let images = (0..shape.classes).flat_map(|class| (0..20).map(move |number| (class, number))).map(image).collect();
    let left_out = |number: u64| LeftOut {
        path: format!("{number}.png"),
        reason: "unchanged by the editor".to_owned(),
        class: None,
    };
    let arms: Vec<ArmRecord> = (0..)
        .zip(&plan.arms)
        .map(|(index, arm)| ArmRecord {
            name: arm.name.clone(),
            counts: vec![14 * (index + 1); shape.classes as usize],
            originals: 14 * u64::from(shape.classes),
            planned: 14 * (index + 1) * u64::from(shape.classes) + index,
            missing: (0..index).map(left_out).collect(),
            generation_secs: (index > 0).then_some(12.5),
            examples: Vec::new(),
            runs: (1..=shape.seeds).map(|seed| run(index, &arm.name, seed, shape)).collect(),
        })
        .collect();
    let result = |run: &ReportedRun| RunResult {
        seed: run.seed,
        value: run.test.top1,
        run: run.run.clone(),
        correct: run.predictions.iter().map(|p| p.label == p.predicted).collect(),
        answers: Vec::new(),
    };
    let results = arms.iter().zip(&plan.arms).map(|(record, arm)| ArmResults {
        name: record.name.clone(),
        role: arm.role,
        runs: record.runs.iter().map(result).collect(),
        excluded: Vec::new(),
        planned_images: record.planned,
        missing_images: record.missing.len() as u64,
    });
    let part = |split, n| PartRecord { split, counts: vec![n; shape.classes as usize] };
    StudyRecord {
        audit: None,
        quality: None,
        manifest: Manifest { classes, images, quarantined: Vec::new(), ignored: Vec::new(), synthetic: false },
        parts: vec![part(Split::Train, 14), part(Split::Validation, 3), part(Split::Test, TESTED.into())],
        duplicates: 0,
        contradicting: Vec::new(),
        withheld: Vec::new(),
        unused: 0,
        results: StudyResults {
            study: plan.study.clone(),
            contrasts: plan.contrasts.clone(),
            arms: results.collect(),
            conduct: Conduct::default(),
            images: (0..TESTED * shape.classes)
                .map(|image| TestImage { label: image % shape.classes, cluster: image })
                .collect(),
        },
        provenance: vec![Fact { label: "commit".to_owned(), value: "0123abcd".to_owned() }],
        arms,
        evaluations: Vec::new(),
        tuning: None,
        plan,
    }
}

/// Of every arm but the control; the last one has no neighborhoods.
fn quality(record: &StudyRecord) -> QualityRecord {
    let plan = &record.plan;
    let arms = plan.arms.iter().skip(1).map(|arm| RowSubject::Arm(arm.name.clone()));
    let row = |(index, subject): (usize, RowSubject)| {
        let mut row = QualityRow::new(subject.clone(), RowPart::All, 40 + index);
        row.put("kernel_distance", Ok(0.01 * noise(&[9, index as u64])));
        let is_last = subject == RowSubject::Arm(plan.arms.last().unwrap().name.clone());
        let coverage = if is_last { Err("too few images".to_owned()) } else { Ok(noise(&[8, index as u64])) };
        row.put("coverage", coverage);
        row
    };
    let quality = SetQuality {
        version: augtrial_quality::VERSION,
        study: plan.study.name.clone(),
        plan: plan.digest(),
        features: "efficientnet-lite0".to_owned(),
        networks: vec![Digest::of_bytes(b"network")],
        width: 1280,
        cross_fitted: false,
        judges: "no network, since all seeds share one division".to_owned(),
        k: 5,
        permutations: 999,
        most: 1000,
        vendi_of: None,
        classes: record.manifest.classes.clone(),
        real_images: 140,
        notes: vec!["a note <b>of a file</b>".to_owned()],
        rows: arms.chain([RowSubject::Floor, RowSubject::Ceiling]).enumerate().map(row).collect(),
        galleries: Vec::new(),
    };
    QualityRecord { quality, pictures: std::collections::BTreeMap::new() }
}

/// Few of everything, many of everything, and what lies between.
const SHAPES: [Shape; 5] = [
    Shape { arms: 1, classes: 2, seeds: 1, epochs: 1 },
    Shape { arms: 2, classes: 10, seeds: 3, epochs: 12 },
    Shape { arms: 3, classes: 200, seeds: 5, epochs: 8 },
    Shape { arms: 8, classes: 10, seeds: 4, epochs: 8 },
    Shape { arms: 12, classes: 24, seeds: 3, epochs: 4 },
];

#[test]
fn every_figure_of_every_shape_is_drawn_and_its_svg_is_well_formed() {
    for shape in SHAPES {
        let view = StudyView::new(&study(shape));
        let drawings = Drawings::draw(&view, &|| false);
        assert_eq!(drawings.missing().collect::<Vec<_>>(), [], "{shape:?}");
        for file in Figures.files(&view, &drawings).unwrap() {
            match file.path.rsplit_once('.').unwrap().1 {
                "svg" => {
                    let text = std::str::from_utf8(&file.bytes).unwrap();
                    let read = resvg::usvg::roxmltree::Document::parse(text);
                    assert!(read.is_ok(), "{shape:?}, {}: {}", file.path, read.unwrap_err());
                }
                "pdf" => assert!(file.bytes.starts_with(b"%PDF"), "{}", file.path),
                _ => assert!(image::load_from_memory(&file.bytes).unwrap().width() >= 880, "{}", file.path),
            }
        }
    }
}

#[test]
fn coverage_is_drawn_of_the_arms_that_have_one_and_every_arm_has_a_row() {
    let mut record = study(Shape { arms: 8, classes: 10, seeds: 4, epochs: 2 });
    record.quality = Some(quality(&record));
    let view = StudyView::new(&record);
    let drawings = Drawings::draw(&view, &|| false);
    assert_eq!(drawings.missing().collect::<Vec<_>>(), []);
    let files = Figures.files(&view, &drawings).unwrap();
    let svg = &files.iter().find(|file| file.path == "figures/coverage.svg").unwrap().bytes;
    let svg = std::str::from_utf8(svg).unwrap();
    resvg::usvg::roxmltree::Document::parse(svg).unwrap();
    for arm in &ARMS[1..7] {
        assert!(svg.contains(arm), "{arm} has a dot");
    }
    assert!(!svg.contains(ARMS[7]) && svg.contains("floor"), "the last arm has no coverage");
    let page = page(&view);
    assert!(page.contains("Quality of the sets, beside floor and ceiling"));
    assert!(page.contains("Coverage of instruct-pix2pix: too few images"), "the reason is told");
    assert!(page.contains("a note &lt;b&gt;of a file") && !page.contains("<b>of a file"));
    // Where nothing was measured there is no section.
    record.quality = None;
    let view = StudyView::new(&record);
    assert!(!self::page(&view).contains("Quality of the sets"));
}

#[test]
fn names_of_any_script_are_kept_in_svg_and_spelled_in_latin_letters_elsewhere() {
    let mut record = study(Shape { arms: 2, classes: 3, seeds: 3, epochs: 3 });
    record.manifest.classes = ["玻璃", "زجاج", "👩 <b>&"].map(str::to_owned).to_vec();
    let view = StudyView::new(&record);
    let drawings = Drawings::draw(&view, &|| false);
    assert_eq!(drawings.missing().collect::<Vec<_>>(), []);
    let files = Figures.files(&view, &drawings).unwrap();
    let of = |path: &str| &files.iter().find(|file| file.path == path).unwrap().bytes;
    let svg = std::str::from_utf8(of("figures/confusions.svg")).unwrap();
    assert!(svg.contains("玻璃") && svg.contains("زجاج"));
    resvg::usvg::roxmltree::Document::parse(svg).unwrap();
    // The same figure of a study whose classes have those Latin names has the same pixels.
    record.manifest.classes = ["Bo Li", "zjj", "woman <b>&"].map(str::to_owned).to_vec();
    let view = StudyView::new(&record);
    let latin = Figures.files(&view, &Drawings::draw(&view, &|| false)).unwrap();
    for path in ["figures/confusions.png", "figures/confusions.pdf", "figures/recall.png"] {
        assert!(latin.iter().any(|file| file.path == path && file.bytes == *of(path)), "{path}");
    }
    let page = page(&StudyView::new(&{
        record.manifest.classes[0] = "玻璃".to_owned();
        record
    }));
    assert!(page.contains("written in Latin letters: 玻璃 as Bo Li."), "the report says which");
}

fn page(view: &StudyView) -> String {
    let files = Html.files(view, &Drawings::draw(view, &|| false)).unwrap();
    String::from_utf8(files.into_iter().next().unwrap().bytes).unwrap()
}

#[test]
fn a_page_of_thirty_seeds_a_hundred_epochs_and_eight_arms_stays_small() {
    let view = StudyView::new(&study(Shape { arms: 8, classes: 10, seeds: 30, epochs: 100 }));
    let page = page(&view);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    // Every seed can still be asked for.
    assert_eq!(page.matches("\"seed\":\"30\"").count(), 8 * 4);
}

#[test]
fn a_spike_is_marked_and_does_not_flatten_the_loss() {
    let view = StudyView::new(&study(Shape { arms: 2, classes: 2, seeds: 5, epochs: 20 }));
    let files = Figures.files(&view, &Drawings::draw(&view, &|| false)).unwrap();
    let svg = files.iter().find(|file| file.path == "figures/loss-by-epoch.svg").unwrap();
    let svg = String::from_utf8_lossy(&svg.bytes);
    assert!(svg.contains("\u{25b2} up to 4") && !svg.contains(">\n40\n<"), "the axis ends below");
}

#[test]
#[ignore = "needs AUGTRIAL_SHAPES, a folder: writes reports to look at"]
fn reports_of_every_shape_to_look_at() {
    let folder = std::env::var_os("AUGTRIAL_SHAPES").expect("AUGTRIAL_SHAPES names a folder");
    let large = Shape { arms: 8, classes: 10, seeds: 30, epochs: 100 };
    let other = [(3, 6, 5, 40), (12, 2, 3, 10), (2, 200, 6, 20), (1, 10, 5, 20)];
    let other = other.map(|(arms, classes, seeds, epochs)| Shape { arms, classes, seeds, epochs });
    for shape in SHAPES.into_iter().chain([large]).chain(other) {
        let name = format!("{}-arms-{}-classes-{}-seeds", shape.arms, shape.classes, shape.seeds);
        let view = StudyView::new(&study(shape));
        assert_eq!(write_report(&view, &Path::new(&folder).join(name), &|| false).unwrap(), Vec::<String>::new());
    }
}
