//! The transforms and mixes that a recipe may name. They live a layer below, each in one file with its kernel.

pub use augtrial_transforms::*;
