//! Writing the folder of a batch and handing it to its place: what is left of a study, or of an earlier batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use super::super::further;
use super::super::jobs::{Assignment, editor_bytes, trial_bytes};
use super::super::prepared::Draws;
use super::batch::{ASSIGNMENT, BATCH, Batch, BatchError, PlannedTrial, Request, SetTask, SetsOf, Stage, TrialTask};
use super::status::{TrialStatus, status};
use super::{Place, SUBMIT_SCRIPT, place};
use crate::jobs::{self, Agenda};
use crate::{Context, Crew, Options, StudyError, WorkerProgram};
use augtrial_base::clock::rfc3339;
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability};
use augtrial_base::words::plural;
use augtrial_plan::classifier::Device;
use augtrial_plan::{DATA_VARIABLE, Plan, data_folder};
use augtrial_registry::Registry;
use augtrial_trial::kernels;

/// Hexadecimal digits of a batch's name.
const TOKEN_DIGITS: usize = 8;

/// A batch that was written.
#[derive(Debug)]
pub struct Submitted {
    /// Absent if nothing is left to do.
    pub batch: Option<Batch>,
    /// Why a task has as many threads as it has.
    pub why_threads: String,
    /// Trials that are left out because an earlier batch has them in the queue.
    pub queued: usize,
    /// What the place's own command wrote; absent if it was not run.
    pub answer: Option<String>,
}

/// What to submit again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resubmit {
    /// Trials that failed, too, as new attempts.
    pub failed: bool,
}

/// Writes what is left of a study as a batch, and submits it unless `dry_run`.
///
/// # Errors
/// If the place cannot do what is asked, or the queue of an earlier batch does not answer; whatever reading the data or writing
/// the batch gives.
pub fn submit(
    plan: &Plan,
    options: &Options,
    (place_name, mut request): (&str, Request),
    dry_run: bool,
    context: &Context<'_>,
) -> Result<Submitted, StudyError> {
    options.check(plan)?;
    if plan.sequential.is_some() {
        return Err(StudyError::LooksElsewhere { place: place_name.to_owned() });
    }
    let place = place(place_name).map_err(BatchError::Place)?;
    request.gpu |= matches!(plan.classifier.device, Device::Cuda(_));
    let program = context.worker.ok_or(StudyError::NoEngine)?;
    let registry = Registry::lead(&context.workspace.runs, context.clock)?;
    let draws = Draws::read(plan, context)?;
    let agenda = Agenda::new(&draws, options, &registry)?;
    let machine = jobs::Machine::for_plan(plan, None);
    let choice = jobs::choose(plan, None, machine, &agenda.left());
    let crew = Crew { jobs: 1, threads: choice.crew.threads };
    let assignment = jobs::assignment(&draws, options, crew)?;
    let assignment = assignment.absolute().map_err(BatchError::io("find", Path::new(".")))?;
    let work = Work { draws: &draws, agenda: &agenda, assignment, place, request, program, context };
    Ok(Submitted { why_threads: choice.why, ..work.submit(dry_run)? })
}

/// Writes what has no result of an earlier batch's study as a new batch, and submits it unless `dry_run`.
///
/// # Errors
/// As [`submit`].
pub fn resubmit(
    earlier: &Batch,
    resubmit: Resubmit,
    dry_run: bool,
    context: &Context<'_>,
) -> Result<Submitted, StudyError> {
    let place = place(&earlier.place).map_err(BatchError::Place)?;
    let worker = context.worker.ok_or(StudyError::NoEngine)?.clone();
    let program = WorkerProgram { path: earlier.trainer.clone(), without_torch: earlier.without_torch, ..worker };
    let mut assignment = earlier.assignment()?;
    assignment.retry_failed = resubmit.failed;
    let plan = assignment.plan()?;
    let registry = Registry::lead(&context.workspace.runs, context.clock)?;
    let draws = Draws::as_read(&plan, assignment.manifest.clone(), assignment.beside.clone(), context)?;
    let wanted: BTreeSet<&str> = assignment.arms.iter().map(String::as_str).collect();
    let arms = plan.arms.iter().map(|arm| arm.name.as_str()).filter(|name| wanted.contains(name));
    let options = Options {
        arms: if wanted.is_empty() { Vec::new() } else { arms.map(str::to_owned).collect() },
        never_resume: assignment.never_resume,
        retry_failed: assignment.retry_failed,
        checkpoints: assignment.checkpoints,
        ..Options::default()
    };
    let agenda = Agenda::new(&draws, &options, &registry)?;
    let request = earlier.request.clone();
    let why_threads = format!("as in batch {}", earlier.token);
    let work = Work { draws: &draws, agenda: &agenda, assignment, place, request, program: &program, context };
    Ok(Submitted { why_threads, ..work.submit(dry_run)? })
}

