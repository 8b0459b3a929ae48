//! Everything that crosses modules, as one binary.

mod browser;
#[cfg(feature = "torch")]
mod diffusion;
mod edits;
mod experiments;
#[cfg(feature = "torch")]
mod interruption;
mod lab;
mod misuse;
mod report;
mod stats;
#[cfg(feature = "torch")]
mod study;
