//! The JSON file that a trainer reads: everything that it needs to know, and nothing that must not decide its result.
//!
//! There is no name of an arm or a study in it, and no label of a test image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::Rng as _;
use serde::Serialize;

use crate::WEIGHTS_FILE_NAME;
use crate::protocol::PROTOCOL_VERSION;
use augtrial_base::seed::Purpose;
use augtrial_data::samples::Sample;
use augtrial_plan::classifier::{Budget, EpochRule};
use augtrial_plan::command::{Command, OnlineBy};
use augtrial_plan::transform::{Mix, Transform};
use augtrial_trial::TrialSpec;

/// What a trainer is given.
#[derive(Debug, Serialize)]
pub struct Manifest<'a> {
    protocol: u32,
    /// The trial's.
    seed: u64,
    seeds: Seeds,
    classes: usize,
    budget: Budget,
    total_epochs: u32,
    total_updates: u64,
    /// Of every epoch but perhaps the last.
    updates_per_epoch: u64,
    batch_size: u32,
    epoch_rule: EpochRule,
    input: Size,
    device: String,
    threads: u32,
    online: Online<'a>,
    train: Vec<Labeled>,
    validation: Vec<Labeled>,
    test_images: usize,
    /// The epoch to continue after; nothing to begin.
    resume_after: Option<u32>,
    /// A folder for what it needs to continue; nothing if it cannot.
    state: Option<PathBuf>,
    /// Where it may leave the selected weights, in whatever form.
    weights: PathBuf,
    settings: &'a BTreeMap<String, serde_json::Value>,
}

/// Seeds for generators of its own, below 2^31. `init` and `order` depend on no arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Seeds {
    init: u32,
    order: u32,
    online: u32,
}

#[derive(Debug, Serialize)]
struct Size {
    width_px: u32,
    height_px: u32,
}

#[derive(Debug, Serialize)]
struct Online<'a> {
    by: Option<OnlineBy>,
    transforms: &'a [Transform],
    mix: Option<&'a Mix>,
}

#[derive(Debug, Serialize)]
struct Labeled {
    file: PathBuf,
    label: u32,
}

/// A test image: nothing but where it is.
#[derive(Debug, Serialize)]
pub struct Unlabeled {
    file: PathBuf,
}

impl<'a> Manifest<'a> {
    /// Of a trial whose trainer works in `folder`, on so many threads.
    pub fn new(
        spec: &'a TrialSpec<'_>,
        command: &'a Command,
        folder: &Path,
        threads: u32,
        resume_after: Option<u32>,
    ) -> Self {
        let timetable = spec.timetable();
        let classifier = spec.classifier;
        let labeled = |samples: &[Sample]| {
            samples.iter().map(|sample| Labeled { file: file_of(spec, sample), label: sample.label }).collect()
        };
        Self {
            protocol: PROTOCOL_VERSION,
            seed: spec.seed,
            seeds: Seeds::of(spec),
            classes: spec.classes,
            budget: classifier.budget,
            total_epochs: timetable.total_epochs(),
            total_updates: timetable.total_updates(),
            updates_per_epoch: timetable.updates_per_epoch(),
            batch_size: classifier.batch_size,
            epoch_rule: classifier.epoch_rule,
            input: Size { width_px: spec.input.width_px, height_px: spec.input.height_px },
            device: classifier.device.to_string(),
            threads,
            online: Online { by: command.online, transforms: spec.outside.online, mix: spec.outside.mix },
            train: labeled(spec.training.samples()),
            validation: labeled(spec.validation.samples()),
            test_images: spec.test.samples().len(),
            resume_after,
            state: command.resumes.then(|| folder.join(STATE_FOLDER_NAME)),
            weights: spec.folder.join(WEIGHTS_FILE_NAME),
            settings: &command.settings,
        }
    }
}

/// Name of the folder that a trainer keeps what it can continue from in.
pub const STATE_FOLDER_NAME: &str = "state";

/// The test images in their order.
pub fn test_images(spec: &TrialSpec<'_>) -> Vec<Unlabeled> {
    spec.test.samples().iter().map(|sample| Unlabeled { file: file_of(spec, sample) }).collect()
}

fn file_of(spec: &TrialSpec<'_>, sample: &Sample) -> PathBuf {
    let root = if sample.derived { spec.outside.sets } else { spec.outside.originals };
    root.join(&sample.path)
}

impl Seeds {
    fn of(spec: &TrialSpec<'_>) -> Self {
        let seed = spec.seed;
        // The first number of the stream that our own trainer draws from.
        let first = |purpose| spec.study_seed.stream(purpose, 0).next_u32() >> 1;
        Self {
            init: first(Purpose::Init { seed }),
            order: first(Purpose::Shuffle { seed, pass: 0 }),
            online: first(Purpose::Online { recipe: spec.recipe, seed, pass: 0 }),
        }
    }
}
