//! Lines that the scripts of several places share.

use std::fmt::Write as _;
use std::path::Path;

use super::batch::{Batch, SUBMITTED, Stage};
use augtrial_base::text::shell;

/// Seconds that a runner waits for its lock: whoever asks for the state of a batch holds it for a moment.
const LOCK_SECS: u32 = 10;
/// The loader's folders of libraries; set where the program that trains does not find LibTorch by itself.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

pub(super) fn quoted_path(path: &Path) -> String {
    shell(&path.to_string_lossy()).into_owned()
}

/// Words for a shell, each quoted where it must be.
pub(super) fn words(words: &[String]) -> String {
    words.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ")
}

/// What every script of a batch begins with, after its own options.
pub(super) fn heading(batch: &Batch, what: &str) -> String {
    format!("# {what} of study {}, batch {}. Edit what you like, then run submit.sh.\n", batch.study, batch.token)
}

/// The environment of a task. Variables are set before the program starts, since its libraries read them then.
pub(super) fn environment(batch: &Batch) -> String {
    let mut text = String::new();
    let threads = batch.threads;
    writeln!(text, "# Threads decide the last bits of a result: keep the number.").expect("a string takes all");
    writeln!(text, "export OMP_NUM_THREADS={threads} RAYON_NUM_THREADS={threads}").expect("a string takes all");
    for (name, value) in &batch.defaults {
        let line = if name == LIBRARIES {
            // In front of what is set, not only where nothing is: the program does not start without it.
            format!("export {name}={}\"${{{name}:+:${name}}}\"", shell(value))
        } else {
            format!("export {name}=\"${{{name}:-{value}}}\"")
        };
        writeln!(text, "{line}").expect("a string takes all");
    }
    for (name, value) in &batch.pinned {
        let line =
            value.as_ref().map_or_else(|| format!("unset {name}"), |value| format!("export {name}={}", shell(value)));
        writeln!(text, "{line}").expect("a string takes all");
    }
    text
}

/// The command of one task; `index` is what the shell replaces by its number.
pub(super) fn task(batch: &Batch, stage: &str, index: &str) -> String {
    format!("{} task {} {stage} {index}", quoted_path(&batch.trainer), quoted_path(&batch.folder))
}

/// The command that puts the results together.
pub(super) fn collect(batch: &Batch) -> String {
    let [collector, runs, reports, folder] =
        [&batch.collector, &batch.runs, &batch.reports, &batch.folder].map(|path| quoted_path(path));
    format!("{collector} --runs {runs} --reports {reports} collect {folder}")
}

/// `task.sh STAGE INDEX`, for places that have no batch files of their own.
pub(super) fn task_script(batch: &Batch) -> String {
    let heading = heading(batch, "One task");
    let environment = environment(batch);
    let task = task(batch, "\"$1\"", "\"$2\"");
    format!("#!/bin/bash\n{heading}# usage: task.sh sets|trials INDEX\n{environment}exec {task}\n")
}

/// `run.sh`: every task of both stages by `each`, which gives the command for a stage, then the collection. It holds a lock
/// that says that somebody is at work.
pub(super) fn runner(batch: &Batch, each: impl Fn(Stage, usize) -> String) -> String {
    let mut text = format!(
        "#!/bin/bash\n{}set -uo pipefail\ncd \"$(dirname \"$0\")\"\nexec 9>runner.lock\n\
         flock --wait {LOCK_SECS} 9 || {{ echo \"this batch is being run\" >&2; exit 1; }}\n",
        heading(batch, "All tasks")
    );
    for stage in [Stage::Sets, Stage::Trials] {
        if let Some(last) = batch.tasks(stage).checked_sub(1) {
            text.push_str(&each(stage, last));
        }
    }
    text.push_str(&collect(batch));
    text.push('\n');
    text
}

/// `submit.sh` that starts `run.sh` and does not wait for it.
pub(super) fn start_runner(batch: &Batch) -> String {
    format!(
        "#!/bin/bash\n{}set -euo pipefail\ncd \"$(dirname \"$0\")\"\nmkdir -p logs\ntouch {SUBMITTED}\n\
         flock --wait {LOCK_SECS} runner.lock true || {{ echo \"this batch is being run\" >&2; exit 1; }}\n\
         setsid nohup bash run.sh </dev/null >>logs/run.log 2>&1 &\n\
         echo \"started in the background; its words are in $PWD/logs\"\n",
        heading(batch, "Starts all tasks")
    )
}
