//! Many trials at once: worker processes, who gets what, and how many there should be.
//!
//! A study of several jobs is led by the process that was started: it reads the data, starts workers (the same program),
//! and hands them jobs one at a time: the set of an arm, or a trial of an arm whose set is there. Processes and not
//! threads, because LibTorch's thread count is a process's, and because a process that crashes takes one trial along and
//! not the study. A trial is run by the code that runs it alone, so that its bits are the same.

#[cfg(feature = "torch")]
mod agenda;
mod choice;
#[cfg(feature = "torch")]
mod lead;
mod machine;
mod memory;
#[cfg(feature = "torch")]
mod protocol;
#[cfg(feature = "torch")]
mod queue;
#[cfg(feature = "torch")]
mod team;
#[cfg(feature = "torch")]
mod worker;

#[cfg(feature = "torch")]
pub(super) use agenda::Agenda;
pub use choice::{Choice, Crew, WorkerProgram};
pub(super) use choice::{Left, choose};
#[cfg(feature = "torch")]
pub(super) use lead::run;
pub(super) use machine::Machine;
#[cfg(feature = "torch")]
pub use worker::work;
