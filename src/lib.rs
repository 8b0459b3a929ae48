//! Controlled trials of image augmentation.
pub mod clock;
pub mod data;
pub mod digest;
pub mod events;
pub mod plan;
pub mod seed;
#[cfg(feature = "torch")]
pub mod train;
