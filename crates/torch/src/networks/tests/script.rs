//! Networks from files against PyTorch's eager mode (`fixtures/networks/make_networks.py`): scores, modes, parts, copies,
//! initial values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::formula::{fill, uniform};
use crate::generator::seeded;
use crate::networks::script::ScriptNetwork;
use crate::networks::{Law, Mode, NamedTensor, Network, Part, Role, channels_last};
use augtrial_plan::classifier::{Freeze, Precision};
use augtrial_plan::networks::NetworkFile;

/// Side of the input, px.
pub const SIDE_PX: i64 = 48;
pub const CLASSES: usize = 10;
/// In f64, both sides differ by the order of sums.
const TOLERANCE: f64 = 1e-8;

#[derive(Deserialize)]
struct Fixture {
    networks: BTreeMap<String, Expected>,
}

/// What PyTorch makes of a network.
#[derive(Deserialize)]
pub struct Expected {
    pub eval: Vec<f64>,
    pub train: Vec<f64>,
    pub losses: Vec<f64>,
    /// Of every tensor after the last step.
    pub norms: BTreeMap<String, f64>,
}

pub fn expected(name: &str) -> Expected {
    let text = include_str!("../../../fixtures/networks/networks.json");
    serde_json::from_str::<Fixture>(text).unwrap().networks.remove(name).unwrap()
}

pub fn file(name: &str) -> NetworkFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/networks").join(name);
    NetworkFile::open(&folder).unwrap()
}

pub fn network(name: &str) -> ScriptNetwork {
    ScriptNetwork::load(&file(name), CLASSES, Device::Cpu).unwrap()
}

fn images(name: &str, count: i64) -> Tensor {
    channels_last(&uniform(name, &[count, 3, SIDE_PX, SIDE_PX], 0.0, 2.0))
}

fn difference(ours: &Tensor, theirs: &[f64]) -> f64 {
    let theirs = Tensor::from_slice(theirs).view_(ours.size());
    (ours - &theirs).abs().max().double_value(&[]) / theirs.abs().max().double_value(&[])
}

fn scores_are_pytorchs(name: &str) {
    let (network, expected) = (network(name), expected(name));
    fill(&network, Kind::Double);
    let images = images("input", 4).to_kind(Kind::Double);
    let scores = |mode| tch::no_grad(|| network.forward(&images, mode)).unwrap();
    let evaluated = scores(Mode::Evaluate);
    assert!(difference(&evaluated, &expected.eval) < TOLERANCE, "{name}");
    let _turn = seeded(0);
    let trained = scores(Mode::Train);
    assert!(difference(&trained, &expected.train) < TOLERANCE, "{name}");
}

#[test]
fn a_resnet_gives_pytorchs_scores_in_both_modes() {
    scores_are_pytorchs("resnet18");
}

#[test]
fn an_efficientnet_lite_gives_pytorchs_scores_in_both_modes() {
    scores_are_pytorchs("efficientnet_lite0");
}

#[test]
fn a_convnext_gives_pytorchs_scores_in_both_modes() {
    scores_are_pytorchs("convnext");
}

#[test]
fn a_vision_transformer_gives_pytorchs_scores_with_dropout_and_without() {
    scores_are_pytorchs("vit");
    scores_are_pytorchs("vit_dropout");
}

#[test]
fn modes_switch_and_evaluation_leaves_the_running_statistics() {
    let network = network("resnet18");
    fill(&network, Kind::Float);
    let buffers = || {
        let tensors = network.tensors().into_iter().filter(|named| named.role == Role::Buffer);
        tensors.map(|named| named.tensor.detach().copy()).collect::<Vec<_>>()
    };
    let equal = |a: &[Tensor], b: &[Tensor]| a.iter().zip(b).all(|(a, b)| a.equal(b));
    let before = buffers();
    assert_eq!(before.len(), 42, "21 layers with a mean and a variance; counts of batches are left out");
    let scores = |mode| tch::no_grad(|| network.forward(&images("input", 4), mode)).unwrap();
    let evaluated = scores(Mode::Evaluate);
    assert!(equal(&buffers(), &before));
    let trained = scores(Mode::Train);
    let moved = buffers();
    assert!(moved.iter().zip(&before).all(|(a, b)| !a.equal(b)));
    assert!(!trained.equal(&evaluated));
    let _again = scores(Mode::Evaluate);
    assert!(equal(&buffers(), &moved));
}

#[test]
fn what_is_frozen_has_no_gradient_and_keeps_its_buffers() {
    for freeze in [Freeze::Stem, Freeze::AllButHead] {
        for name in ["resnet18", "efficientnet_lite0"] {
            let mut network = network(name);
            fill(&network, Kind::Float);
            network.freeze(freeze);
            let before: Vec<Tensor> = network.tensors().iter().map(|named| named.tensor.detach().copy()).collect();
            network.forward(&images("input", 2), Mode::Train).unwrap().sum(Kind::Float).backward();
            let mut parts = Vec::new();
            for (named, before) in network.tensors().iter().zip(&before) {
                let (frozen, tensor) = (named.part.is_frozen(freeze), &named.name);
                parts.push(named.part);
                match named.role {
                    Role::Parameter => assert_eq!(named.tensor.grad().defined(), !frozen, "{name}: {tensor}"),
                    _ => assert_eq!(named.tensor.equal(before), frozen, "{name}: {tensor}"),
                }
            }
            assert!([Part::Stem, Part::Body, Part::Head].iter().all(|part| parts.contains(part)));
        }
    }
}

