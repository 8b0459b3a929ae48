//! Controlled trials of image augmentation.
pub mod augment;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod data;
pub mod diagnostic;
pub mod digest;
pub mod events;
pub mod plan;
pub mod progress;
pub mod registry;
pub mod report;
pub mod seed;
pub mod stats;
pub mod study;
#[cfg(feature = "torch")]
pub mod train;
