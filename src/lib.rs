//! Controlled trials of image augmentation.
pub mod clock;
pub mod compare;
pub mod data;
pub mod digest;
pub mod events;
pub mod plan;
pub mod report;
pub mod seed;
pub mod stats;