struct Work<'a> {
    draws: &'a Draws<'a>,
    agenda: &'a Agenda<'a>,
    assignment: Assignment,
    place: &'static dyn Place,
    request: Request,
    program: &'a WorkerProgram,
    context: &'a Context<'a>,
}

impl Work<'_> {
    fn submit(self, dry_run: bool) -> Result<Submitted, StudyError> {
        let queued = self.queued()?;
        let items = self.agenda.trials.iter().filter(|trial| trial.settled.is_none());
        let (waiting, left): (Vec<_>, Vec<_>) = items.partition(|trial| queued.contains(&trial.key));
        let mut submitted = Submitted { batch: None, why_threads: String::new(), queued: waiting.len(), answer: None };
        if left.is_empty() {
            return Ok(submitted);
        }
        // Trials of one key are one piece of work, whatever their arms are called.
        let mut seen = BTreeSet::new();
        let trials: Vec<PlannedTrial> = left
            .into_iter()
            .filter(|item| seen.insert(item.key))
            .map(|item| PlannedTrial {
                arm: self.agenda.arms[item.arm].arm.name.clone(),
                seed: item.seed,
                key: item.key,
                label: item.label.clone(),
            })
            .collect();
        let request = self.place.accept(self.request.clone(), trials.len()).map_err(BatchError::Place)?;
        let sets = packed(&self.set_tasks(&trials)?, self.place.most_tasks());
        let tasks: Vec<TrialTask> =
            trials.chunks(request.trials_per_task.max(1)).map(|chunk| TrialTask { trials: chunk.to_vec() }).collect();
        let batch = self.batch(request, (sets.len(), tasks.len(), trials.len()))?;
        self.write(&batch, &sets, &tasks)?;
        if !dry_run {
            submitted.answer = Some(run(&batch)?);
        }
        submitted.batch = Some(batch);
        Ok(submitted)
    }

    /// Keys of trials that earlier batches, of this study or of another, have in the queue or at work.
    fn queued(&self) -> Result<BTreeSet<Digest>, StudyError> {
        let all = match Batch::of_study(&self.assignment.runs, None) {
            Err(BatchError::Nothing { .. }) => return Ok(BTreeSet::new()),
            batches => batches?,
        };
        let left = self.agenda.trials.iter().filter(|trial| trial.settled.is_none());
        let left: BTreeSet<Digest> = left.map(|trial| trial.key).collect();
        let mut earlier = Vec::new();
        for batch in all {
            if batch.trial_tasks()?.iter().flat_map(|task| &task.trials).any(|trial| left.contains(&trial.key)) {
                earlier.push(batch);
            }
        }
        let mut found = status(earlier, self.context.clock)?;
        found.trials.retain(|trial| left.contains(&trial.key));
        if found.trials.iter().any(|trial| trial.status == TrialStatus::Unknown) {
            found.check_heard()?;
        }
        let in_work =
            |status: &TrialStatus| matches!(status, TrialStatus::Queued | TrialStatus::Held(_) | TrialStatus::Running);
        Ok(found.trials.iter().filter(|trial| in_work(&trial.status)).map(|trial| trial.key).collect())
    }

    /// The sets that are missing; else the originals, if nobody has decoded them.
    fn set_tasks(&self, trials: &[PlannedTrial]) -> Result<Vec<SetTask>, StudyError> {
        let mut missing = Vec::new();
        for prepared in self.draws.all() {
            let prepared = prepared?;
            let here = || trials.iter().filter(|trial| prepared.seeds.contains(&trial.seed));
            let Some(seed) = here().map(|trial| trial.seed).next() else { continue };
            let wanted = |name: &str| here().any(|trial| trial.arm == name);
            let of_draw = |seed| prepared.seeds.contains(seed);
            let arms =
                self.agenda.arms.iter().filter(|item| of_draw(&item.seed) && !item.made && wanted(&item.arm.name));
            missing.extend(
                arms.map(|item| (SetsOf { arm: Some(item.arm.name.clone()), seed: item.seed }, item.sets.clone())),
            );
            let evaluations = further::set_digests(self.draws.plan, &prepared.data);
            if !evaluations.iter().all(|set| prepared.is_made(set)) {
                missing.push((SetsOf { arm: None, seed }, evaluations));
            }
        }
        let mut tasks = grouped(missing);
        if tasks.is_empty() && !self.draws.first().has_pixels() {
            tasks.push(SetTask { of: Vec::new(), sets: Vec::new() });
        }
        Ok(tasks)
    }

    fn batch(&self, request: Request, (sets, tasks, trials): (usize, usize, usize)) -> Result<Batch, StudyError> {
        let plan = self.draws.plan;
        let mut pinned = Command::new("");
        kernels::pin(&mut pinned, plan.classifier.kernels);
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let mut pinned: BTreeMap<String, Option<String>> =
            pinned.get_envs().map(|(name, value)| (text(name), value.map(text))).collect();
        if let Some(data) = data_folder() {
            let data = absolute(&data).map_err(BatchError::io("find", &data))?;
            pinned.insert(DATA_VARIABLE.to_owned(), Some(data.to_string_lossy().into_owned()));
        }
        let made_at = rfc3339(self.context.clock.now());
        let name = Digest::of_value("batch-v1", &(self.assignment.plan, &made_at, std::process::id()));
        let token = name.to_string()[..TOKEN_DIGITS].to_owned();
        let here = |path: &Path| absolute(path).map_err(BatchError::io("find", path));
        let runs = here(&self.assignment.runs)?;
        let digest = |path: &PathBuf| Digest::of_file(path).ok();
        Ok(Batch {
            format: Batch::FORMAT,
            place: self.place.name().to_owned(),
            study: plan.study.name.clone(),
            plan: self.assignment.plan,
            made_at,
            folder: Batch::place_for(&runs, &plan.study.name, &token),
            token,
            trainer: here(&self.program.path)?,
            without_torch: self.program.without_torch,
            collector: std::env::current_exe().map_err(BatchError::io("find", Path::new("this program")))?,
            runs,
            reports: here(&self.context.workspace.reports)?,
            threads: self.assignment.threads,
            memory_mib: plan.classifier.command.is_none().then(|| mib(trial_bytes(plan))),
            set_memory_mib: mib(plan.arms.iter().map(|arm| editor_bytes(plan, arm)).fold(trial_bytes(plan), u64::max)),
            defaults: self.program.environment.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
            pinned,
            experiment: self.assignment.experiment.as_ref().and_then(digest),
            set_tasks: sets,
            trial_tasks: tasks,
            trials,
            request,
        })
    }

    /// The folder appears whole, or not at all.
    fn write(&self, batch: &Batch, sets: &[SetTask], tasks: &[TrialTask]) -> Result<(), BatchError> {
        let failed = |source| BatchError::Io { action: "write", path: batch.folder.clone(), source };
        let draft = disk::unfinished_folder(&batch.folder).map_err(failed)?;
        let write = |name: &str, text: &str| {
            disk::replace_bytes(&draft.path().join(name), text.as_bytes(), Durability::Later).map_err(failed)
        };
        write(Stage::Sets.file(), &lines(sets))?;
        write(Stage::Trials.file(), &lines(tasks))?;
        write(ASSIGNMENT, &json(&self.assignment))?;
        for (name, text) in self.place.files(batch) {
            write(name, &text)?;
        }
        disk::create_folder(&draft.path().join("logs")).map_err(failed)?;
        write(BATCH, &json(batch))?;
        disk::publish(draft.path(), &batch.folder).map_err(failed).map(drop)
    }
}

