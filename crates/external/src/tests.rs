//! Whole trials of a trainer that says what a test has it say, right and wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::protocol::Said;
use crate::{External, files_of};
use augtrial_augment::{Augmenter as _, Pipeline};
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::events::{Observer, RunEvent, Split};
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_base::words::chain;
use augtrial_data::pixels::{PixelBlock, PixelStore};
use augtrial_data::samples::{EvaluationSet, Sample, TrainingSet};
use augtrial_plan::Plan;
use augtrial_plan::classifier::Classifier;
use augtrial_plan::transform::Transform;
use augtrial_trial::{
    CheckpointRule, Engine as _, InputSize, Outside, TrainError, TrialOutcome, TrialSpec, saved_state,
};

const SIDE_PX: u32 = 8;
static NEVER: AtomicBool = AtomicBool::new(false);

/// `count` images of two classes, noise of the image's number.
fn samples(part: &str, count: usize) -> (Vec<Sample>, PixelStore) {
    let image_bytes = (SIDE_PX * SIDE_PX * 3) as usize;
    let bytes: Vec<u8> = (0..count * image_bytes).map(|index| (index * 7919 % 251) as u8).collect();
    let sample = |index: usize| Sample {
        pixels: index,
        label: index as u32 % 2,
        image: Digest::of_bytes(format!("{part}{index}").as_bytes()),
        source: Digest::of_bytes(format!("{part}{index}").as_bytes()),
        path: format!("{part}/{index}.png"),
        derived: false,
    };
    let mut store = PixelStore::new(SIDE_PX, SIDE_PX);
    store.push(Arc::new(PixelBlock::from_memory(SIDE_PX, SIDE_PX, bytes)));
    ((0..count).map(sample).collect(), store)
}

/// A trial of ten training, four validation and three test images, two epochs of two updates.
struct Case {
    classifier: Classifier,
    run: tempfile::TempDir,
    online: Vec<Transform>,
    recipe: Digest,
}

#[derive(Default)]
struct Heard(Vec<RunEvent>);

impl Observer for Heard {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        self.0.push(event.clone());
        Ok(())
    }
}

impl Case {
    fn new(command: &str) -> Self {
        let says = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/says.py");
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\nimages = 60\n[classifier]\nbudget = {{ updates = 4 }}\n\
             batch_size = 5\n[classifier.command]\nrun = [\"python3\", \"{says}\"]\n{command}\n[[arm]]\nname = \"c\"\nrole = \"control\"\n"
        );
        let plan = Plan::parse("test", &text, PathBuf::new(), &[]).unwrap_or_else(|error| panic!("{error}"));
        Self {
            classifier: plan.classifier,
            run: tempfile::tempdir().unwrap(),
            online: Vec::new(),
            recipe: Digest::of_bytes(b"recipe"),
        }
    }

    fn saying(command: &str, settings: Value) -> Self {
        let mut case = Self::new(command);
        case.classifier.command.as_mut().unwrap().settings = serde_json::from_value(settings).unwrap();
        case
    }

