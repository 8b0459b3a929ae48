//! Where trials run when nobody waits at a terminal for them: on a cluster, on other machines, or here in the background.
//!
//! ```text
//!   experiment.toml --submit--> batch folder: tasks.jsonl, sets.jsonl, scripts, submit.sh
//!                                    |
//!                                  place: Slurm, HyperQueue, GNU parallel, this machine
//!                                    |
//!            augtrial-torch task FOLDER sets I | trials I      writes sets and run folders, and nothing else
//!                                    |
//!                       status, resubmit, collect             read run folders; what a queue says is a hint
//! ```
//!
//! A place writes scripts and asks its queue; it decides nothing about a result. The truth is a run folder with its
//! `done.json`, found by the key of its trial. `augtrial run` needs no place: it leads worker processes itself
//! (`jobs.rs`), and a task runs a trial by the code that they run it by.
//!
//! To add a place: one file with a type that implements [`Place`], and its row in [`PLACES`].

mod batch;
mod collect;
mod hyperqueue;
mod local;
mod parallel;
mod script;
mod slurm;
mod status;
mod submit;
mod task;

use augtrial_base::words::nearest;

pub use batch::{Batch, BatchError, Request, Stage};
pub use collect::{Collected, collect};
pub use status::{InQueue, StudyStatus, TrialRow, TrialStatus, status};
pub use submit::{Resubmit, Submitted, resubmit, submit};
pub use task::run_task;

use std::collections::BTreeMap;

/// The file of a batch that is run to submit it.
pub const SUBMIT_SCRIPT: &str = "submit.sh";

/// Every place, in the order in which help shows them.
pub static PLACES: &[&dyn Place] = &[&slurm::Slurm, &hyperqueue::HyperQueue, &parallel::Parallel, &local::Local];

/// Where the tasks of a batch are, as far as the queue knows. A task that it does not name is not in it.
pub type Answer = BTreeMap<(Stage, usize), InQueue>;

/// A place where trials run.
pub trait Place: Sync {
    /// What `--place` calls it.
    fn name(&self) -> &'static str;

    /// What it is, in a line.
    fn help(&self) -> &'static str;

    /// Whether tasks of several batches wait for one another. Without, each batch has a runner of its own.
    fn has_queue(&self) -> bool {
        true
    }

    /// Completes what was asked for.
    ///
    /// # Errors
    /// What of it this place cannot do, and what to do instead.
    fn accept(&self, request: Request, tasks: usize) -> Result<Request, String>;

    /// So many tasks of a stage at most. Trials are packed by [`accept`](Self::accept), tasks for sets by whoever submits.
    fn most_tasks(&self) -> usize {
        usize::MAX
    }

    /// The files of a batch beside its task lists, by their names; [`SUBMIT_SCRIPT`] is one of them.
    fn files(&self, batch: &Batch) -> Vec<(&'static str, String)>;

    /// Asks the queue where the tasks of a batch are.
    ///
    /// # Errors
    /// Why the queue does not say. That means nothing for the tasks: ask again.
    fn ask(&self, batch: &Batch) -> Result<Answer, String>;

    /// Called by a task that has stopped at a resumable point. `again` says that its time was over, and not that somebody
    /// stopped it.
    fn stopped(&self, again: bool, tell: &dyn Fn(&str)) {
        let _ = (again, tell);
    }
}

/// The place of this name.
///
/// # Errors
/// The names that there are, or the nearest.
pub fn place(name: &str) -> Result<&'static dyn Place, String> {
    let names = || PLACES.iter().map(|place| place.name());
    PLACES.iter().copied().find(|place| place.name() == name).ok_or_else(|| {
        let help = nearest(name, names()).map_or_else(
            || format!("the places are {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        format!("there is no place `{name}`: {help}")
    })
}

#[cfg(test)]
mod tests;