/// One task for all that have a set in common, also by way of others, so that no two tasks make the same set.
fn grouped(missing: Vec<(SetsOf, Vec<Digest>)>) -> Vec<SetTask> {
    let mut tasks: Vec<SetTask> = Vec::new();
    for (of, sets) in missing {
        let shares = |task: &SetTask| task.sets.iter().any(|set| sets.contains(set));
        let (sharing, mut apart): (Vec<_>, Vec<_>) = tasks.into_iter().partition(shares);
        let mut task = SetTask { of: Vec::new(), sets: Vec::new() };
        for SetTask { of, sets } in sharing {
            task.of.extend(of);
            task.sets.extend(sets);
        }
        task.of.push(of);
        task.sets.extend(sets);
        task.sets.sort_unstable();
        task.sets.dedup();
        apart.push(task);
        tasks = apart;
    }
    tasks
}

/// At most so many tasks, of which each makes the sets of several.
fn packed(tasks: &[SetTask], most: usize) -> Vec<SetTask> {
    let merged = |chunk: &[SetTask]| {
        let mut sets: Vec<Digest> = chunk.iter().flat_map(|task| task.sets.iter().copied()).collect();
        sets.sort_unstable();
        SetTask { of: chunk.iter().flat_map(|task| task.of.iter().cloned()).collect(), sets }
    };
    tasks.chunks(tasks.len().div_ceil(most).max(1)).map(merged).collect()
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data has a JSON form") + "\n"
}

