//! The gates of arms: a set passes one image by image, and what is left out has its reason in the lineage of the set that is left.

mod judge;
mod pass;

pub use judge::mislabeled;
pub use pass::{Gated, gated, pass};
