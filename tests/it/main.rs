//! The integration binary: one, so that the crate is linked once.

#[cfg(feature = "torch")]
mod diffusion;
