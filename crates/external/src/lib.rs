//! A trainer of the user's own behind [`Engine`](augtrial_trial::Engine): a command that reads a JSON file and writes what
//! happens as JSON lines (docs/external.md describes both).
//!
//! What stays ours: the division of the data, the sets, the budget, the rule that selects an epoch, and the labels of the test
//! part, which the trainer never gets: it gives probabilities, and they are scored here.
//!
//! `protocol` is what is said, `process` the running command, `conversation` the order in which things may be said.

mod conversation;
mod engine;
mod error;
mod files;
mod manifest;
mod pixels;
mod process;
mod protocol;
mod resume;
mod scores;
#[cfg(test)]
mod tests;

pub use engine::External;
pub use files::{FileDigest, files_of};
pub use protocol::PROTOCOL_VERSION;

/// Name of what a trainer printed, in its run's folder.
pub const LOG_FILE_NAME: &str = "trainer.log";
/// Name of the file that says what trained, in its run's folder.
pub const TRAINER_FILE_NAME: &str = "trainer.json";
/// Name of the weights that a trainer may leave in its run's folder.
pub const WEIGHTS_FILE_NAME: &str = "trainer-weights";
