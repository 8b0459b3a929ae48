//! The program: its command line, without and with LibTorch.
//!
//! `augtrial` calls [`cli::main`] without an engine and starts in milliseconds; `augtrial-torch` calls it with LibTorch.
//! Everything else is in `crates/`; ARCHITECTURE.md draws them.

pub mod cli;
