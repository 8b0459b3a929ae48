//! Initial weights, as torchvision's `ResNet` draws them but from the study's own streams.
//!
//! Convolutions: He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 14 (backward case, "fan out"). The linear
//! head: PyTorch's default, uniform within `1 / sqrt(fan_in)`. Batch normalisation: weight and variance 1, bias and mean 0.
//! Parameter `k` (in torchvision's order) draws from stream `k` of `Purpose::Init`, on the CPU, so that the weights depend
//! on the study seed and the trial's seed and on nothing else: not on the arm, the device or the number of threads.

use rand::RngExt as _;
use rand_distr::{Distribution as _, StandardNormal};
use tch::Tensor;

use super::state::{NamedTensor, Role};
use crate::seed::{Purpose, Stream, StudySeed};

/// How the values of one tensor are drawn.
enum Law {
    Constant(f64),
    Normal { deviation: f64 },
    Uniform { bound: f64 },
}

/// Overwrites every parameter and buffer of a network (all its tensors, in order) with its initial value.
pub fn initialise(tensors: &[NamedTensor], study: StudySeed, seed: u64) {
    let mut parameter = 0;
    for named in tensors {
        let mut rng = study.stream(Purpose::Init { seed }, parameter);
        let values = draw(&law_of(named, head_inputs(tensors)), named.tensor.numel(), &mut rng);
        let values = Tensor::from_slice(&values).view_(named.tensor.size());
        tch::no_grad(|| named.tensor.shallow_clone().copy_(&values));
        parameter += u64::from(named.role == Role::Parameter);
    }
}

fn law_of(named: &NamedTensor, head_inputs: f64) -> Law {
    match (named.name.as_str(), named.tensor.size().as_slice()) {
        // W, b ~ U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))
        ("fc.weight" | "fc.bias", _) => Law::Uniform { bound: 1.0 / head_inputs.sqrt() },
        // W ~ N(0, 2 / fan_out), fan_out = outputs * kernel area
        (_, &[outputs, _, height, width]) => {
            Law::Normal { deviation: (2.0 / (outputs * height * width) as f64).sqrt() }
        }
        (name, _) if name.ends_with(".weight") || name.ends_with(".running_var") => Law::Constant(1.0),
        _ => Law::Constant(0.0),
    }
}

fn head_inputs(tensors: &[NamedTensor]) -> f64 {
    let head = tensors.iter().find(|named| named.name == "fc.weight").expect("a network has a head");
    head.tensor.size()[1] as f64
}

fn draw(law: &Law, count: usize, rng: &mut Stream) -> Vec<f32> {
    let next = || match law {
        Law::Constant(value) => *value as f32,
        Law::Normal { deviation } => {
            let z: f64 = StandardNormal.sample(rng);
            (deviation * z) as f32
        }
        Law::Uniform { bound } => (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32,
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::super::resnet::{Branch, Layout, ResNet};
    use super::super::state::{digest, to_host};
    use super::*;

    fn network(study: u64, seed: u64) -> Vec<NamedTensor> {
        let layout = Layout { branch: Branch::Basic, depths: [2, 2, 2, 2], width: 16 };
        let tensors = ResNet::new(layout, 4, Device::Cpu).named_tensors();
        initialise(&tensors, StudySeed(study), seed);
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
