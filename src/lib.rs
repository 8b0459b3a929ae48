//! Controlled trials of image augmentation: one experiment file in; paired training runs, a registry and a report out.
//!
//! Data flows one way, `plan -> data -> augment -> train -> registry -> compare -> report`, and [`study`] composes it. See
//! ARCHITECTURE.md for the layers and for what decides a result.

pub mod augment;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod data;
pub mod diagnostic;
#[cfg(feature = "torch")]
pub mod diffusion;
pub mod digest;
pub mod events;
pub mod export;
pub mod plan;
pub mod progress;
pub mod registry;
pub mod report;
pub mod seed;
pub mod serve;
pub mod stats;
pub mod study;
#[cfg(feature = "torch")]
pub mod train;
