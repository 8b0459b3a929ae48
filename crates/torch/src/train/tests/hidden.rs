//! Mixing inside the network against torchvision's ResNet18 (`fixtures/resnet/make_manifold.py`).

use std::collections::BTreeMap;

use serde::Deserialize;
use tch::{Device, Kind, Reduction, Tensor};

use super::case::Case;
use super::reference::{CLASSES, F64_TOLERANCE, assert_near, find, network, norm};
use crate::networks::tests::formula::{fill, uniform};
use crate::networks::{Mode, channels_last, constructor};
use crate::train::hidden::Blend;
use augtrial_augment::Mixer;
use augtrial_plan::classifier::{Budget, Precision};
use augtrial_plan::networks::NETWORKS;
use augtrial_plan::transform::{HiddenMix, ManifoldMixup, Mix, Pair};

#[derive(Deserialize)]
struct Fixture {
    lambdas: Vec<f64>,
    partners: Vec<usize>,
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    loss: f64,
    gradients: BTreeMap<String, f64>,
}

fn blend(layer: usize, lambdas: &[f64], partners: &[usize]) -> Blend {
    let pairs = partners.iter().zip(lambdas).map(|(&partner, &lambda)| Pair { partner, lambda }).collect();
    Blend::new(&HiddenMix { layer, pairs }, Device::Cpu).unwrap()
}

#[test]
fn values_mixed_after_every_stage_give_pytorchs_losses_and_gradients() {
    let of: Fixture = serde_json::from_str(include_str!("../../../fixtures/resnet/manifold.json")).unwrap();
    assert_eq!(of.stages.len(), 5);
    for (stage, expected) in of.stages.iter().enumerate() {
        let network = network("resnet18");
        fill(network.as_ref(), Kind::Double);
        let images = channels_last(&uniform("input0", &[8, 3, 32, 32], 0.0, 2.0)).to_kind(Kind::Double);
        let labels: Vec<i64> = (0..8).map(|i| 3 * i % CLASSES as i64).collect();
        let blend = blend(stage, &of.lambdas, &of.partners);
        let one_hot = Tensor::from_slice(&labels).one_hot(CLASSES as i64).to_kind(Kind::Double);
        let targets = blend.apply(&one_hot).unwrap();
        let scores = network.forward_changed(&images, Mode::Train, stage, &|values| blend.apply(values)).unwrap();
        let loss = scores.cross_entropy_loss(&targets, None::<&Tensor>, Reduction::Mean, -100, 0.0);
        loss.backward();
        assert_near(&format!("loss at {stage}"), &[loss.double_value(&[])], &[expected.loss], F64_TOLERANCE);
        let tensors = network.tensors();
        for (name, theirs) in &expected.gradients {
            let ours = norm(&find(&tensors, name).grad());
            assert_near(&format!("gradient of {name} at {stage}"), &[ours], &[*theirs], F64_TOLERANCE);
        }
    }
}

/// Every network of the table has the stages that its row says: each is changed once, and there is none behind the last.
#[test]
fn every_stage_of_a_networks_row_is_changed_once() {
    for row in &NETWORKS {
        let network = constructor(row)(3, Device::Cpu);
        let images = Tensor::zeros([2, 3, 64, 64], (Kind::Float, Device::Cpu));
        for stage in 0..=row.stages as usize + 1 {
            let calls = std::cell::Cell::new(0);
            let count = |values: &Tensor| {
                calls.set(calls.get() + 1);
                assert_eq!(values.size()[0], 2);
                Ok(values.shallow_clone())
            };
            let scores = tch::no_grad(|| network.forward_changed(&images, Mode::Evaluate, stage, &count)).unwrap();
            assert_eq!(scores.size(), [2, 3]);
            assert_eq!(calls.get(), usize::from(stage <= row.stages as usize), "{} at {stage}", row.name);
        }
    }
}

#[test]
fn a_trial_that_mixes_hidden_values_learns_in_either_precision_and_repeats_itself() {
    for precision in [Precision::Fp32, Precision::Bf16] {
        let mut case = Case::new(Budget::Epochs(4));
        case.classifier.precision = precision;
        let plain = case.outcome().weights;
        let mix = |stages| Mixer::new(&Mix::ManifoldMixup(ManifoldMixup { stages, ..ManifoldMixup::default() }));
        case.mix = Some(mix(vec![1, 4]));
        let mixed = case.outcome();
        assert!(mixed.history.iter().all(|metrics| metrics.loss_nats.is_finite()));
        assert_ne!(mixed.weights, plain);
        case.mix = Some(mix(vec![1, 4]));
        assert_eq!(case.outcome(), mixed);
    }
}
