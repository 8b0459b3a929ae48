//! Slurm: two job arrays and a job that collects. Options and states are those of `sbatch(1)`, `squeue(1)` and `scontrol(1)`,
//! Slurm 22.05.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use super::batch::{Batch, Request, Stage};
use super::status::InQueue;
use super::{Answer, Place, SUBMIT_SCRIPT, script};

/// Slurm's default `MaxArraySize` is 1001, which is one more than the largest index.
const MOST_TASKS: usize = 1000;
/// Seconds before its time limit at which a task is told to save and to queue again.
const WARNING_SECS: u32 = 120;
/// A task that was told to stop waits for the end that Slurm has decided on. If it ended first, Slurm would take a preempted
/// task for one that is over, and not queue it again.
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) struct Slurm;

impl Place for Slurm {
    fn name(&self) -> &'static str {
        "slurm"
    }

    fn help(&self) -> &'static str {
        "job arrays of Slurm; extra words are options of `sbatch`"
    }

    fn accept(&self, mut request: Request, trials: usize) -> Result<Request, String> {
        if request.hosts.is_some() {
            return Err("Slurm chooses the hosts: use `--partition`, or `-- --nodelist=...`".to_owned());
        }
        if request.trials_per_task == 0 {
            request.trials_per_task = trials.div_ceil(self.most_tasks()).max(1);
        }
        Ok(request)
    }

    fn most_tasks(&self) -> usize {
        MOST_TASKS
    }

    fn files(&self, batch: &Batch) -> Vec<(&'static str, String)> {
        vec![
            ("sets.sbatch", array(batch, Stage::Sets, "The sets, one task a line of sets.jsonl,")),
            ("trials.sbatch", array(batch, Stage::Trials, "The trials, one task a line of tasks.jsonl,")),
            ("collect.sbatch", collect(batch)),
            (SUBMIT_SCRIPT, submit(batch)),
        ]
    }

    fn ask(&self, batch: &Batch) -> Result<Answer, String> {
        let names = [Stage::Sets, Stage::Trials].map(|stage| batch.job_name(stage)).join(",");
        let arguments = ["--me", "--array", "--noheader", "--format=%j|%K|%T|%r", &format!("--name={names}")];
        let output = Command::new("squeue").args(arguments).output().map_err(|error| format!("squeue: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        parse(batch, &String::from_utf8_lossy(&output.stdout))
    }

    fn stopped(&self, again: bool, tell: &dyn Fn(&str)) {
        let Ok(job) = std::env::var("SLURM_JOB_ID") else { return };
        if again {
            tell(&queue_again(&job));
        }
        // Slurm ends this process.
        std::thread::sleep(PATIENCE);
    }
}

fn queue_again(job: &str) -> String {
    match Command::new("scontrol").args(["requeue", job]).output() {
        Ok(output) if output.status.success() => format!("job {job} is in the queue again"),
        Ok(output) => format!("job {job} cannot be queued again: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => format!("job {job} cannot be queued again: scontrol: {error}"),
    }
}

/// One line a task: name of the job, index in the array, state, and why it waits.
fn parse(batch: &Batch, lines: &str) -> Result<Answer, String> {
    let mut answer = Answer::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let wrong = || format!("squeue wrote `{}`", line.trim());
        let [name, index, state, reason] =
            line.trim().splitn(4, '|').collect::<Vec<_>>().try_into().map_err(|_: Vec<&str>| wrong())?;
        let stage = [Stage::Sets, Stage::Trials].into_iter().find(|stage| batch.job_name(*stage) == name);
        let (Some(stage), Ok(index)) = (stage, index.parse()) else { return Err(wrong()) };
        let seen = match state {
            "RUNNING" | "COMPLETING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "RESIZING" | "STAGE_OUT" => {
                InQueue::Running
            }
            "PENDING" if is_held(reason) => InQueue::Held(reason.to_owned()),
            "PENDING" | "CONFIGURING" | "REQUEUED" | "PREEMPTED" => InQueue::Waiting,
            held @ ("REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" | "RESV_DEL_HOLD") => {
                InQueue::Held(held.to_owned())
            }
            // It has ended, and squeue has not forgotten it yet.
            _ => continue,
        };
        answer.insert((stage, index), seen);
    }
    Ok(answer)
}

