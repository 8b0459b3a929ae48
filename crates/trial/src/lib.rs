//! What a trial is: everything that it is given, what it gives, and [`Engine`], which trains it.
//!
//! Nothing here needs LibTorch, so that plans, workers' leaders and reports build without it; `augtrial-torch` implements
//! [`Engine`].

mod engine;
mod error;
mod probabilities;
mod rule;
mod see;
mod spec;
mod state;

pub mod kernels;
pub mod preprocess;
pub mod schedule;
pub mod timetable;

pub use engine::{CHECKPOINT_FILE_NAME, Engine, Setup, TrialOutcome, WEIGHTS_FILE_NAME};
pub use error::TrainError;
pub use preprocess::{InputSize, Normalization};
pub use probabilities::problem_of_probabilities;
pub use rule::{CheckpointRule, ParseRuleError};
pub use see::{SeeRequest, Seen, Seer};
pub use spec::{Outside, TrialSpec};
pub use state::{TRAINER_FOLDER_NAME, TRAINER_STATE_FILE_NAME, drop_state, saved_state};
