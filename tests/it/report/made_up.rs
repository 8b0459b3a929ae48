//! Made-up studies.

use super::*;

pub const CLASSES: [&str; 6] = ["cardboard", "glass", "metal", "paper", "plastic", "trash"];
pub const ON_DISK: [u64; 6] = [403, 501, 410, 594, 482, 137];
pub const TABLE_1: [u64; 6] = [404, 502, 411, 595, 483, 137];
pub const EPOCHS: u32 = 40;

/// A number of 0 to 1 that depends on nothing but its arguments.
pub fn noise(labels: &[u64]) -> f64 {
    let digest = Digest::of_value("noise", labels);
    f64::from(u32::from_le_bytes(digest.as_bytes()[..4].try_into().unwrap())) / f64::from(u32::MAX)
}

/// An arm of a made-up study: its name, and the share of test images its runs get right.
pub struct Arm(pub &'static str, pub f64);

pub fn plan(arms: &[Arm], seeds: u64) -> Plan {
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

pub fn manifest() -> Manifest {
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
pub fn metrics(arm: u64, seed: u64, top1: f64) -> Vec<EpochMetrics> {
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

pub fn predictions(arm: u64, seed: u64, top1: f64) -> Vec<Prediction> {
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

pub fn run(arm: u64, name: &str, seed: u64, top1: f64) -> ReportedRun {
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
pub fn picture(shade: u8) -> Picture {
    let image = image::RgbImage::from_fn(48, 36, |x, y| image::Rgb([shade, (x * 5) as u8, (y * 7) as u8]));
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    Picture::new(png.into_inner())
}

/// Two sources, with one derived image each in the second arm, and one that is missing in the third.
pub fn examples(arm: u64) -> Vec<ExampleRecord> {
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

pub fn record(arms: &[Arm], seeds: u64) -> StudyRecord {
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
pub fn thesis_like() -> StudyRecord {
    record(&[Arm("control", 0.742), Arm("traditional", 0.755), Arm("ip2p", 0.835)], 5)
}

/// Four arms with long names, seven seeds, one run lost, everything that a banner can warn of.
pub fn troubled() -> StudyRecord {
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