fn lines(values: &[impl serde::Serialize]) -> String {
    values.iter().map(|value| serde_json::to_string(value).expect("plain data has a JSON form") + "\n").collect()
}

/// Runs the place's own script.
fn run(batch: &Batch) -> Result<String, BatchError> {
    let script = batch.folder.join(SUBMIT_SCRIPT);
    let failed = |reason: String| BatchError::Submit { script: script.clone(), reason };
    let output = Command::new("bash").arg(&script).output().map_err(|error| failed(error.to_string()))?;
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        return Err(failed(told(&output.stderr)));
    }
    Ok(told(&output.stdout))
}

impl Submitted {
    /// What was left out, in a sentence; nothing if nothing was.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        (self.queued > 0)
            .then(|| format!("{} of an earlier batch are in the queue or at work", plural(self.queued, "trial")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_that_share_a_set_are_one_task_also_by_way_of_a_third() {
        let digest = |name: &str| Digest::of_bytes(name.as_bytes());
        let arms = [("a", vec![digest("1")]), ("b", vec![digest("2")]), ("c", vec![digest("3")])];
        let both = ("d", vec![digest("1"), digest("2")]);
        let of = |arm: &str| SetsOf { arm: Some(arm.to_owned()), seed: 1 };
        let tasks = grouped(arms.into_iter().chain([both]).map(|(arm, sets)| (of(arm), sets)).collect());
        let name = |of: &SetsOf| of.arm.clone().unwrap();
        let names: Vec<Vec<String>> = tasks.iter().map(|task| task.of.iter().map(name).collect()).collect();
        assert_eq!(names, [vec!["c"], vec!["a", "b", "d"]]);
        assert_eq!(tasks[1].sets.len(), 2, "each set is there once");
    }

    #[test]
    fn more_tasks_for_sets_than_an_array_holds_are_packed_and_none_is_lost() {
        let task = |seed: u64| SetTask {
            of: vec![SetsOf { arm: Some("a".to_owned()), seed }],
            sets: vec![Digest::of_bytes(&seed.to_le_bytes())],
        };
        let most = place("slurm").unwrap().most_tasks();
        for (count, left) in [(0, 0), (1, 1), (most, most), (most + 1, most / 2 + 1), (1200, 600)] {
            let tasks: Vec<SetTask> = (0..count as u64).map(task).collect();
            let packed = packed(&tasks, most);
            assert_eq!(packed.len(), left, "{count} tasks");
            let of = |tasks: &[SetTask]| tasks.iter().flat_map(|task| task.of.clone()).collect::<Vec<_>>();
            let sets = |tasks: &[SetTask]| tasks.iter().flat_map(|task| task.sets.clone()).collect::<BTreeSet<_>>();
            assert!(of(&packed) == of(&tasks) && sets(&packed) == sets(&tasks), "{count} tasks");
        }
        let tasks: Vec<SetTask> = (0..1200).map(task).collect();
        assert_eq!(packed(&tasks, place("local").unwrap().most_tasks()), tasks);
    }
}
