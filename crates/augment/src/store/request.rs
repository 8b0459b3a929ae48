//! What a set is asked to be, and the digest that names it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::Serialize;

use super::error::StoreError;
use super::maker::{Planned, SourceImage};
use super::manifest::{FORMAT_VERSION, Key};
use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;

const CHANNELS: usize = 3;

/// A set to be made.
///
/// Sources of the same digest and class are one source: their derived images would be identical. The order of the
/// sources does not matter.
#[derive(Clone, Copy, Debug)]
pub struct SetRequest<'a> {
    pub sources: &'a [SourceImage<'a>],
    /// The working size, of every source and of every derived image.
    pub width_px: u32,
    pub height_px: u32,
    /// Digest of the recipe step: of every field that changes pixels.
    pub recipe: Digest,
    /// The recipe step itself, for the reader of the manifest.
    pub step: &'a serde_json::Value,
    /// Images per source.
    pub copies: NonZeroU32,
    pub seed: StudySeed,
}

/// Everything that decides the content of a set, and nothing else.
#[derive(Serialize)]
pub(super) struct Identity<'a> {
    pub(super) sources: &'a BTreeSet<(Digest, u32)>,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) recipe: Digest,
    pub(super) copies: NonZeroU32,
    pub(super) seed: StudySeed,
    pub(super) tool: &'a str,
}

impl Identity<'_> {
    pub(super) fn digest(&self) -> Digest {
        Digest::of_value("derived-set", &(FORMAT_VERSION, self))
    }
}

impl<'a> SetRequest<'a> {
    /// The digest, and the folder's name, of this set when `tool` makes it.
    #[must_use]
    pub fn digest(&self, tool: &str) -> Digest {
        let sources = self.sources.iter().map(|source| (source.digest, source.class)).collect();
        let Self { width_px, height_px, recipe, copies, seed, .. } = *self;
        Identity { sources: &sources, width_px, height_px, recipe, copies, seed, tool }.digest()
    }

    /// Every image of the set, sorted by key.
    pub(super) fn planned(&self) -> Result<Vec<(Key, Planned<'a>)>, StoreError> {
        let mut sources: Vec<&SourceImage<'_>> = self.sources.iter().collect();
        sources.sort_by_key(|source| (source.digest, source.class, source.path));
        sources.dedup_by_key(|source| (source.digest, source.class));
        let needed_bytes = self.width_px as usize * self.height_px as usize * CHANNELS;
        let mut planned = Vec::with_capacity(sources.len() * self.copies.get() as usize);
        for source in sources {
            let found_bytes = source.pixels.bytes();
            if found_bytes != needed_bytes {
                let Self { width_px, height_px, .. } = *self;
                return Err(StoreError::SourceSize {
                    image: source.digest,
                    found_bytes,
                    needed_bytes,
                    width_px,
                    height_px,
                });
            }
            planned.extend((0..self.copies.get()).map(|copy| {
                let key = Key { source: source.digest, class: source.class, copy };
                (key, Planned { source, copy, width_px: self.width_px, height_px: self.height_px })
            }));
        }
        Ok(planned)
    }
}
