//! The table of ways to mix a batch: one file and one row each.

mod any_of;
mod cutmix;
mod manifold_mixup;
mod mixer;
mod mixup;
mod mosaic;
mod quarters;
mod ricap;
mod sample_pairing;

#[cfg(test)]
mod tests;

pub use any_of::*;
pub use cutmix::*;
pub use manifold_mixup::*;
pub use mixer::{Batch, BatchMixer, Each, HiddenMix, Pair, Pairs};
pub use mixup::*;
pub use mosaic::*;
pub use ricap::*;
pub use sample_pairing::*;

use augtrial_base::seed::Stream;

crate::table::table! {
    /// Mixing of a whole batch with images of itself; the labels are mixed alike.
    pub enum Mix: dyn BatchMixer {
        Mixup = "mixup",
        Cutmix = "cutmix",
        Ricap = "ricap",
        Mosaic = "mosaic",
        SamplePairing = "sample_pairing",
        ManifoldMixup = "manifold_mixup",
        AnyOf = "any_of",
    }
}

impl Mix {
    /// The ways that this one chooses among; none if it does not choose.
    #[must_use]
    pub fn ways(&self) -> &[Self] {
        match self {
            Self::AnyOf(AnyOf { of, .. }) => of,
            _ => &[],
        }
    }

    /// This one, the ways that it chooses among, and theirs.
    #[must_use]
    pub fn with_ways(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.ways().iter().flat_map(Self::with_ways)).collect()
    }

    /// The deepest stage of the network after which hidden values are mixed; 0 if images alone are.
    #[must_use]
    pub fn deepest_stage(&self) -> u32 {
        let stages = self.with_ways().into_iter().flat_map(|mix| match mix {
            Self::ManifoldMixup(ManifoldMixup { stages, .. }) => stages.as_slice(),
            _ => &[],
        });
        stages.copied().max().unwrap_or(0)
    }
}

/// Mixes batches as one `[mix]` of a recipe asks.
pub struct Mixer(Box<dyn BatchMixer>);

impl Mixer {
    #[must_use]
    pub fn new(mix: &Mix) -> Self {
        Self(mix.implementation())
    }

    /// Mixes the batch with the recipe's probability. What is returned is for the network to mix, at one of its layers.
    ///
    /// # Panics
    /// If the batch is empty, its slices do not fit its shape, or a parameter breaks its limit.
    pub fn apply(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        batch.check();
        self.0.mix(batch, rng)
    }
}
