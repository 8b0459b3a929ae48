//! HyperQueue: two task arrays on the workers of a running server (Beránek et al. 2024, SoftwareX 27,
//! doi:10.1016/j.softx.2024.101814). Options and output are those of `hq submit`, `hq job list` and `hq task list`, read in its
//! source.

use std::fmt::Write as _;
use std::process::Command;

use serde::Deserialize;

use super::batch::{Batch, Request, SUBMITTED, Stage};
use super::status::InQueue;
use super::{Answer, Place, SUBMIT_SCRIPT, script};
use augtrial_base::text::shell;

pub(super) struct HyperQueue;

impl Place for HyperQueue {
    fn name(&self) -> &'static str {
        "hyperqueue"
    }

    fn help(&self) -> &'static str {
        "task arrays of a running HyperQueue server; extra words are options of `hq submit`"
    }

    fn accept(&self, mut request: Request, _trials: usize) -> Result<Request, String> {
        if request.partition.is_some() {
            return Err("HyperQueue has no partitions: name them when its workers are started".to_owned());
        }
        if request.at_once.is_some() {
            return Err(
                "HyperQueue runs as many tasks as its workers have room for: leave out `--max-at-once`".to_owned()
            );
        }
        if request.hosts.is_some() {
            return Err("HyperQueue runs tasks on its workers: start `hq worker start` on each host".to_owned());
        }
        request.trials_per_task = request.trials_per_task.max(1);
        Ok(request)
    }

    fn files(&self, batch: &Batch) -> Vec<(&'static str, String)> {
        vec![("task.sh", task_script(batch)), (SUBMIT_SCRIPT, submit(batch))]
    }

    fn ask(&self, batch: &Batch) -> Result<Answer, String> {
        let jobs: Vec<Job> = read(&hq(&["job", "list", "--all", "--output-mode", "json"])?)?;
        let mut answer = Answer::new();
        for stage in [Stage::Sets, Stage::Trials] {
            let name = batch.job_name(stage);
            for job in jobs.iter().filter(|job| job.name == name) {
                answer.extend(tasks(stage, &hq(&["task", "list", &job.id.to_string(), "--output-mode", "json"])?)?);
            }
        }
        Ok(answer)
    }
}

/// A job in `hq job list`.
#[derive(Deserialize)]
struct Job {
    id: u64,
    name: String,
}

/// A task in `hq task list`.
#[derive(Deserialize)]
struct Task {
    id: usize,
    state: String,
}

fn hq(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("hq").args(arguments).output().map_err(|error| format!("hq: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err([&output.stderr, &output.stdout].map(|text| String::from_utf8_lossy(text).trim().to_owned()).join(" "))
}

fn read<T: for<'de> Deserialize<'de>>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| format!("hq answers otherwise than expected: {error}"))
}

/// Tasks that have not ended, of the jobs in an answer.
fn tasks(stage: Stage, json: &[u8]) -> Result<Answer, String> {
    let jobs: std::collections::BTreeMap<String, Vec<Task>> = read(json)?;
    let seen = |task: Task| match task.state.as_str() {
        "waiting" => Some(((stage, task.id), InQueue::Waiting)),
        "running" => Some(((stage, task.id), InQueue::Running)),
        _ => None,
    };
    Ok(jobs.into_values().flatten().filter_map(seen).collect())
}

fn task_script(batch: &Batch) -> String {
    let heading = script::heading(batch, "One task");
    let environment = script::environment(batch);
    let task = script::task(batch, "\"$1\"", "\"$HQ_TASK_ID\"");
    format!(
        "#!/bin/bash\n{heading}# usage: task.sh sets|trials, with HQ_TASK_ID in the environment\n{environment}exec {task}\n"
    )
}

/// The sets are waited for: arrays of HyperQueue do not wait for one another.
fn submit(batch: &Batch) -> String {
    let mut text = format!(
        "#!/bin/bash\n{}set -euo pipefail\ncd \"$(dirname \"$0\")\"\nmkdir -p logs\ntouch {SUBMITTED}\n",
        script::heading(batch, "Submits all tasks")
    );
    for stage in [Stage::Sets, Stage::Trials] {
        if let Some(last) = batch.tasks(stage).checked_sub(1) {
            text.push_str(&array(batch, stage, last));
        }
    }
    writeln!(text, "echo 'when all tasks have ended:'\necho {}", shell(&script::collect(batch)))
        .expect("a string takes all");
    text
}

fn array(batch: &Batch, stage: Stage, last: usize) -> String {
    let Request { time, gpu, extra, .. } = &batch.request;
    let log = format!("logs/{stage}-%{{TASK_ID}}.log");
    let mut words = vec![
        format!("--name={}", batch.job_name(stage)),
        format!("--array=0-{last}"),
        format!("--cpus={}", batch.threads),
        "--directives=off".to_owned(),
        format!("--stdout={log}"),
        format!("--stderr={log}"),
    ];
    words.extend(time.iter().map(|time| format!("--time-limit={time}")));
    words.extend(gpu.then(|| "--resource=gpus/nvidia=1".to_owned()));
    words.extend(extra.iter().cloned());
    // A set that fails keeps only its own arms from being trained.
    let end = if stage == Stage::Sets { " || echo 'some sets were not made; see logs/' >&2" } else { "" };
    words.extend((stage == Stage::Sets).then(|| "--wait".to_owned()));
    format!("hq submit {} -- bash task.sh {stage}{end}\n", script::words(&words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_have_ended_are_not_in_the_queue() {
        let json = br#"{"7": [{"id": 0, "state": "finished"}, {"id": 1, "state": "running", "worker": 1},
                      {"id": 2, "state": "waiting"}, {"id": 3, "state": "canceled"}]}"#;
        let found = tasks(Stage::Trials, json).unwrap();
        let expected = [(1, InQueue::Running), (2, InQueue::Waiting)];
        assert_eq!(found, expected.map(|(index, seen)| ((Stage::Trials, index), seen)).into());
        assert!(tasks(Stage::Trials, b"[]").unwrap_err().contains("otherwise than expected"));
    }
}