#[test]
fn the_copy_for_evaluation_gives_the_scores_and_does_not_change_with_the_network() {
    let _turn = seeded(0);
    for name in ["resnet18", "vit_dropout"] {
        let network = network(name);
        fill(&network, Kind::Float);
        tch::no_grad(|| {
            let images = images("input", 3);
            let evaluated = network.forward(&images, Mode::Evaluate).unwrap();
            let _moves_the_mode = network.forward(&images, Mode::Train).unwrap();
            fill(&network, Kind::Float);
            let folded = network.folded(Precision::Fp32).unwrap();
            let rounded = network.folded(Precision::Bf16).unwrap();
            network.tensors().iter().for_each(|named| {
                let _zeroed = named.tensor.shallow_clone().zero_();
            });
            let exact = folded.forward(&images).unwrap();
            assert!(exact.equal(&evaluated), "{name}: {:e}", (&exact - &evaluated).abs().max().double_value(&[]));
            let difference = (rounded.forward(&images).unwrap() - &evaluated).abs().max().double_value(&[]);
            let relative = difference / evaluated.abs().max().double_value(&[]);
            assert!(relative > 1e-5 && relative < 0.05, "{name}: {relative:e}");
        });
    }
}

/// A later call must not be computed otherwise than the first: a resumed trial makes other calls first.
#[test]
fn the_first_call_gives_the_bits_of_every_later_one() {
    let network = network("convnext");
    let images = images("input", 4);
    let gradients = || {
        network.tensors().iter().for_each(|named| named.tensor.shallow_clone().zero_grad());
        let scores = network.forward(&images, Mode::Train).unwrap();
        scores.square().sum(Kind::Float).backward();
        let tensors = network.tensors();
        let trained = tensors.iter().filter(|named| named.role == Role::Parameter);
        (scores.detach(), trained.map(|named| named.tensor.grad().copy()).collect::<Vec<_>>())
    };
    let first = gradients();
    for _ in 0..4 {
        let later = gradients();
        assert!(later.0.equal(&first.0));
        assert!(later.1.iter().zip(&first.1).all(|(a, b)| a.equal(b)));
    }
}

fn law<'a>(tensors: &'a [NamedTensor], name: &str) -> &'a Law {
    &tensors.iter().find(|named| named.name == name).expect("a tensor of the network").law
}

#[test]
fn random_weights_are_drawn_by_the_laws_that_pytorch_draws_them_by() {
    let tensors = network("resnet18").tensors();
    assert_eq!(*law(&tensors, "bn1.weight"), Law::Kept, "a constant");
    assert_eq!(*law(&tensors, "bn1.running_mean"), Law::Kept);
    // timm draws convolutions of residual networks as He et al. 2015, of both directions the backward one.
    let Law::Normal { deviation } = *law(&tensors, "layer1.0.conv2.weight") else { panic!("a normal law") };
    let exact = (2.0_f64 / (8.0 * 9.0)).sqrt();
    assert!((deviation / exact - 1.0).abs() < 0.1, "{deviation} {exact}");
    assert!(matches!(law(&tensors, "fc.weight"), Law::Uniform { .. }));
    let tensors = network("vit").tensors();
    let Law::Normal { deviation } = *law(&tensors, "pos_embed") else { panic!("a normal law") };
    assert!((deviation / 0.02 - 1.0).abs() < 0.1, "{deviation}");
}

#[test]
fn trained_weights_are_kept_and_the_head_if_the_classes_are_as_many() {
    let kept = network("convnext").tensors();
    assert!(kept.iter().all(|named| named.law == Law::Kept));
    let head = |tensors: &[NamedTensor]| {
        let named = tensors.iter().find(|named| named.name == "head.fc.weight").unwrap();
        named.tensor.detach().abs().max().double_value(&[])
    };
    assert!(head(&kept) > 0.0);
    let others = ScriptNetwork::load(&file("convnext"), 6, Device::Cpu).unwrap().tensors();
    assert!(matches!(law(&others, "head.fc.weight"), Law::Uniform { .. }));
    assert_eq!(head(&others), 0.0, "not drawn yet");
}

#[test]
fn a_module_that_is_not_what_its_manifest_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/networks/vit");
    fs::copy(source.join("network.pt"), folder.path().join("network.pt")).unwrap();
    let text = fs::read_to_string(source.join("manifest.json")).unwrap();
    let refusal = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        edit(&mut manifest);
        fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        let file = NetworkFile::open(folder.path()).unwrap();
        ScriptNetwork::load(&file, CLASSES, Device::Cpu).unwrap_err().to_string()
    };
    let message = refusal(&|manifest| manifest["head"]["features"] = 25.into());
    assert!(message.contains("its head is not a linear layer from 25 to 10 values"), "{message}");
    let message = refusal(&|manifest| manifest["file"]["sha256"] = "0".repeat(64).into());
    assert!(message.contains("it was changed or damaged, and nothing of it was run"), "{message}");
    fs::write(folder.path().join("network.pt"), b"no archive").unwrap();
    let message = refusal(&|manifest| {
        manifest["file"]["bytes"] = 10.into();
        manifest["file"]["sha256"] = augtrial_base::digest::Digest::of_bytes(b"no archive").to_string().into();
    });
    assert!(message.contains("network.pt cannot be used"), "{message}");
}
