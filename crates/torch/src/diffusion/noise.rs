//! Where an edit's noise comes from. Each image of a batch has its own source, so that no edit depends on its neighbors.

use rand_distr::{Distribution as _, StandardNormal};
use tch::{Device, Kind, Tensor};

use crate::generator::seeded;
use augtrial_augment::edit::NoiseKey;
use augtrial_base::seed::Stream;

/// The standard normal draws of one edit, each `f32 [1, C, h, w]` on the CPU, in the order of use.
pub struct Noise {
    shape: [i64; 4],
    source: NoiseSource,
}

enum NoiseSource {
    Stream(Box<Stream>),
    /// Drawn in advance: the generator is global, and its state is everybody's.
    Drawn(std::vec::IntoIter<Tensor>),
}

impl Noise {
    /// The noise named `key`, for latents `[1, C, h, w]` and at most `draws` draws.
    #[must_use]
    pub fn new(key: NoiseKey, shape: [i64; 4], draws: usize) -> Self {
        let source = match key {
            NoiseKey::Stream { .. } => NoiseSource::Stream(Box::new(key.stream().expect("a stream key has a stream"))),
            NoiseKey::Torch { seed } => NoiseSource::Drawn(torch_draws(seed, shape, draws).into_iter()),
        };
        Self { shape, source }
    }

    /// The next draw.
    ///
    /// # Panics
    /// If there were `draws` already.
    pub fn draw(&mut self) -> Tensor {
        match &mut self.source {
            NoiseSource::Stream(stream) => {
                let count = self.shape.iter().product::<i64>() as usize;
                let values: Vec<f32> = StandardNormal.sample_iter(stream).take(count).collect();
                Tensor::from_slice(&values).view(self.shape)
            }
            NoiseSource::Drawn(draws) => draws.next().expect("a schedule takes the draws that it announced"),
        }
    }
}

/// `torch.manual_seed(seed)`, then `draws` times `torch.randn(shape)`.
fn torch_draws(seed: i64, shape: [i64; 4], draws: usize) -> Vec<Tensor> {
    let _turn = seeded(seed);
    (0..draws).map(|_| Tensor::randn(shape, (Kind::Float, Device::Cpu))).collect()
}

#[cfg(test)]
mod tests {
    use augtrial_base::digest::Digest;
    use augtrial_base::seed::StudySeed;

    use super::*;

    fn key(copy: u32, attempt: u32) -> NoiseKey {
        let digest = Digest::of_bytes(b"x");
        NoiseKey::Stream { study: StudySeed(1), recipe: digest, image: digest, copy, attempt }
    }

    #[test]
    fn stream_noise_is_standard_normal_and_every_part_of_its_name_counts() {
        let mut noise = Noise::new(key(0, 0), [1, 4, 64, 64], 2);
        let first = noise.draw();
        assert!(first.mean(Kind::Float).double_value(&[]).abs() < 0.03);
        assert!((first.std(true).double_value(&[]) - 1.0).abs() < 0.03);
        assert_ne!(noise.draw(), first);
        let draw = |key| Noise::new(key, [1, 4, 64, 64], 1).draw();
        assert_eq!(draw(key(0, 0)), first);
        assert_ne!(draw(key(1, 0)), first);
        assert_ne!(draw(key(0, 1)), first);
    }
}
