//! One task of a batch, run by `augtrial-torch task` on whatever machine its place has chosen. It writes sets and the folders
//! of its runs, and nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::arms::ReadyArm;
use super::super::jobs::Desk;
use super::super::prepared::{Draws, Prepared};
use super::super::trials::TrialSession;
use super::batch::{Batch, BatchError, PlannedTrial, SetsOf, Stage};
use crate::{Outcome, StudyError};
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::progress::Progress;
use augtrial_base::words::chain;
use augtrial_plan::arm::Arm;
use augtrial_registry::{CLAIM_PATIENCE, Standing};
use augtrial_trial::Engine;

/// Between two looks at a run that another process holds.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs task number `index` of a stage of a batch. Without an `engine`, it takes studies whose trials a command trains.
///
/// # Errors
/// [`StudyError::Interrupted`] at a resumable point after `stop` was set; else whatever reading the batch, making a set or
/// writing a record gives. A trial that fails is no error but part of the outcome.
pub fn run_task(
    batch: &Batch,
    stage: Stage,
    index: usize,
    (stop, save): (&AtomicBool, &AtomicBool),
    progress: &Progress,
    engine: Option<&dyn Engine>,
) -> Result<Outcome, StudyError> {
    let mut assignment = batch.assignment()?;
    if let (Some(path), Some(submitted)) = (&assignment.experiment, batch.experiment)
        && Digest::of_file(path).ok() != Some(submitted)
    {
        progress.note(&format!("{} was changed since it was submitted, and is not recorded", path.display()));
        assignment.experiment = None;
    }
    let desk = Desk { progress, clock: Clock::System, stop, save, engine, recorded: &|_| {} };
    let mut outcome = Outcome::default();
    desk.work_on(&assignment, |draws, session| match stage {
        Stage::Sets => make_sets(draws, &batch.set_task(index)?.of),
        Stage::Trials => {
            let mut arms = BTreeMap::new();
            for trial in batch.trial_task(index)?.trials {
                session.context.check_stop()?;
                let prepared = drawn(draws, trial.seed)?;
                // Trials stand seed by seed: what an earlier draw was ready for is not needed again.
                arms.retain(|(draw, _), _| *draw == prepared.data.draw);
                let place = (prepared.data.draw, trial.arm.clone());
                if !arms.contains_key(&place) {
                    arms.insert(place.clone(), ready_arm(prepared, &trial.arm, batch)?);
                }
                wait_for_others(session, &trial)?;
                let ended = session.trial(prepared, &arms[&place], trial.seed, &trial.label)?;
                outcome.count(&trial.arm, trial.seed, ended);
            }
            Ok(())
        }
    })?;
    Ok(outcome)
}

/// The draw of the trials with this seed, which somebody may have edited.
fn drawn<'d, 'p>(draws: &'d Draws<'p>, seed: u64) -> Result<&'d Prepared<'p>, StudyError> {
    if draws.plan.study.seeds.contains(&seed) { draws.of(seed) } else { Err(BatchError::NoSeed { seed }.into()) }
}

/// The originals are decoded by now. Sets that cannot be made keep no others from being made.
fn make_sets(draws: &Draws<'_>, wanted: &[SetsOf]) -> Result<(), StudyError> {
    let mut failed: Option<StudyError> = None;
    for of in wanted {
        draws.context.check_stop()?;
        match make_sets_of(draws, of) {
            Ok(()) => {}
            Err(StudyError::Interrupted) => return Err(StudyError::Interrupted),
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    draws.context.progress.note(&chain(&earlier));
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn make_sets_of(draws: &Draws<'_>, SetsOf { arm, seed }: &SetsOf) -> Result<(), StudyError> {
    let prepared = drawn(draws, *seed)?;
    match arm {
        Some(name) => prepared.sets_of(arm_of(prepared, name)?).map(drop),
        None => prepared.further().map(drop),
    }
}

fn arm_of<'a>(prepared: &Prepared<'a>, name: &str) -> Result<&'a Arm, StudyError> {
    let none = || StudyError::UnknownArm { name: name.to_owned(), help: "was the list of tasks edited?".to_owned() };
    prepared.plan.arms.iter().find(|arm| arm.name == name).ok_or_else(none)
}

/// An arm whose sets are there: a task that trains makes none, since others would make them at the same time.
fn ready_arm<'s>(prepared: &'s Prepared<'_>, name: &str, batch: &Batch) -> Result<ReadyArm<'s>, StudyError> {
    let arm = arm_of(prepared, name)?;
    for step in prepared.steps(arm) {
        if !prepared.is_made(&prepared.digest(&step?)) {
            return Err(BatchError::NoSets { arm: arm.name.clone(), logs: batch.logs() }.into());
        }
    }
    prepared.ready_arm(arm)
}

/// A task that was queued again may begin before everybody knows that its earlier self is gone. So a run that is held is waited
/// for, as long as it takes to tell a process that is gone from one that lives.
fn wait_for_others(session: &TrialSession<'_>, trial: &PlannedTrial) -> Result<(), StudyError> {
    let context = session.context;
    let watch = Clock::System.start();
    let mut told = false;
    while let Standing::Running { run } = session.folders.standing(&trial.key)? {
        if !std::mem::replace(&mut told, true) {
            let holder =
                session.folders.holder(run).map_or_else(|| "a process".to_owned(), |holder| holder.to_string());
            context.progress.note(&format!("{}: waiting for {holder}, which holds run {run}", trial.label));
        }
        if watch.elapsed() > CLAIM_PATIENCE || context.stop.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    context.check_stop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::{PLAN, within};
    use augtrial_plan::Plan;

    #[test]
    fn sets_that_cannot_be_made_keep_no_others_of_their_task_from_being_made() {
        let runs = tempfile::tempdir().unwrap();
        let plan = Plan::parse("tiny.toml", PLAN, std::path::PathBuf::new(), &[]).unwrap();
        let of = |arm: &str| SetsOf { arm: Some(arm.to_owned()), seed: 1 };
        let ((), notes) = within(runs.path(), |context| {
            let draws = Draws::read(&plan, context).unwrap();
            let error = make_sets(&draws, &[of("first"), of("noise"), of("last")]).unwrap_err().to_string();
            assert!(error.contains("no arm named `last`"), "{error}");
            let prepared = draws.first();
            let mut steps = prepared.steps(&plan.arms[1]);
            assert!(prepared.is_made(&prepared.digest(&steps.next().unwrap().unwrap())));
        });
        assert!(notes.iter().any(|note| note.contains("no arm named `first`")), "{notes:?}");
    }
}
