//! GNU parallel, for a list of hosts that this machine reaches by ssh and that share its file system. Options are those of
//! `parallel(1)` (Tange 2018, GNU Parallel 2018, doi:10.5281/zenodo.1146014).

use std::fmt::Write as _;
use std::process::Command;

use super::batch::{Batch, Request, SetTask, Stage};
use super::status::InQueue;
use super::{Answer, Place, SUBMIT_SCRIPT, script};
use augtrial_base::text::shell;

/// File with the hosts, one a line, as `--sshloginfile` reads it.
const HOSTS: &str = "hosts.txt";

pub(super) struct Parallel;

impl Place for Parallel {
    fn name(&self) -> &'static str {
        "parallel"
    }

    fn help(&self) -> &'static str {
        "GNU parallel on `--hosts FILE` by ssh, or on this machine; extra words are options of `parallel`"
    }

    fn has_queue(&self) -> bool {
        false
    }

    fn accept(&self, request: Request, _trials: usize) -> Result<Request, String> {
        without_queue(request, self.name())
    }

    fn files(&self, batch: &Batch) -> Vec<(&'static str, String)> {
        let mut files = vec![
            ("task.sh", script::task_script(batch)),
            ("run.sh", script::runner(batch, |stage, last| run(batch, stage, last))),
            (SUBMIT_SCRIPT, script::start_runner(batch)),
        ];
        files.extend(batch.request.hosts.clone().map(|hosts| (HOSTS, hosts)));
        files
    }

    fn ask(&self, batch: &Batch) -> Result<Answer, String> {
        ask_runner(batch)
    }
}

fn run(batch: &Batch, stage: Stage, last: usize) -> String {
    let mut line = format!("seq 0 {last} | parallel --joblog {stage}.joblog --line-buffer");
    if let Some(jobs) = batch.request.at_once {
        // Of all hosts together where there are several, which `parallel` cannot do: so many on each.
        write!(line, " --jobs {jobs}").expect("a string takes all");
    }
    if batch.request.hosts.is_some() {
        write!(line, " --sshloginfile {HOSTS} --workdir {}", script::quoted_path(&batch.folder))
            .expect("a string takes all");
    }
    if !batch.request.extra.is_empty() {
        write!(line, " {}", script::words(&batch.request.extra)).expect("a string takes all");
    }
    let command = format!("bash task.sh {stage} {{}} >>logs/{stage}-{{}}.log 2>&1");
    format!("{line} {}\n", shell(&command))
}

/// What places without a queue of their own can do.
pub(super) fn without_queue(mut request: Request, place: &str) -> Result<Request, String> {
    let refused = [("partition", request.partition.is_some()), ("time", request.time.is_some()), ("gpu", request.gpu)];
    if let Some((option, _)) = refused.iter().find(|(_, given)| *given) {
        return Err(format!("`--{option}` means nothing to the place `{place}`: leave it out"));
    }
    request.trials_per_task = request.trials_per_task.max(1);
    Ok(request)
}

/// Whether the runner of a batch is at work: it holds a lock as long as any of its tasks lives. Which tasks wait and which run
/// is seen in the run folders.
pub(super) fn ask_runner(batch: &Batch) -> Result<Answer, String> {
    let lock = batch.folder.join("runner.lock");
    if !lock.exists() {
        return Ok(Answer::new());
    }
    // Shared: several may look at the same time, and none takes another for the runner.
    let look = ["--shared", "--nonblock", "--conflict-exit-code=9"];
    let free = Command::new("flock").args(look).arg(&lock).arg("true").status();
    match free.map_err(|error| format!("flock: {error}"))?.code() {
        Some(0) => Ok(Answer::new()),
        Some(9) => {
            let made =
                |task: &SetTask| task.sets.iter().all(|set| batch.runs.join("sets").join(set.to_string()).is_dir());
            let sets = batch.set_tasks().map_err(|error| error.to_string())?;
            let sets = sets.iter().enumerate().filter(|(_, task)| !made(task)).map(|(index, _)| (Stage::Sets, index));
            let trials = (0..batch.tasks(Stage::Trials)).map(|index| (Stage::Trials, index));
            Ok(sets.chain(trials).map(|task| (task, InQueue::Waiting)).collect())
        }
        _ => Err(format!("{} cannot be looked at", lock.display())),
    }
}