    fn train(&self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError> {
        let (training, validation, test) = (samples("train", 10), samples("validation", 4), samples("test", 3));
        let spec = TrialSpec {
            study_seed: StudySeed(1),
            seed: 7,
            classifier: &self.classifier,
            classes: 2,
            input: InputSize { width_px: SIDE_PX, height_px: SIDE_PX },
            network: None,
            pretrained: None,
            training: &TrainingSet::for_tests(training.0, training.1),
            validation: &EvaluationSet::new(Split::Validation, validation.0, validation.1),
            test: &EvaluationSet::new(Split::Test, test.0, test.1),
            further: &[],
            watched: None,
            transforms: &Pipeline::new(&self.online),
            mix: None,
            features: None,
            outside: Outside {
                base: Path::new(""),
                originals: Path::new("/data"),
                sets: Path::new("/sets"),
                online: &self.online,
                mix: None,
            },
            recipe: self.recipe,
            trial_key: Digest::of_bytes(b"key"),
            folder: self.run.path(),
            workers: 1,
            clock: Clock::System,
            checkpoints: CheckpointRule::default(),
            stop,
            save: &NEVER,
        };
        External::beside(None).train(&spec, observer)
    }

    fn outcome(&self) -> (Result<TrialOutcome, TrainError>, Vec<RunEvent>) {
        let mut heard = Heard::default();
        (self.train(&NEVER, &mut heard), heard.0)
    }

    /// Why it fails, with its causes.
    fn failure(&self) -> String {
        chain(&self.outcome().0.expect_err("it fails"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.run.path().join(name)
    }
}

fn epoch(number: u32, top1: f64) -> Value {
    let part = |top1: f64| json!({ "loss_nats": 0.5, "top1": top1 });
    json!({
        "event": "epoch", "epoch": number, "updates": 2 * number, "learning_rate": 0.1,
        "train": part(0.5), "validation": part(top1),
    })
}

fn selected(epoch: u32) -> Value {
    json!({ "event": "selected", "epoch": epoch })
}

fn prediction(image: usize, probabilities: [f64; 2]) -> Value {
    json!({ "event": "prediction", "image": image, "probabilities": probabilities })
}

/// Everything that is to be said, the first epoch the better one.
fn everything() -> Vec<Value> {
    vec![
        json!({ "event": "hello", "software": { "torch": "2.13.0" } }),
        json!("a library prints this"),
        json!({ "event": "progress", "epoch": 1, "updates": 1 }),
        epoch(1, 0.75),
        epoch(2, 0.5),
        selected(1),
        prediction(2, [0.5, 0.5]),
        prediction(0, [0.9, 0.1]),
        prediction(1, [0.8, 0.2]),
    ]
}

#[test]
fn what_a_trainer_says_becomes_the_events_of_a_run() {
    let case = Case::saying("", json!({ "say": everything() }));
    let (outcome, events) = case.outcome();
    let outcome = outcome.unwrap_or_else(|error| panic!("{}", chain(&error)));
    let names: Vec<String> =
        events.iter().map(|event| serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["prepared", "epoch", "epoch", "epoch", "epoch", "selected", "test-opened", "tested", "cost"]);
    assert_eq!(outcome.selected_epoch, 1);
    // Labels 0, 1, 0; of equal probabilities the first class counts.
    assert!((outcome.test.top1 - 2.0 / 3.0).abs() < 1e-12);
    let loss = -(f64::from(0.9_f32).ln() + f64::from(0.2_f32).ln() + 0.5_f64.ln()) / 3.0;
    assert!((outcome.test.loss_nats - loss).abs() < 1e-12);
    assert_eq!(outcome.predictions[1].predicted, 0);
    let RunEvent::Epoch { metrics } = &events[1] else { panic!("{events:?}") };
    assert_eq!((metrics.split, metrics.samples, metrics.updates), (Split::Train, 10, 2));
    let trainer: Value = serde_json::from_slice(&std::fs::read(case.file("trainer.json")).unwrap()).unwrap();
    assert_eq!(trainer["software"]["torch"], "2.13.0");
    assert!(std::fs::read_to_string(case.file("trainer.log")).unwrap().contains("a library prints this"));
    assert_eq!(External::beside(None).record_files(case.run.path()), ["trainer.json", "trainer.log"]);
}

#[test]
fn a_trainer_is_given_no_label_of_a_test_image_and_no_name() {
    let case = Case::saying("", json!({ "say": everything() }));
    case.outcome().0.unwrap();
    let read = |name: &str| std::fs::read_to_string(case.file(name)).unwrap();
    let manifest: Value = serde_json::from_str(&read("trainer/manifest.json")).unwrap();
    assert_eq!(manifest["train"][1], json!({ "file": "/data/train/1.png", "label": 1 }));
    assert_eq!((&manifest["test_images"], &manifest["total_updates"]), (&json!(3), &json!(4)));
    assert!(manifest.get("test").is_none() && manifest.get("arm").is_none() && manifest.get("study").is_none());
    let test: Value = serde_json::from_str(&read("trainer/test.json")).unwrap();
    assert_eq!(test[2], json!({ "file": "/data/test/2.png" }));
}

#[test]
fn seeds_of_weights_and_order_depend_on_no_arm() {
    let seeds = |recipe: &[u8]| {
        let case = Case { recipe: Digest::of_bytes(recipe), ..Case::saying("", json!({ "say": everything() })) };
        case.outcome().0.unwrap();
        let manifest = std::fs::read(case.file("trainer/manifest.json")).unwrap();
        serde_json::from_slice::<Value>(&manifest).unwrap()["seeds"].clone()
    };
    let (one, other) = (seeds(b"one"), seeds(b"other"));
    assert_eq!((&one["init"], &one["order"]), (&other["init"], &other["order"]));
    assert_ne!(one["online"], other["online"]);
    assert_ne!(one["init"], one["order"]);
}

/// Everything, with the line at `index` replaced by others.
fn with(index: usize, lines: &[Value]) -> Vec<Value> {
    let mut all = everything();
    all.splice(index..=index, lines.iter().cloned());
    all
}

#[test]
fn whatever_is_said_wrongly_fails_the_trial_and_says_how() {
    let wrong = [
        (with(3, &[json!({ "event": "teleported" })]), "unknown variant `teleported`"),
        (with(3, &[json!("{ \"event\": \"epoch\", \"epoch\": NaN }")]), "line 4 of its output is no event"),
        (with(3, &[epoch(2, 0.5)]), "reported epoch 2 where epoch 1 was due"),
        (with(4, &[epoch(2, 1.5)]), "`validation.top1` is 1.5, which is no share from 0 to 1"),
        (with(4, &[epoch(2, 0.5), epoch(3, 0.5)]), "reported epoch 3, and the budget has 2 epochs"),
        (with(4, &[json!({ "event": "checkpoint", "epoch": 1 })]), "say `resumes = true`"),
        (with(4, &[]), "selected an epoch after 1 of 2 epochs"),
        (with(5, &[selected(2)]), "`epoch_rule = \"best-validation\"` selects epoch 1"),
        (with(5, &[]), "`prediction` before it selected an epoch"),
        (with(5, &[json!({ "event": "pixels", "part": "test" })]), "for the test part before it selected"),
        (with(6, &[]), "no prediction for 1 image of the test part, the first test/2.png"),
        (with(6, &[prediction(0, [0.5, 0.5])]), "two predictions for test image 0 (test/0.png)"),
        (with(6, &[prediction(3, [0.5, 0.5])]), "the test part has images 0 to 2"),
        (with(6, &[prediction(2, [0.5, 0.4])]), "sum to 0.9000 instead of 1"),
        (with(6, &[prediction(2, [2.0, -1.0])]), "give those after softmax"),
        (everything()[..5].to_vec(), "ended after 2 of 2 epochs without a result"),
    ];
    for (lines, expected) in wrong {
        let failure = Case::saying("", json!({ "say": lines })).failure();
        assert!(failure.contains(expected), "{failure}\nshould contain\n{expected}");
    }
}

#[test]
fn a_budget_of_updates_is_held() {
    let mut short = epoch(1, 0.75);
    short["updates"] = json!(1);
    let failure = Case::saying("", json!({ "say": with(3, &[short]) })).failure();
    assert!(failure.contains("made 1 updates after epoch 1, and the budget asks for 2"), "{failure}");
}

#[test]
fn a_trainer_that_ends_badly_is_told_with_its_last_lines() {
    let lines = vec![json!({ "complain": "Traceback: out of memory" })];
    let failure = Case::saying("", json!({ "say": lines, "code": 3 })).failure();
    assert!(failure.contains("ended with code 3; its last lines"), "{failure}");
    assert!(failure.contains("Traceback: out of memory"), "{failure}");
    let mut case = Case::new("");
    case.classifier.command.as_mut().unwrap().run = vec!["no-such-program".to_owned()];
    assert!(case.failure().contains("cannot start `no-such-program`"), "{}", case.failure());
}

#[cfg(unix)]
#[test]
fn a_trainer_that_says_nothing_or_takes_too_long_is_stopped() {
    let wait = json!({ "say": [{ "wait": true }] });
    let failure = Case::saying("silence_secs = 1", wait.clone()).failure();
    assert!(failure.contains("reported nothing for `silence_secs = 1`"), "{failure}");
    let failure = Case::saying("timeout_secs = 1", wait).failure();
    assert!(failure.contains("took longer than `timeout_secs = 1`"), "{failure}");
}

/// Sets the flag at the first checkpoint.
struct StopAtCheckpoint<'a>(&'a AtomicBool);

impl Observer for StopAtCheckpoint<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        if matches!(event, RunEvent::Checkpointed { .. }) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(unix)]
#[test]
fn a_trainer_that_can_continue_does_and_the_history_is_whole() {
    let all = everything();
    let checkpoint = json!({ "event": "checkpoint", "epoch": 1 });
    let say = [&all[..4], &[checkpoint, json!({ "wait": true })]].concat();
    let case = Case::saying("resumes = true", json!({ "say": say, "then": all[4..].to_vec() }));
    let stop = AtomicBool::new(false);
    let error = case.train(&stop, &mut StopAtCheckpoint(&stop)).unwrap_err();
    assert!(matches!(error, TrainError::Interrupted { epochs: 1, updates: 2 }), "{error}");
    assert!(saved_state(case.run.path()).is_some());
    let (outcome, events) = case.outcome();
    let outcome = outcome.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(matches!(events[0], RunEvent::Resumed { epoch: 1, .. }), "{events:?}");
    assert_eq!(outcome.history.iter().map(|metrics| metrics.epoch).collect::<Vec<_>>(), [1, 1, 2, 2]);
    // A state of another trial is refused.
    std::fs::write(case.file("trainer/state.json"), "{}").unwrap();
    assert!(matches!(case.outcome().0.unwrap_err(), TrainError::CheckpointDamaged { .. }));
}

#[cfg(unix)]
#[test]
fn a_trainer_that_cannot_continue_begins_again() {
    let say = [&everything()[..4], &[json!({ "wait": true })]].concat();
    let case = Case::saying("silence_secs = 20", json!({ "say": say }));
    let stop = AtomicBool::new(true);
    assert!(matches!(case.train(&stop, &mut Heard::default()).unwrap_err(), TrainError::Interrupted { .. }));
    assert!(saved_state(case.run.path()).is_none());
}

#[test]
fn pixels_of_a_pass_are_those_that_augtrials_own_trainer_sees() {
    let pixels = json!({ "event": "pixels", "part": "train", "pass_number": 5 });
    let mut case = Case::saying("online = \"augtrial\"", json!({ "say": with(3, &[pixels, epoch(1, 0.75)]) }));
    case.online = serde_json::from_value(json!([{ "color_jitter": { "brightness": 0.5 } }])).unwrap();
    case.outcome().0.unwrap_or_else(|error| panic!("{}", chain(&error)));
    let written = std::fs::read(case.file("trainer/train.rgb8")).unwrap();
    let (samples, store) = samples("train", 10);
    let pipeline = Pipeline::new(&case.online);
    let expected: Vec<u8> = samples
        .iter()
        .enumerate()
        .flat_map(|(position, sample)| {
            let image =
                image::RgbImage::from_raw(SIDE_PX, SIDE_PX, store.rgb(sample.pixels).unwrap().into_owned()).unwrap();
            let purpose = Purpose::Online { recipe: case.recipe, seed: 7, pass: 5 };
            pipeline.apply(image, &mut StudySeed(1).stream(purpose, position as u64)).into_raw()
        })
        .collect();
    assert_eq!(written, expected);
    let originals: Vec<u8> = samples.iter().flat_map(|sample| store.rgb(sample.pixels).unwrap().into_owned()).collect();
    assert_ne!(written, originals, "something was transformed");
}

#[test]
fn a_trainer_that_passes_over_the_transformed_pixels_is_found_out() {
    let mut case = Case::saying("online = \"augtrial\"", json!({ "say": everything() }));
    case.online = serde_json::from_value(json!([{ "color_jitter": { "brightness": 0.5 } }])).unwrap();
    assert!(case.failure().contains("never asked for the pixels of a pass"), "{}", case.failure());
}

#[test]
fn files_among_the_arguments_and_declared_ones_are_digested_once() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train.py", "model.py"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let mut command = Case::new("").classifier.command.unwrap();
    command.run = ["python3", "train.py", "--rate", "0.1"].map(str::to_owned).to_vec();
    command.files = ["model.py", "train.py"].map(str::to_owned).to_vec();
    let files = files_of(&command, folder.path()).unwrap();
    assert_eq!(files.iter().map(|file| file.file.as_str()).collect::<Vec<_>>(), ["train.py", "model.py"]);
    assert_eq!(files[0].digest, Digest::of_bytes(b"train.py"));
    command.files = vec!["missing.py".to_owned()];
    assert!(files_of(&command, folder.path()).unwrap_err().0.ends_with("missing.py"));
}

#[test]
fn the_document_describes_every_event() {
    let document = include_str!("../../../docs/external.md");
    for name in Said::NAMES {
        assert!(document.contains(&format!("`{name}`")), "docs/external.md lacks `{name}`");
        // It is read under this name.
        let error = serde_json::from_str::<Said>(r#"{"event":"teleported"}"#).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
}
