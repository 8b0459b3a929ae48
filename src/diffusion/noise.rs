//! Where an edit's noise comes from. Each image of a batch has its own source, so that no edit depends on its neighbours.

use std::sync::{Mutex, PoisonError};

use rand_distr::{Distribution as _, StandardNormal};
use tch::{Device, Kind, Tensor};

use crate::digest::Digest;
use crate::seed::{Purpose, Stream, StudySeed};

/// Retries of one copy are this far apart in its family of streams, beyond any number of copies.
const STREAMS_PER_ATTEMPT: u64 = 1 << 32;

/// Names the noise of one edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseKey {
    /// The named stream of a study (see [`crate::seed`]): the default.
    Stream {
        study: StudySeed,
        recipe: Digest,
        /// Digest of the source image's file.
        image: Digest,
        copy: u32,
        /// 0, and one more for every retry.
        attempt: u32,
    },
    /// LibTorch's CPU generator with this seed and the draws in the reference's order: the reference's own pixels.
    Torch { seed: i64 },
}

impl NoiseKey {
    /// The `torch` key of a copy whose seed nobody chose: drawn from the stream that the copy would have had.
    #[must_use]
    pub fn to_torch(self) -> Self {
        use rand::Rng as _;
        match self {
            Self::Torch { .. } => self,
            // A seed that Python's `manual_seed` takes too, and that is short enough to copy by hand.
            Self::Stream { .. } => Self::Torch { seed: i64::from(self.stream().next_u32()) },
        }
    }

    fn stream(self) -> Stream {
        match self {
            Self::Stream { study, recipe, image, copy, attempt } => {
                let index = u64::from(attempt) * STREAMS_PER_ATTEMPT + u64::from(copy);
                study.stream(Purpose::Latent { recipe, image }, index)
            }
            Self::Torch { .. } => unreachable!("only called on streams"),
        }
    }
}

/// The standard normal draws of one edit, each `f32 [1, C, h, w]` on the CPU, in the order of use.
pub struct Noise {
    shape: [i64; 4],
    source: Source,
}

enum Source {
    Stream(Box<Stream>),
    /// Drawn in advance: the generator is global, and its state is everybody's.
    Drawn(std::vec::IntoIter<Tensor>),
}

impl Noise {
    /// The noise named `key`, for latents `[1, C, h, w]` and at most `draws` draws.
    #[must_use]
    pub fn new(key: NoiseKey, shape: [i64; 4], draws: usize) -> Self {
        let source = match key {
            NoiseKey::Stream { .. } => Source::Stream(Box::new(key.stream())),
            NoiseKey::Torch { seed } => Source::Drawn(torch_draws(seed, shape, draws).into_iter()),
        };
        Self { shape, source }
    }

    /// The next draw.
    ///
    /// # Panics
    /// If there were `draws` already.
    pub fn draw(&mut self) -> Tensor {
        match &mut self.source {
            Source::Stream(stream) => {
                let count = self.shape.iter().product::<i64>() as usize;
                let values: Vec<f32> = StandardNormal.sample_iter(stream).take(count).collect();
                Tensor::from_slice(&values).view(self.shape)
            }
            Source::Drawn(draws) => draws.next().expect("a schedule takes the draws that it announced"),
        }
    }
}

/// `torch.manual_seed(seed)`, then `draws` times `torch.randn(shape)`.
#[expect(
    clippy::disallowed_methods,
    reason = "this is `rng = \"torch\"`: the seed is an argument, and the lock keeps it ours"
)]
fn torch_draws(seed: i64, shape: [i64; 4], draws: usize) -> Vec<Tensor> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    (0..draws).map(|_| Tensor::randn(shape, (Kind::Float, Device::Cpu))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [i64; 4] = [1, 4, 12, 16];

    fn key(copy: u32, attempt: u32) -> NoiseKey {
        let digest = Digest::of_bytes(b"x");
        NoiseKey::Stream { study: StudySeed(1), recipe: digest, image: digest, copy, attempt }
    }

    #[test]
    fn torch_noise_is_pytorchs() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ip2p/common.safetensors");
        let tensors = Tensor::read_safetensors(path).unwrap();
        let expected = &tensors.iter().find(|(name, _)| name == "noise").unwrap().1;
        assert_eq!(&Noise::new(NoiseKey::Torch { seed: 1234 }, SHAPE, 1).draw(), expected);
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

    #[test]
    fn a_torch_key_follows_from_its_copy() {
        assert_eq!(key(3, 0).to_torch(), key(3, 0).to_torch());
        assert_ne!(key(3, 0).to_torch(), key(4, 0).to_torch());
        assert_eq!(NoiseKey::Torch { seed: 7 }.to_torch(), NoiseKey::Torch { seed: 7 });
    }
}
