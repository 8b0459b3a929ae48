//! Every row of the table of networks has a constructor, and what it builds is what the row says.

use std::collections::BTreeSet;

use tch::{Device, Kind, Tensor};

use super::formula::{fill, uniform};
use crate::networks::{CONSTRUCTORS, Mode, Network, Part, Role, channels_last, constructor};
use augtrial_plan::classifier::Freeze;
use augtrial_plan::networks::{Architecture, NETWORKS};

/// Classes of the head that a row's number of parameters includes.
const CLASSES: usize = 1000;

fn built(architecture: Architecture) -> Box<dyn Network> {
    constructor(architecture.network())(CLASSES, Device::Cpu)
}

/// The module that a tensor is of: its name without the last word.
fn module(name: &str) -> &str {
    name.rsplit_once('.').expect("a tensor is of a module").0
}

#[test]
fn every_row_has_a_constructor_and_every_constructor_a_row() {
    let rows: BTreeSet<&str> = NETWORKS.iter().map(|network| network.name).collect();
    let constructors: BTreeSet<&str> = CONSTRUCTORS.iter().map(|(name, _)| *name).collect();
    assert_eq!((rows, CONSTRUCTORS.len()), (constructors, NETWORKS.len()));
}

#[test]
fn parameters_stem_and_head_are_those_of_the_row() {
    for architecture in Architecture::all() {
        let (network, row) = (built(architecture), architecture.network());
        let tensors = network.tensors();
        let parameters = tensors.iter().filter(|named| named.role == Role::Parameter);
        assert_eq!(parameters.map(|named| named.tensor.numel() as u64).sum::<u64>(), row.parameters, "{}", row.name);
        for (part, modules) in [(Part::Stem, row.stem), (Part::Head, row.head)] {
            let stated: BTreeSet<&str> = modules.iter().copied().collect();
            for named in &tensors {
                assert_eq!(named.part == part, stated.contains(module(&named.name)), "{}: {}", row.name, named.name);
            }
        }
        let names: BTreeSet<&str> = tensors.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(names.len(), tensors.len(), "names are unique");
    }
}

#[test]
fn what_is_frozen_has_no_gradient_and_keeps_its_buffers() {
    for architecture in Architecture::all() {
        let row = architecture.network();
        for freeze in [Freeze::Stem, Freeze::AllButHead].into_iter().filter(|freeze| row.can_freeze(*freeze)) {
            let mut network = built(architecture);
            fill(network.as_ref(), Kind::Float);
            network.freeze(freeze);
            let before: Vec<Tensor> = network.tensors().iter().map(|named| named.tensor.detach().copy()).collect();
            let images = channels_last(&uniform("input", &[2, 3, 64, 64], 0.0, 2.0));
            network.forward(&images, Mode::Train).unwrap().sum(Kind::Float).backward();
            for (named, before) in network.tensors().iter().zip(&before) {
                let (frozen, name) = (named.part.is_frozen(freeze), &named.name);
                match named.role {
                    Role::Parameter => assert_eq!(named.tensor.grad().defined(), !frozen, "{}: {name}", row.name),
                    _ => assert_eq!(named.tensor.equal(before), frozen, "{}: {name}", row.name),
                }
            }
        }
    }
}

/// A lone image of at most the stride leaves one value per channel, whose variance has no unbiased estimate.
#[test]
fn a_lone_image_spoils_the_statistics_up_to_the_stride_and_not_beyond() {
    for architecture in Architecture::all() {
        let row = architecture.network();
        let stride_px = i64::from(row.stride_px);
        let spoils = |side_px: i64| {
            let network = built(architecture);
            fill(network.as_ref(), Kind::Float);
            let images = channels_last(&uniform("input", &[1, 3, side_px, side_px], 0.0, 2.0));
            let _scores = tch::no_grad(|| network.forward(&images, Mode::Train)).unwrap();
            let buffers: Vec<_> = network.tensors().into_iter().filter(|named| named.role == Role::Buffer).collect();
            assert!(!buffers.is_empty(), "without statistics, a row needs another meaning of its stride");
            !buffers.iter().all(|named| named.tensor.isfinite().all().int64_value(&[]) != 0)
        };
        assert_eq!([spoils(stride_px), spoils(stride_px + 1)], [true, false], "{}", row.name);
    }
}

#[test]
fn a_network_takes_its_least_input_and_its_features_fit_its_head() {
    for architecture in Architecture::all() {
        let (network, row) = (built(architecture), architecture.network());
        let least_px = i64::from(row.least_input_px);
        let images = channels_last(&uniform("input", &[1, 3, least_px, least_px], 0.0, 2.0));
        tch::no_grad(|| {
            let features = network.trunk(&images, Mode::Evaluate).unwrap();
            assert_eq!(features.size()[0], 1);
            assert_eq!(network.head(&features).unwrap().size(), [1, CLASSES as i64], "{}", row.name);
        });
    }
}
