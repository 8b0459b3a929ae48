//! Transfer learning: frozen parts and the head's own rate against PyTorch (`fixtures/resnet/make_finetune.py`), and
//! training on features that are computed once against training on images.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use tch::{Kind, Reduction, Tensor};

use super::case::{Case, Log, of_split};
use super::checkpoints::stopped_and_resumed;
use super::images::{jitter, partners, pipeline, samples, unchanged};
use super::reference::{CLASSES, F64_TOLERANCE, assert_near, find, network, norm};
use crate::networks::tests::formula::{fill, uniform};
use crate::networks::{Mode, Part, channels_last};
use crate::train::checkpoint::{Checkpoint, Section};
use crate::train::optimizer::{Optimizer, Rates};
use augtrial_augment::Augmenter;
use augtrial_base::events::{RunEvent, Split};
use augtrial_data::samples::{EvaluationSet, TrainingSet};
use augtrial_plan::classifier::{
    AdamW, Budget, Constant, Cosine, EpochRule, Freeze, Optimizer as Rule, Precision, Schedule, Sgd,
};
use augtrial_trial::TrialOutcome;
use augtrial_trial::schedule::{Position, learning_rate};

#[derive(Deserialize)]
struct Fixture {
    curves: BTreeMap<String, Curve>,
}

#[derive(Deserialize)]
struct Curve {
    freeze: Freeze,
    head_rate: f64,
    losses: Vec<f64>,
    norms: BTreeMap<String, f64>,
}

/// The network in training mode, in f64, under one cosine from two rates.
fn curve_is_pytorchs(name: &str, rule: Rule) {
    let fixture = include_str!("../../../fixtures/resnet/finetune.json");
    let expected = &serde_json::from_str::<Fixture>(fixture).unwrap().curves[name];
    let mut network = network("resnet18");
    fill(network.as_ref(), Kind::Double);
    network.freeze(expected.freeze);
    let tensors = network.tensors();
    let mut optimizer = Optimizer::new(rule, &tensors).unwrap();
    let schedule = Schedule::Cosine(Cosine::default());
    for (update, theirs) in (0..).zip(&expected.losses) {
        let images =
            channels_last(&uniform(&format!("input{}", update % 4), &[8, 3, 32, 32], 0.0, 2.0)).to_kind(Kind::Double);
        let labels: Vec<i64> = (0..8).map(|i| (3 * i + (update % 4) as i64) % CLASSES as i64).collect();
        optimizer.drop_gradients().unwrap();
        let scores = network.forward(&images, Mode::Train).unwrap();
        let loss = scores.cross_entropy_loss(&Tensor::from_slice(&labels), None::<&Tensor>, Reduction::Mean, -100, 0.0);
        loss.backward();
        assert_near(&format!("loss {update}"), &[loss.double_value(&[])], &[*theirs], F64_TOLERANCE);
        let at = Position { update, total_updates: expected.losses.len() as u64, epoch: 0 };
        let scheduled = |base| learning_rate(&schedule, base, at);
        let rates = Rates { body: scheduled(rule.learning_rate()), head: scheduled(expected.head_rate) };
        optimizer.step(update + 1, rates).unwrap();
    }
    for (tensor, theirs) in &expected.norms {
        let ours = norm(&find(&tensors, tensor).detach());
        assert_near(&format!("norm of {tensor}"), &[ours], &[*theirs], F64_TOLERANCE);
    }
    for named in &tensors {
        let gradient = named.tensor.grad();
        assert!(!(named.part.is_frozen(expected.freeze) && gradient.defined()), "{} has a gradient", named.name);
    }
}

const SGD: Sgd = Sgd { learning_rate: 2e-3, momentum: 0.9, weight_decay: 1e-2, nesterov: false };
const ADAMW: AdamW = AdamW { learning_rate: 1e-4, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.1 };

#[test]
fn a_rate_of_the_heads_own_is_pytorchs_group_of_parameters() {
    curve_is_pytorchs("head-rate", Rule::Sgd(SGD));
}

#[test]
fn training_with_a_frozen_stem_is_pytorchs() {
    curve_is_pytorchs("stem", Rule::Sgd(SGD));
    curve_is_pytorchs("stem-adamw", Rule::Adamw(ADAMW));
}

#[test]
fn training_the_head_alone_is_pytorchs() {
    curve_is_pytorchs("all-but-head", Rule::Sgd(SGD));
    curve_is_pytorchs("all-but-head-adamw", Rule::Adamw(ADAMW));
}

/// Gives every image back, and does not say so: what has no table.
struct Untold;

impl Augmenter for Untold {
    fn apply(&self, image: image::RgbImage, _rng: &mut augtrial_base::seed::Stream) -> image::RgbImage {
        image
    }
}

fn case(freeze: Freeze, training_images: usize) -> Case {
    let mut case = Case::new(Budget::Epochs(4)); // batches of 8
    let (images, store) = samples("train", training_images);
    case.training = TrainingSet::for_tests(images, store);
    case.classifier.freeze = freeze;
    case.classifier.head_learning_rate = Some(0.01);
    case.transforms = unchanged();
    case
}

/// Whether a tensor of ResNet18 stays as it is.
fn is_frozen(freeze: Freeze, name: &str) -> bool {
    part(name).is_frozen(freeze)
}

fn part(name: &str) -> Part {
    match name.split('.').next() {
        Some("conv1" | "bn1") => Part::Stem,
        Some("fc") => Part::Head,
        _ => Part::Body,
    }
}