/// Whether a task waits for a person and not for its turn: `JobHeldUser`, `JobHeldAdmin`, `launch failed requeued held`.
fn is_held(reason: &str) -> bool {
    reason.to_ascii_lowercase().contains("held") || reason == "DependencyNeverSatisfied"
}

/// The options that all jobs of a batch have. What the user gave comes last; what it names is left out before.
fn options(batch: &Batch, own: &[String]) -> String {
    let Request { partition, time, gpu, extra, .. } = &batch.request;
    let mut all = own.to_vec();
    all.extend(partition.iter().map(|partition| format!("--partition={partition}")));
    all.extend(time.iter().map(|time| format!("--time={time}")));
    all.extend(gpu.then(|| "--gres=gpu:1".to_owned()));
    let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    let given: Vec<String> = extra.iter().map(|option| name(option)).collect();
    all.retain(|option| !given.contains(&name(option)));
    let mut text = String::new();
    for option in all.iter().chain(extra) {
        writeln!(text, "#SBATCH {option}").expect("a string takes all");
    }
    text
}

fn array(batch: &Batch, stage: Stage, what: &str) -> String {
    let last = batch.tasks(stage).saturating_sub(1);
    let at_once = batch.request.at_once.map_or_else(String::new, |most| format!("%{most}"));
    let memory_mib = if stage == Stage::Sets { Some(batch.set_memory_mib) } else { batch.memory_mib };
    let mut own = vec![
        format!("--job-name={}", batch.job_name(stage)),
        format!("--array=0-{last}{at_once}"),
        format!("--cpus-per-task={}", batch.threads),
    ];
    // What a command needs is not known: the cluster's default holds, or what the user gives.
    own.extend(memory_mib.map(|mib| format!("--mem={mib}M")));
    own.extend([
        "--requeue".to_owned(),
        "--open-mode=append".to_owned(),
        format!("--signal=B:USR1@{WARNING_SECS}"),
        format!("--output=logs/{stage}-%a.log"),
    ]);
    let heading = script::heading(batch, what);
    let environment = script::environment(batch);
    let task = script::task(batch, stage.name(), "\"$SLURM_ARRAY_TASK_ID\"");
    format!(
        "#!/bin/bash\n{heading}{}\n\
         # USR1 comes {WARNING_SECS} s before the time limit: the task saves and queues itself again. Until it listens, ignore it.\n\
         trap '' USR1\n{environment}exec {task}\n",
        options(batch, &own)
    )
}

fn collect(batch: &Batch) -> String {
    let own = [
        format!("--job-name=augtrial-{}-collect", batch.token),
        "--cpus-per-task=1".to_owned(),
        format!("--mem={}M", batch.memory_mib.unwrap_or(batch.set_memory_mib)),
        "--output=logs/collect.log".to_owned(),
    ];
    let without_gpu = Batch { request: Request { gpu: false, ..batch.request.clone() }, ..batch.clone() };
    let heading = script::heading(batch, "Index, comparison and report");
    format!("#!/bin/bash\n{heading}{}exec {}\n", options(&without_gpu, &own), script::collect(batch))
}

/// Sets, then trials, then the collection. `afterany`, since a set that fails keeps only its own arms from being trained; what
/// could never start is removed from the queue.
fn submit(batch: &Batch) -> String {
    let mut text = format!("#!/bin/bash\n{}", script::heading(batch, "Submits all jobs"));
    text.push_str(SUBMIT);
    for stage in [Stage::Sets, Stage::Trials].into_iter().filter(|stage| batch.tasks(*stage) > 0) {
        writeln!(text, "submit {stage}").expect("a string takes all");
    }
    text.push_str("submit collect\n");
    text
}

const SUBMIT: &str = r#"set -Eeuo pipefail
cd "$(dirname "$0")"
mkdir -p logs
touch submitted
jobs=
after=
# If one is refused, those before it are cancelled.
trap '[ -z "$jobs" ] || scancel $jobs' ERR
submit() { # each after the one before it, however that ends
  local answer
  answer=$(sbatch --parsable --kill-on-invalid-dep=yes ${after:+--dependency=afterany:$after} "$1.sbatch")
  after=${answer%%;*}
  jobs="$jobs $after"
  echo "$1: job $after"
}
"#;

#[cfg(test)]
mod tests;
