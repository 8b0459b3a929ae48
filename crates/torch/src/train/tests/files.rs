//! Training networks from files: as PyTorch trains them, resumable, repeatable, frozen in part.

use std::collections::BTreeSet;

use tch::{Kind, Reduction, Tensor};

use super::case::Case;
use super::checkpoints::stopped_and_resumed;
use super::images::{CLASSES, samples, unchanged};
use super::reference::{F64_TOLERANCE, assert_near, norm};
use crate::generator::seeded;
use crate::networks::tests::formula::{fill, uniform};
use crate::networks::tests::script::{self, SIDE_PX, expected, file, network};
use crate::networks::{Mode, Network as _, channels_last};
use crate::train::checkpoint::{Checkpoint, Section};
use crate::train::optimizer::{Optimizer, Rates};
use augtrial_base::events::RunEvent;
use augtrial_data::samples::TrainingSet;
use augtrial_plan::classifier::{Budget, Freeze, Optimizer as Rule, Precision, Sgd};
use augtrial_trial::preprocess::InputSize;

const NETWORKS: [&str; 4] = ["resnet18", "efficientnet_lite0", "convnext", "vit_dropout"];

fn curve_is_pytorchs(name: &str) {
    let expected = expected(name);
    assert_eq!(expected.losses.len(), 20);
    let network = network(name);
    fill(&network, Kind::Double);
    let tensors = network.tensors();
    let rule = Rule::Sgd(Sgd { learning_rate: 2e-3, momentum: 0.9, weight_decay: 1e-2, nesterov: false });
    let mut optimizer = Optimizer::new(rule, &tensors).unwrap();
    for (step, theirs) in (0..).zip(&expected.losses) {
        let images = uniform(&format!("input{}", step % 4), &[8, 3, SIDE_PX, SIDE_PX], 0.0, 2.0);
        let images = channels_last(&images).to_kind(Kind::Double);
        let labels: Vec<i64> = (0..8).map(|i| (3 * i + step % 4) % script::CLASSES as i64).collect();
        optimizer.drop_gradients().unwrap();
        let turn = seeded(step);
        let scores = network.forward(&images, Mode::Train).unwrap();
        drop(turn);
        let loss = scores.cross_entropy_loss(&Tensor::from_slice(&labels), None::<&Tensor>, Reduction::Mean, -100, 0.0);
        loss.backward();
        assert_near(&format!("{name}: loss {step}"), &[loss.double_value(&[])], &[*theirs], F64_TOLERANCE);
        optimizer.step(step as u64 + 1, Rates { body: rule.learning_rate(), head: rule.learning_rate() }).unwrap();
    }
    let names: BTreeSet<&str> = tensors.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(names, expected.norms.keys().map(String::as_str).collect(), "the names of PyTorch's state dict");
    for named in &tensors {
        let ours = norm(&named.tensor.detach());
        assert_near(&format!("{name}: {}", named.name), &[ours], &[expected.norms[&named.name]], F64_TOLERANCE);
    }
}

#[test]
fn twenty_steps_of_a_resnet_are_pytorchs() {
    curve_is_pytorchs("resnet18");
}

#[test]
fn twenty_steps_of_an_efficientnet_lite_are_pytorchs() {
    curve_is_pytorchs("efficientnet_lite0");
}

#[test]
fn twenty_steps_of_a_convnext_are_pytorchs() {
    curve_is_pytorchs("convnext");
}

#[test]
fn twenty_steps_of_a_vision_transformer_are_pytorchs() {
    curve_is_pytorchs("vit");
}

/// Dropout draws from LibTorch's generator what it draws in Python.
#[test]
fn twenty_steps_with_dropout_are_pytorchs() {
    curve_is_pytorchs("vit_dropout");
}

fn case(name: &str) -> Case {
    let mut case = Case::new(Budget::Epochs(2)); // three updates an epoch
    case.network = Some(file(name));
    case.input = InputSize { width_px: SIDE_PX as u32, height_px: SIDE_PX as u32 };
    case
}

#[test]
fn a_resumed_trial_equals_an_uninterrupted_one() {
    for name in NETWORKS {
        let case = case(name);
        let whole = case.outcome();
        assert_eq!(case.outcome(), whole, "{name}: equal seeds give equal bits");
        for after in [1, 3, 5] {
            assert_eq!(stopped_and_resumed(&case, after).0, whole, "{name}: stopped after {after}");
        }
        assert_ne!(Case { seed: 2, ..self::case(name) }.outcome().weights, whole.weights, "{name}");
    }
}

#[test]
fn bf16_trains_and_repeats_to_the_bit_and_is_another_computation() {
    for name in NETWORKS {
        let mut case = case(name);
        let exact = case.outcome();
        case.classifier.precision = Precision::Bf16;
        let rounded = case.outcome();
        assert_eq!(case.outcome(), rounded, "{name}");
        assert_ne!(rounded.weights, exact.weights, "{name}");
        let losses = |outcome: &augtrial_trial::TrialOutcome| outcome.history[0].loss_nats;
        assert!((losses(&rounded) / losses(&exact) - 1.0).abs() < 0.05, "{name}: the first epoch is nearly the same");
    }
}

#[test]
fn a_frozen_trunk_is_run_once_and_the_table_of_its_features_gives_the_same_bits() {
    for name in ["convnext", "vit_dropout"] {
        let mut case = case(name);
        let (images, store) = samples("train", 24);
        case.training = TrainingSet::for_tests(images, store);
        case.classifier.freeze = Freeze::AllButHead;
        case.transforms = unchanged();
        let (with, events) = case.run();
        let computed = events.iter().find_map(|event| match event {
            RunEvent::FeaturesComputed { training_images, .. } => Some(*training_images),
            _ => None,
        });
        assert_eq!(computed, Some(24));
        let with = with.unwrap();
        assert_eq!(case.outcome(), with, "{name}");
        assert_eq!(stopped_and_resumed(&case, 4).0, with, "{name}");
    }
}

#[test]
fn a_checkpoint_holds_the_running_statistics_and_the_head_for_other_classes() {
    let folder = tempfile::tempdir().unwrap();
    let case = case("resnet18");
    let mut log = super::case::Log::default();
    case.run_in(folder.path(), &std::sync::atomic::AtomicBool::new(false), &mut log).unwrap();
    let state = Checkpoint::load(folder.path(), case.key).unwrap().unwrap().section(Section::Network);
    assert!(state.contains_key("layer4.1.bn2.running_var") && state.contains_key("conv1.weight"));
    assert_eq!(state["fc.weight"].shape, [CLASSES, 24]);
    assert!(!state.keys().any(|name| name.ends_with("num_batches_tracked")));
}
