//! Trained weights: from PyTorch's files, of which only tensors are read, and from published packages, by pinned digests, to
//! the safetensors files that `[classifier] pretrained` names.
//!
//! Needs no LibTorch.

mod error;
mod fetch;
mod pickle;
mod state;

#[cfg(test)]
mod tests;

pub use error::WeightsError;
pub use fetch::{PUBLISHED, Published, WeightsOrigin, Written, write};
pub use state::{Array, Dtype, State, read};
