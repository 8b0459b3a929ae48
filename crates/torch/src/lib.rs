//! Everything that computes with LibTorch: networks and their training ([`train`]), and the `InstructPix2Pix` editor ([`diffusion`]).
//!
//! The rest of the workspace sees [`LibTorch`] alone, through [`augtrial_trial::Engine`]. This is the only crate with tch and
//! C++; without its feature `libtorch` it is empty.
#![cfg(feature = "libtorch")]

pub mod diffusion;
mod engine;
mod generator;
mod library;
mod networks;
mod script;
pub mod train;

pub use engine::LibTorch;
