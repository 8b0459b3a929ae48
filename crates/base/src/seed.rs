//! Named random streams. Randomness is an argument here: no global generator and no clock decides a result.
//!
//! `key = SHA-256("stream-v1" || study seed || length-prefixed labels || purpose)` seeds a `ChaCha8`; the index of an
//! item is the `ChaCha` stream number, so that item 7 draws the same numbers whether or not items 0 to 6 were drawn.
//! The name of an arm enters no key: renaming an arm changes no pixel.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestBuilder};

/// The generator behind every stream.
pub type Stream = ChaCha8Rng;

const KEY_VERSION: &str = "stream-v1";
const FORK_VERSION: &str = "fork-v1";

/// The seed of a whole study: decides its split and its materialized sets.
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
    /// Which images of the training part are trained on where it is cut; one number for each image.
    Subset { image: Digest },
    /// Initial weights of a trial; the index is the parameter's number.
    Init { seed: u64 },
    /// Order of the training samples in one pass.
    Shuffle { seed: u64, pass: u64 },
    /// What layers such as dropout draw in training; the index is the update.
    Layers { seed: u64 },
    /// Materialized (offline) transforms of one source image; the index is the copy.
    Offline { recipe: Digest, image: Digest },
    /// Per-pass (online) transforms of one sample; the index is the sample's position in the set.
    Online { recipe: Digest, seed: u64, pass: u64 },
    /// Whether a derived image stands in for an original in a pass, and which; the index is the sample's position in the set.
    Replace { rule: Digest, seed: u64, pass: u64 },
    /// Mixing of whole batches (`MixUp`, `CutMix`); the index is the batch's number in the pass.
    Mix { recipe: Digest, seed: u64, pass: u64 },
    /// Samples that are made of features and added once; the index is the sample's number among them.
    Features { recipe: Digest, seed: u64 },
    /// Which images of the smaller classes are repeated once more; the index is the class.
    Balance,
    /// Choosing the instruction of one edit; the index is the copy.
    Instruction { recipe: Digest, image: Digest },
    /// Diffusion latents of one edit; the index is the copy.
    Latent { recipe: Digest, image: Digest },
    /// Resampling for intervals of one contrast.
    Bootstrap { contrast: &'a str },
    /// Signs of one contrast's sign-flip test where there are too many to enumerate.
    SignFlip { contrast: &'a str },
    /// Choosing examples to show, so that nobody chooses by eye.
    Gallery,
    /// Values of one key that tuning tries at random; the index is the try.
    Tune { path: &'a str },
    /// Halves of the real images, draws of equal numbers and permutations when sets are measured.
    Quality,
    /// Folds of the training part that the control is cross-fitted on; the index is the class.
    CrossFit,
    /// Which images of a set a random gate leaves out; the index is the class.
    Gate { set: Digest },
    /// Which sources a random selection takes; the index is the class.
    Select { recipe: Digest },
}

/// A number drawn evenly from 0 (included) to 1 (not included).
#[must_use]
pub fn unit(stream: &mut Stream) -> f64 {
    /// A double has 53 digits.
    const DIGITS: u32 = 53;
    (stream.next_u64() >> (u64::BITS - DIGITS)) as f64 / (1_u64 << DIGITS) as f64
}

/// Streams below a stream, each with a name of its own: what one draws changes no other, nor what the stream above draws
/// next.
#[derive(Clone, Debug)]
pub struct Fork([u8; 32]);

impl Fork {
    /// Takes the key from the stream above: as many numbers as ever, however many streams there will be.
    #[must_use]
    pub fn new(above: &mut Stream) -> Self {
        let mut key = [0; 32];
        above.fill_bytes(&mut key);
        Self(key)
    }

    /// The stream named `label`; several of one name differ by their index.
    #[must_use]
    pub fn stream(&self, label: &str, index: u64) -> Stream {
        let mut key = DigestBuilder::new(FORK_VERSION);
        key.field(&self.0);
        key.field(label.as_bytes());
        let mut rng = Stream::from_seed(*key.finish().as_bytes());
        rng.set_stream(index);
        rng
    }
}

impl StudySeed {
    /// The stream for `purpose` and the item `index`.
    #[must_use]
    pub fn stream(self, purpose: Purpose<'_>, index: u64) -> Stream {
        let mut rng = Stream::from_seed(*self.key(purpose).as_bytes());
        rng.set_stream(index);
        rng
    }

    /// The seed of the same study's `number`-th other draw: of a seed that is redrawn, or of a further division into folds.
    #[must_use]
    pub fn redrawn(self, number: u64) -> Self {
        let mut key = DigestBuilder::new(KEY_VERSION);
        key.field(&self.0.to_le_bytes());
        key.field(&number.to_le_bytes());
        key.field(b"redraw");
        let bytes = key.finish();
        Self(u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("eight bytes")))
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
            Purpose::Subset { image } => named("subset", &[image.as_bytes()]),
            Purpose::Init { seed } => named("init", &[&seed.to_le_bytes()]),
            Purpose::Shuffle { seed, pass } => named("shuffle", &[&seed.to_le_bytes(), &pass.to_le_bytes()]),
            Purpose::Layers { seed } => named("layers", &[&seed.to_le_bytes()]),
            Purpose::Offline { recipe, image } => named("offline", &[recipe.as_bytes(), image.as_bytes()]),
            Purpose::Online { recipe, seed, pass } => {
                named("online", &[recipe.as_bytes(), &seed.to_le_bytes(), &pass.to_le_bytes()]);
            }
            Purpose::Replace { rule, seed, pass } => {
                named("replace", &[rule.as_bytes(), &seed.to_le_bytes(), &pass.to_le_bytes()]);
            }
            Purpose::Mix { recipe, seed, pass } => {
                named("mix", &[recipe.as_bytes(), &seed.to_le_bytes(), &pass.to_le_bytes()]);
            }
            Purpose::Features { recipe, seed } => named("features", &[recipe.as_bytes(), &seed.to_le_bytes()]),
            Purpose::Balance => named("balance", &[]),
            Purpose::Instruction { recipe, image } => {
                named("instruction", &[recipe.as_bytes(), image.as_bytes()]);
            }
            Purpose::Latent { recipe, image } => named("latent", &[recipe.as_bytes(), image.as_bytes()]),
            Purpose::Bootstrap { contrast } => named("bootstrap", &[contrast.as_bytes()]),
            Purpose::SignFlip { contrast } => named("sign-flip", &[contrast.as_bytes()]),
            Purpose::Gallery => named("gallery", &[]),
            Purpose::Tune { path } => named("tune", &[path.as_bytes()]),
            Purpose::Quality => named("quality", &[]),
            Purpose::CrossFit => named("cross-fit", &[]),
            Purpose::Gate { set } => named("gate", &[set.as_bytes()]),
            Purpose::Select { recipe } => named("select", &[recipe.as_bytes()]),
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
        assert_eq!(StudySeed(1).redrawn(3), StudySeed(16_294_073_197_887_613_268));
        assert_eq!(first(7, Purpose::Shuffle { seed: 1, pass: 9 }, 0), 14_891_301_162_614_885_083);
    }

    /// Recorded once, as above.
    #[test]
    fn a_fork_gives_a_stream_for_every_name_and_moves_the_stream_above_alike() {
        let fork = || Fork::new(&mut StudySeed(1).stream(Purpose::Gallery, 0));
        let first = |label: &str, index| fork().stream(label, index).next_u64();
        let draws = [first("a", 0), first("b", 0), first("a", 1)];
        assert_eq!(draws.iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(draws[0], 6_011_927_549_453_791_099);
        let mut above = StudySeed(1).stream(Purpose::Gallery, 0);
        let other = Fork::new(&mut above);
        assert_ne!(Fork::new(&mut above).stream("a", 0).next_u64(), other.stream("a", 0).next_u64());
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
            first(1, Purpose::Layers { seed: 1 }, 0),
            first(1, Purpose::Offline { recipe: a, image: b }, 0),
            first(1, Purpose::Offline { recipe: b, image: a }, 0),
            first(1, Purpose::Offline { recipe: a, image: b }, 1),
            first(1, Purpose::Online { recipe: a, seed: 1, pass: 2 }, 0),
            first(1, Purpose::Mix { recipe: a, seed: 1, pass: 2 }, 0),
            first(1, Purpose::Latent { recipe: a, image: b }, 0),
            first(1, Purpose::Features { recipe: a, seed: 1 }, 0),
            first(1, Purpose::Features { recipe: a, seed: 2 }, 0),
            first(1, Purpose::Balance, 0),
            first(1, Purpose::Bootstrap { contrast: "a-b" }, 0),
            first(1, Purpose::SignFlip { contrast: "a-b" }, 0),
            first(1, Purpose::Gallery, 0),
            first(1, Purpose::Quality, 0),
            first(1, Purpose::Subset { image: a }, 0),
            first(1, Purpose::Replace { rule: a, seed: 1, pass: 2 }, 0),
            first(1, Purpose::Replace { rule: a, seed: 2, pass: 1 }, 0),
            first(1, Purpose::Subset { image: b }, 0),
            first(1, Purpose::CrossFit, 0),
            first(1, Purpose::Gate { set: a }, 0),
            first(1, Purpose::Gate { set: b }, 0),
            first(1, Purpose::Select { recipe: a }, 0),
        ];
        assert_eq!(draws.iter().collect::<BTreeSet<_>>().len(), draws.len());
    }
}
