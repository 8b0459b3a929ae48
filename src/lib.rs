//! Controlled trials of image augmentation.
pub mod clock;
pub mod data;
pub mod diagnostic;
#[cfg(feature = "torch")]
pub mod diffusion;
pub mod digest;
pub mod events;
pub mod plan;
pub mod seed;
