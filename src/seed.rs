//! Named random streams. Randomness is an argument here: no global generator and no clock decides a result.
//!
//! `key = SHA-256("stream-v1" || study seed || length-prefixed labels || purpose)` seeds a `ChaCha8`; the index of an
//! item is the `ChaCha` stream number, so that item 7 draws the same numbers whether or not items 0 to 6 were drawn.
//! The name of an arm enters no key: renaming an arm changes no pixel.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestBuilder};

/// The generator behind every stream.
pub type Stream = ChaCha8Rng;

const KEY_VERSION: &str = "stream-v1";

/// The seed of a whole study: decides its split and its materialised sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct StudySeed(pub u64);

/// What a stream is for. Every variant is a family of streams that shares no number with another family.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// Rendering the synthetic data set; the index is the image's number.
    Render,
    /// Dividing the sources into train, validation and test.
    Split,
    /// Initial weights of a trial; the index is the parameter's number.
    Init { seed: u64 },
    /// Order of the training samples in one pass.
    Shuffle { seed: u64, pass: u64 },
    /// Materialised (offline) transforms of one source image; the index is the copy.
    Offline { recipe: Digest, image: Digest },
    /// Per-pass (online) transforms of one sample; the index is the sample's position in the set.
    Online { recipe: Digest, seed: u64, pass: u64 },
    /// Mixing of whole batches (`MixUp`, `CutMix`); the index is the batch's number in the pass.
    Mix { recipe: Digest, seed: u64, pass: u64 },
    /// Choosing the instruction of one edit; the index is the copy.
    Instruction { recipe: Digest, image: Digest },
    /// Diffusion latents of one edit; the index is the copy.
    Latent { recipe: Digest, image: Digest },
    /// Resampling for intervals of one contrast.
    Bootstrap { contrast: &'a str },
    /// Choosing examples to show, so that nobody chooses by eye.
    Gallery,
}

impl StudySeed {
    /// The stream for `purpose` and the item `index`.
    #[must_use]
    pub fn stream(self, purpose: Purpose<'_>, index: u64) -> Stream {
        let mut rng = Stream::from_seed(*self.key(purpose).as_bytes());
        rng.set_stream(index);
        rng
    }

    fn key(self, purpose: Purpose<'_>) -> Digest {
        let mut key = DigestBuilder::new(KEY_VERSION);
        key.field(&self.0.to_le_bytes());
        let mut named = |name: &str, labels: &[&[u8]]| {
            for label in labels {
                key.field(label);
            }
            key.field(name.as_bytes());
        };
        match purpose {
            Purpose::Render => named("render", &[]),
            Purpose::Split => named("split", &[]),
            Purpose::Init { seed } => named("init", &[&seed.to_le_bytes()]),
            Purpose::Shuffle { seed, pass } => named("shuffle", &[&seed.to_le_bytes(), &pass.to_le_bytes()]),
            Purpose::Offline { recipe, image } => named("offline", &[recipe.as_bytes(), image.as_bytes()]),
            Purpose::Online { recipe, seed, pass } => {
                named("online", &[recipe.as_bytes(), &seed.to_le_bytes(), &pass.to_le_bytes()]);
            }
            Purpose::Mix { recipe, seed, pass } => {
                named("mix", &[recipe.as_bytes(), &seed.to_le_bytes(), &pass.to_le_bytes()]);
            }
            Purpose::Instruction { recipe, image } => {
                named("instruction", &[recipe.as_bytes(), image.as_bytes()]);
            }
            Purpose::Latent { recipe, image } => named("latent", &[recipe.as_bytes(), image.as_bytes()]),
            Purpose::Bootstrap { contrast } => named("bootstrap", &[contrast.as_bytes()]),
            Purpose::Gallery => named("gallery", &[]),
        }
        key.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng as _;

    use super::*;

    fn first(seed: u64, purpose: Purpose<'_>, index: u64) -> u64 {
        StudySeed(seed).stream(purpose, index).next_u64()
    }

    /// Recorded once; a change here changes every study ever recorded and needs a new `KEY_VERSION`.
    #[test]
    fn streams_are_pinned() {
        assert_eq!(first(1, Purpose::Split, 0), 17_729_199_299_541_315_616);
        assert_eq!(first(1, Purpose::Init { seed: 3 }, 2), 8_282_299_386_314_077_073);
        assert_eq!(first(7, Purpose::Shuffle { seed: 1, pass: 9 }, 0), 14_891_301_162_614_885_083);
    }

    #[test]
    fn every_seed_label_and_index_is_obeyed() {
        let a = Digest::of_bytes(b"a");
        let b = Digest::of_bytes(b"b");
        let draws = [
            first(1, Purpose::Split, 0),
            first(2, Purpose::Split, 0),
            first(1, Purpose::Split, 1),
            first(1, Purpose::Render, 0),
            first(1, Purpose::Init { seed: 1 }, 0),
            first(1, Purpose::Init { seed: 2 }, 0),
            first(1, Purpose::Shuffle { seed: 1, pass: 2 }, 0),
            first(1, Purpose::Shuffle { seed: 2, pass: 1 }, 0),
            first(1, Purpose::Offline { recipe: a, image: b }, 0),
            first(1, Purpose::Offline { recipe: b, image: a }, 0),
            first(1, Purpose::Offline { recipe: a, image: b }, 1),
            first(1, Purpose::Online { recipe: a, seed: 1, pass: 2 }, 0),
            first(1, Purpose::Mix { recipe: a, seed: 1, pass: 2 }, 0),
            first(1, Purpose::Latent { recipe: a, image: b }, 0),
            first(1, Purpose::Bootstrap { contrast: "a-b" }, 0),
            first(1, Purpose::Gallery, 0),
        ];
        assert_eq!(draws.iter().collect::<BTreeSet<_>>().len(), draws.len());
    }
}