fn features_computed(events: &[RunEvent]) -> Option<(u64, u64)> {
    events.iter().find_map(|event| match event {
        RunEvent::FeaturesComputed { training_images, validation_images } => {
            Some((*training_images, *validation_images))
        }
        _ => None,
    })
}

/// The outcome with a table of the training images, and without.
fn with_and_without_table(mut case: Case) -> [TrialOutcome; 2] {
    let images = case.training.samples().len() as u64;
    let (with, events) = case.run();
    assert_eq!(features_computed(&events), Some((images, 12)));
    case.transforms = pipeline(Untold);
    let (without, events) = case.run();
    assert_eq!(features_computed(&events), Some((0, 12)));
    [with.unwrap(), without.unwrap()]
}

#[test]
fn training_on_features_equals_training_on_images_bit_for_bit() {
    for precision in [Precision::Fp32, Precision::Bf16] {
        let mut case = case(Freeze::AllButHead, 24);
        case.classifier.precision = precision;
        let [with, without] = with_and_without_table(case);
        assert_eq!(with, without, "{precision:?}");
        let train = of_split(&with.history, Split::Train);
        assert!(train[3].loss_nats < train[0].loss_nats, "the head has learned something: {train:?}");
    }
}

#[test]
fn with_batches_of_unequal_size_features_differ_in_the_last_bits_at_most() {
    let [with, without] = with_and_without_table(case(Freeze::AllButHead, 22));
    for (a, b) in with.history.iter().zip(&without.history) {
        assert!((a.loss_nats - b.loss_nats).abs() < 1e-5, "{a:?} {b:?}");
    }
    let probabilities = |outcome: &TrialOutcome| -> Vec<f32> {
        outcome.predictions.iter().flat_map(|prediction| prediction.probabilities.clone()).collect()
    };
    let pairs = probabilities(&with).into_iter().zip(probabilities(&without));
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn images_that_change_have_no_table() {
    let mut jittered = case(Freeze::AllButHead, 24);
    jittered.transforms = jitter();
    let mut mixed = case(Freeze::AllButHead, 24);
    mixed.mix = Some(partners());
    for case in [jittered, mixed] {
        let (outcome, events) = case.run();
        outcome.unwrap();
        assert_eq!(features_computed(&events), Some((0, 12)));
    }
    let (_, events) = case(Freeze::Stem, 24).run();
    assert_eq!(features_computed(&events), None);
}

#[test]
fn validation_by_features_is_validation_by_the_network() {
    // Tested is the network as a whole: on the validation images, it must say what was said of the epoch.
    let mut case = case(Freeze::AllButHead, 24);
    let (images, store) = samples("validation", 12);
    case.test = EvaluationSet::new(Split::Test, images, store);
    case.classifier.epoch_rule = EpochRule::Last;
    let outcome = case.outcome();
    let last = outcome.history.last().unwrap();
    assert_eq!((outcome.test.loss_nats, outcome.test.top1), (last.loss_nats, last.top1));
}

#[test]
fn what_is_frozen_keeps_every_bit_and_the_optimizer_does_not_know_it() {
    for freeze in [Freeze::None, Freeze::Stem, Freeze::AllButHead] {
        let mut case = case(freeze, 24);
        // The last epoch's weights, and before the first update the initial ones.
        case.classifier.epoch_rule = EpochRule::Last;
        let state = |stop_at_once: bool| {
            let folder = tempfile::tempdir().unwrap();
            let stop = AtomicBool::new(false);
            let mut log = Log { stop: stop_at_once.then_some((&stop, 1)), ..Log::default() };
            let _interrupted_or_done = case.run_in(folder.path(), &stop, &mut log);
            Checkpoint::load(folder.path(), case.key).unwrap().unwrap()
        };
        let (early, late) = (state(true), state(false));
        let names: BTreeSet<String> = early.section(Section::Network).into_keys().collect();
        let (before, after) = (early.section(Section::Network), late.section(Section::Network));
        for name in &names {
            assert_eq!(before[name] == after[name], is_frozen(freeze, name), "{freeze:?}: {name}");
        }
        let remembered: BTreeSet<String> = late.section(Section::Optimizer).into_keys().collect();
        let trained = names.iter().filter(|name| !is_frozen(freeze, name) && !name.contains("running_"));
        assert_eq!(remembered, trained.map(|name| format!("{name}.momentum")).collect(), "{freeze:?}");
    }
}

#[test]
fn the_rate_that_is_reported_is_that_of_what_is_trained() {
    let rate = |freeze| {
        let mut case = case(freeze, 24);
        case.classifier.schedule = Schedule::Constant(Constant::default());
        case.outcome().history[0].learning_rate
    };
    assert_eq!((rate(Freeze::Stem), rate(Freeze::AllButHead)), (0.02, 0.01));
}

#[test]
fn a_resumed_trial_on_features_equals_an_uninterrupted_one() {
    let case = case(Freeze::AllButHead, 24);
    let whole = case.outcome();
    for after in [1, 3, 7] {
        assert_eq!(stopped_and_resumed(&case, after).0, whole, "stopped after {after}");
    }
}

#[test]
fn computing_features_stops_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    let stopped = case(Freeze::AllButHead, 24).run_in(folder.path(), &AtomicBool::new(true), &mut log);
    assert!(matches!(stopped, Err(augtrial_trial::TrainError::Interrupted { epochs: 0, updates: 0 })), "{stopped:?}");
    assert_eq!(features_computed(&log.events), None);
}
