//! The editor against its references, through its public interface.
#![expect(clippy::print_stdout, reason = "tests say which of two cases holds on this processor")]
#![allow(clippy::explicit_write, reason = "past the capture of the test harness")]

mod diffusion;
mod diffusion_speed;
mod editor_small;
mod golden;
mod pinned;
mod scheduler_options;
