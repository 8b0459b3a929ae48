//! This machine, in the background: the tasks of a batch as processes of their own, so many at once, by `xargs(1)`.
//!
//! For a study that somebody waits for, `augtrial run` is better: it shows progress and hands out work as it gets free.

use super::batch::{Batch, Request, Stage};
use super::{Answer, Place, SUBMIT_SCRIPT, parallel, script};

pub(super) struct Local;

impl Place for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn help(&self) -> &'static str {
        "processes of this machine, in the background"
    }

    fn has_queue(&self) -> bool {
        false
    }

    fn accept(&self, request: Request, _trials: usize) -> Result<Request, String> {
        if request.hosts.is_some() {
            return Err("the place `local` is this machine alone: use `--place parallel` for other hosts".to_owned());
        }
        if !request.extra.is_empty() {
            return Err("the place `local` has no options of its own: leave out what follows `--`".to_owned());
        }
        parallel::without_queue(request, self.name())
    }

    fn files(&self, batch: &Batch) -> Vec<(&'static str, String)> {
        vec![
            ("task.sh", script::task_script(batch)),
            ("run.sh", script::runner(batch, |stage, last| run(batch, stage, last))),
            (SUBMIT_SCRIPT, script::start_runner(batch)),
        ]
    }

    fn ask(&self, batch: &Batch) -> Result<Answer, String> {
        parallel::ask_runner(batch)
    }
}

fn run(batch: &Batch, stage: Stage, last: usize) -> String {
    let at_once = batch.request.at_once.unwrap_or(1);
    format!("seq 0 {last} | xargs -P {at_once} -I@ sh -c 'bash task.sh {stage} @ >>logs/{stage}-@.log 2>&1'\n")
}
