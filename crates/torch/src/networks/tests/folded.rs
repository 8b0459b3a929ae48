//! The network for evaluation against the one that is trained.

use tch::{Device, Kind, Tensor};

use super::formula::{fill, uniform};
use crate::networks::resnet::{Branch, ResNet, ResNetLayout, Stem};
use crate::networks::{Mode, Network as _, channels_last};
use augtrial_plan::classifier::Precision;

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[])
}

/// Both shapes of blocks, and statistics that are not those of the start.
#[test]
fn scores_are_those_of_the_network_with_its_running_statistics() {
    for branch in [Branch::Basic, Branch::Bottleneck] {
        let network = ResNet::new(
            ResNetLayout { stem: Stem::Quartering, branch, depths: &[1, 2, 1, 1], width: 8 },
            5,
            Device::Cpu,
        );
        fill(&network, Kind::Float);
        let images = channels_last(&uniform("input", &[3, 3, 40, 56], 0.0, 2.0));
        tch::no_grad(|| {
            for _ in 0..3 {
                let _moves_the_statistics = network.forward(&images, Mode::Train).unwrap();
            }
            let expected = network.forward(&images, Mode::Evaluate).unwrap();
            let exact = network.folded(Precision::Fp32).unwrap().forward(&images).unwrap();
            let difference = largest_difference(&exact, &expected);
            assert!(difference < 1e-5, "{difference:e}");
            // bf16 has eight bits of mantissa: half a unit is 2^-9, and the errors of a dozen layers add up.
            let rounded = network.folded(Precision::Bf16).unwrap().forward(&images).unwrap();
            let difference = largest_difference(&rounded, &expected);
            assert!(difference > 1e-5 && difference < 0.05, "{difference:e}");
        });
    }
}
