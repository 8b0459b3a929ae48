//! Images derived from images: editors, gates, and the store of materialized sets. Transforms and mixing come from a crate below.

pub mod edit;
pub mod gate;
pub mod store;

pub use augtrial_transforms::{Augmenter, Batch, Mixer, Pipeline, augmenter};
