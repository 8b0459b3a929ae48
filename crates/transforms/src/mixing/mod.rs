//! The table of ways to mix a batch: one file and one row each.

mod cutmix;
mod mixer;
mod mixup;

pub use cutmix::*;
pub use mixer::{Batch, BatchMixer};
pub use mixup::*;

use augtrial_base::seed::Stream;

crate::table::table! {
    /// Mixing of a whole batch with a permutation of itself; the labels are mixed alike.
    pub enum Mix: dyn BatchMixer {
        Mixup = "mixup",
        Cutmix = "cutmix",
    }
}

/// Mixes batches as one `[mix]` of a recipe asks.
pub struct Mixer(Box<dyn BatchMixer>);

impl Mixer {
    #[must_use]
    pub fn new(mix: &Mix) -> Self {
        Self(mix.implementation())
    }

    /// Mixes the batch with the recipe's probability: one lambda and one permutation for all of it.
    ///
    /// # Panics
    /// If the batch is empty, its slices do not fit its shape, or a parameter breaks its limit.
    pub fn apply(&self, batch: &mut Batch<'_>, rng: &mut Stream) {
        batch.check();
        self.0.mix(batch, rng);
    }
}
