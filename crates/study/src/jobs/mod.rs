//! Many trials at once: worker processes, who gets what, and how many there should be.
//!
//! A study is led by the process that was started: it reads the data, starts workers (`augtrial-torch worker`), and hands
//! them jobs one at a time: the set of an arm, or a trial of an arm whose set is there. Processes and not
//! threads, because LibTorch's thread count is a process's, and because a process that crashes takes one trial along and
//! not the study. A trial is run by the code that runs it alone, so that its bits are the same.

mod agenda;
mod choice;
mod lead;
mod machine;
mod memory;
mod program;
mod protocol;
mod queue;
mod tally;
mod team;
mod worker;

pub(super) use agenda::Agenda;
pub use choice::{Choice, Crew};
pub(super) use choice::{Left, choose};
pub(super) use lead::{Study, assignment, run};
pub(super) use machine::{Machine, emulates_training, slow_here};
pub(super) use memory::{of_editor as editor_bytes, of_trial as trial_bytes};
pub use program::WorkerProgram;
pub(super) use protocol::Assignment;
pub(super) use tally::UPDATES;
pub(super) use worker::Desk;
pub use worker::work;
