//! A large registry, written by the registry's own writer without training: what commands cost when a laboratory has worked for a
//! while.

use std::fs;
use std::path::Path;

use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, RunEvent, Split, TestResult};
use augtrial_data::audit::Duplicates;
use augtrial_data::manifest::{ImageRecord, Manifest};
use augtrial_plan::{Plan, Trial};
use augtrial_registry::{BeginRun, Provenance, RunFolders, SetDigests};
use serde_json::json;

/// Shape of the registry: one study of `arms x seeds` finished runs.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub arms: usize,
    pub seeds: u64,
    pub epochs: u32,
    pub test_images: u64,
}

const CLASSES: [&str; 6] = ["cardboard", "glass", "metal", "paper", "plastic", "trash"];
const AT: &str = "2026-01-31T12:00:00.000Z";

/// Writes the registry below `runs_dir`; the study is called `large`.
pub fn write(runs_dir: &Path, shape: Shape) {
    write_plan(runs_dir, &plan("large", shape), shape);
}

/// Writes finished runs of every trial of a plan, and what a report needs beside them.
pub fn write_plan(runs_dir: &Path, plan: &Plan, shape: Shape) {
    let manifest = manifest();
    let folders = RunFolders::open(runs_dir, Clock::System).unwrap();
    for trial in plan.trials() {
        write_run(&folders, plan, trial, shape);
    }
    let arms = plan.arms.iter().map(|arm| {
        let trials: Vec<_> = plan.study.seeds.iter().map(|&seed| (seed, key(plan, &Trial { arm, seed }))).collect();
        json!({"name": arm.name, "counts": vec![10; 6], "originals": 60, "planned": 60, "missing": [], "sets": [],
               "audits": [], "trials": trials})
    });
    let sheet = json!({
        "format": 1, "written_at": AT, "base": "/", "manifest": manifest, "duplicates": Duplicates::find(&manifest),
        "withheld": [], "parts": [{"split": Split::Test, "counts": vec![shape.test_images / 6; 6]}],
        "arms": arms.collect::<Vec<_>>(),
    });
    let folder = runs_dir.join("studies").join(&plan.study.name).join(plan.digest().short());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("study.json"), sheet.to_string()).unwrap();
}

/// A plan of `arms x seeds` trials.
pub fn plan(name: &str, shape: Shape) -> Plan {
    let arms: Vec<String> = (0..shape.arms)
        .map(|arm| {
            let role = if arm == 0 { "control" } else { "treatment" };
            format!("[[arm]]\nname = \"arm-{arm}\"\nrole = \"{role}\"\nrepeat = {}\n", arm + 1)
        })
        .collect();
    let seeds: Vec<u64> = (1..=shape.seeds).collect();
    let text = format!(
        "[study]\nname = \"{name}\"\nseeds = {seeds:?}\n[dataset.synthetic]\nimages = 60\n[classifier]\n\
         [classifier.budget]\nepochs = {}\n{}",
        shape.epochs,
        arms.concat()
    );
    Plan::parse(name, &text, ".".into(), &[]).unwrap()
}

fn manifest() -> Manifest {
    let images = (0..60).map(|image| {
        let path = format!("{}/{image}.png", CLASSES[image as usize / 10]);
        let digest = Digest::of_bytes(path.as_bytes());
        ImageRecord { path, class: image / 10, digest, width_px: 64, height_px: 48, group: None, split: None }
    });
    Manifest {
        classes: CLASSES.map(str::to_owned).to_vec(),
        images: images.collect(),
        quarantined: Vec::new(),
        ignored: Vec::new(),
        synthetic: true,
    }
}

fn key(plan: &Plan, trial: &Trial<'_>) -> Digest {
    Digest::of_value("large-trial", &(plan.digest(), &trial.arm.name, trial.seed))
}

/// A number of 0 to 1 that depends on nothing but its arguments.
fn noise(labels: &[u64]) -> f64 {
    let digest = Digest::of_value("noise", labels);
    f64::from(u32::from_le_bytes(digest.as_bytes()[..4].try_into().unwrap())) / f64::from(u32::MAX)
}

/// A run as its trainer records it.
fn write_run(folders: &RunFolders, plan: &Plan, trial: Trial<'_>, shape: Shape) {
    let set = Digest::of_bytes(b"set");
    let sets = SetDigests { manifest: set, split: set, training: set, validation: set, test: set };
    let (trial_key, provenance) = (key(plan, &trial), Provenance::default());
    let mut run = folders.begin(&BeginRun { plan, trial, trial_key, sets, provenance }).unwrap();
    let predictions = predictions(trial, shape.test_images);
    for event in events(trial, shape, &predictions) {
        run.record(&event).unwrap();
    }
    run.write_predictions(&predictions).unwrap();
    run.finish().unwrap();
}

fn predictions(trial: Trial<'_>, images: u64) -> Vec<Prediction> {
    let accuracy = 0.7 + 0.01 * f64::from(trial.arm.repeat);
    let prediction = |image: u64| {
        let label = (image % 6) as u32;
        let right = noise(&[u64::from(trial.arm.repeat), trial.seed, image]) < accuracy;
        let mut probabilities = vec![0.123_456_f32; 6];
        probabilities[label as usize] = 0.382_72;
        Prediction {
            image: Digest::of_value("image", &image),
            path: format!("{}/{image}.png", CLASSES[label as usize]),
            derived: false,
            label,
            predicted: if right { label } else { (label + 1) % 6 },
            probabilities,
        }
    };
    (0..images).map(prediction).collect()
}

fn events(trial: Trial<'_>, shape: Shape, predictions: &[Prediction]) -> Vec<RunEvent> {
    let total_epochs = shape.epochs;
    let total_updates = u64::from(total_epochs) * 111;
    let mut events = vec![
        RunEvent::Started { at: AT.to_owned() },
        RunEvent::Prepared { training_samples: 60, updates_per_epoch: 111, total_updates, total_epochs },
    ];
    for epoch in 1..=total_epochs {
        for split in [Split::Train, Split::Validation] {
            let top1 = 0.8 - 0.6 * (-f64::from(epoch) / 20.0).exp() + 0.02 * noise(&[trial.seed, epoch.into()]);
            let metrics = EpochMetrics {
                epoch,
                split,
                loss_nats: 2.0 * (1.0 - top1),
                top1,
                learning_rate: 0.01,
                samples: 60,
                updates: u64::from(epoch) * 111,
                elapsed_secs: 10.5,
            };
            events.push(RunEvent::Epoch { metrics });
        }
        events.push(RunEvent::Checkpointed { epoch });
    }
    let right = predictions.iter().filter(|p| p.label == p.predicted).count() as f64;
    let top1 = right / predictions.len() as f64;
    let result = TestResult { loss_nats: 0.7, top1, samples: predictions.len() as u64 };
    events.extend([
        RunEvent::Selected { epoch: total_epochs, validation_top1: 0.8 },
        RunEvent::TestOpened { at: AT.to_owned() },
        RunEvent::Tested { result },
        RunEvent::Finished { at: AT.to_owned(), weights: Digest::of_bytes(b"weights") },
    ]);
    events
}
