//! Everything that crosses modules, as one binary.

mod browser;
#[cfg(feature = "torch")]
mod compare;
#[cfg(feature = "torch")]
mod diffusion;
#[cfg(feature = "torch")]
mod diffusion_speed;
#[cfg(feature = "torch")]
mod editor_small;
mod edits;
mod experiments;
#[cfg(feature = "torch")]
mod interruption;
#[cfg(feature = "torch")]
mod jobs;
mod lab;
mod large;
mod misuse;
#[cfg(feature = "torch")]
mod replay;
mod report;
mod stats;
#[cfg(feature = "torch")]
mod study;
#[cfg(feature = "torch")]
mod transfer;
