//! Initial weights, drawn by each tensor's own law ([`Law`]) from the study's own streams.
//!
//! Parameter `k`, in the network's order, draws from stream `k` of `Purpose::Init`, on the CPU, so that the weights depend
//! on the study seed and the trial's seed and on nothing else: not on the arm, the device or the number of threads.

use rand::RngExt as _;
use rand_distr::{Distribution as _, StandardNormal};
use tch::Tensor;

use crate::networks::{Law, NamedTensor, Role};
use augtrial_base::seed::{Purpose, Stream, StudySeed};

/// Overwrites every parameter and buffer of a network (all its tensors, in order) with its initial value.
pub fn initialize(tensors: &[NamedTensor], study: StudySeed, seed: u64) {
    let mut parameter = 0;
    for named in tensors {
        let mut rng = study.stream(Purpose::Init { seed }, parameter);
        parameter += u64::from(named.role == Role::Parameter);
        let Some(values) = draw(named.law, named.tensor.numel(), &mut rng) else { continue };
        let values = Tensor::from_slice(&values).view_(named.tensor.size());
        tch::no_grad(|| named.tensor.shallow_clone().copy_(&values));
    }
}

/// Nothing where the values are kept.
fn draw(law: Law, count: usize, rng: &mut Stream) -> Option<Vec<f32>> {
    Some(match law {
        Law::Kept => return None,
        Law::Constant(value) => vec![value as f32; count],
        Law::Normal { deviation } => {
            let next = || {
                let z: f64 = StandardNormal.sample(rng);
                (deviation * z) as f32
            };
            std::iter::repeat_with(next).take(count).collect()
        }
        Law::Uniform { bound } => {
            let next = || (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32;
            std::iter::repeat_with(next).take(count).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::super::state::{digest, to_host};
    use super::*;
    use crate::networks::Network as _;
    use crate::networks::resnet::{Branch, ResNet, ResNetLayout, Stem};

    fn network(study: u64, seed: u64) -> Vec<NamedTensor> {
        let layout = ResNetLayout { stem: Stem::Quartering, branch: Branch::Basic, depths: &[2, 2, 2, 2], width: 16 };
        let tensors = ResNet::new(layout, 4, Device::Cpu).tensors();
        initialize(&tensors, StudySeed(study), seed);
        tensors
    }

    #[test]
    fn weights_depend_on_both_seeds_and_on_nothing_else() {
        let of = |study, seed| digest(&to_host(&network(study, seed)));
        assert_eq!(of(1, 2), of(1, 2));
        assert_ne!(of(1, 2), of(1, 3));
        assert_ne!(of(1, 2), of(2, 2));
    }

    #[test]
    fn spreads_are_those_of_he_and_of_pytorchs_linear_layer() {
        for named in network(1, 1) {
            let (mean, deviation) = (named.tensor.mean(Kind::Double), named.tensor.std(false));
            let (mean, deviation) = (mean.double_value(&[]), deviation.double_value(&[]));
            let size = named.tensor.size();
            match (named.name.as_str(), size.as_slice()) {
                ("fc.weight", &[_, inputs]) => {
                    let bound = 1.0 / (inputs as f64).sqrt();
                    let largest = named.tensor.abs().max().double_value(&[]);
                    assert!(largest <= bound && largest > 0.98 * bound, "{largest} {bound}");
                }
                ("fc.bias", _) => assert!(named.tensor.abs().max().double_value(&[]) <= 1.0 / 128.0_f64.sqrt()),
                (name, &[outputs, inputs, height, width]) => {
                    let expected = (2.0 / (outputs * height * width) as f64).sqrt();
                    let count = (outputs * inputs * height * width) as f64;
                    // Five standard errors of a mean and of a standard deviation.
                    assert!(mean.abs() < 5.0 * expected / count.sqrt(), "{name}: mean {mean}");
                    assert!((deviation / expected - 1.0).abs() < 5.0 / (2.0 * count).sqrt(), "{name}: {deviation}");
                }
                (name, _) => {
                    let one = name.ends_with("weight") || name.ends_with("running_var");
                    assert_eq!((mean, deviation), (f64::from(u8::from(one)), 0.0), "{name}");
                }
            }
        }
    }

    /// Recorded once: a change here changes every trial ever recorded.
    #[test]
    fn initial_weights_are_pinned() {
        assert_eq!(digest(&to_host(&network(1, 1))).short(), "29bbba89362b");
    }
}
