//! Weights and inputs by formula, the twin of `uniform` and `recipe` in `fixtures/resnet/make_resnet.py`.

use tch::{Kind, Tensor};

use crate::networks::Network;

const FNV_OFFSET: u32 = 2_166_136_261;
const FNV_PRIME: u32 = 16_777_619;
const GOLDEN: u64 = 2_654_435_761;

/// `float32(center + reach * (2 u - 1))` with `u` from a hash of the name and the element's index.
pub fn uniform(name: &str, size: &[i64], center: f64, reach: f64) -> Tensor {
    let h = name.bytes().fold(FNV_OFFSET, |h, byte| (h ^ u32::from(byte)).wrapping_mul(FNV_PRIME));
    let value = |index: u64| {
        let mut x = (index * GOLDEN + u64::from(h)) as u32;
        for (shift, factor) in [(16, 0x85EB_CA6B), (13, 0xC2B2_AE35)] {
            x = (x ^ (x >> shift)).wrapping_mul(factor);
        }
        x ^= x >> 16;
        let u = f64::from(x >> 8) / f64::from(1 << 24);
        (center + reach * (2.0 * u - 1.0)) as f32
    };
    let count = size.iter().product::<i64>() as u64;
    Tensor::from_slice(&(0..count).map(value).collect::<Vec<f32>>()).view(size)
}

/// Overwrites every tensor of a network, which then computes in `kind`.
pub fn fill(network: &dyn Network, kind: Kind) {
    for named in network.tensors() {
        let size = named.tensor.size();
        let (center, reach) = match (size.as_slice(), named.name.as_str()) {
            (&[_, inputs, height, width], _) => (0.0, (6.0 / (inputs * height * width) as f64).sqrt()),
            (&[_, inputs], _) => (0.0, 1.0 / (inputs as f64).sqrt()),
            (_, name) if name.ends_with("running_var") || name.ends_with("weight") => (1.0, 0.25),
            _ => (0.0, 0.1),
        };
        let values = uniform(&named.name, &size, center, reach);
        tch::no_grad(|| {
            let mut target = named.tensor.shallow_clone();
            target.set_data(&target.to_kind(kind));
            target.copy_(&values);
        });
    }
}
