//! Leading a study of several workers: hands out jobs, hears what became of them, keeps the study's sheet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::agenda::Agenda;
use super::choice::Crew;
use super::program::WorkerProgram;
use super::protocol::{Answer, Assignment, Order};
use super::queue::{Job, Queue};
use super::tally::Tally;
use super::team::{Event, Team};
use crate::clean::keep_needs;
use crate::data::Beside;
use crate::prepared::Draws;
use crate::sets::ArmSets;
use crate::trials::Ended;
use crate::{Options, Outcome, StudyError, keep_sheet};
use augtrial_registry::Registry;

/// Between two looks at the stop flag while nothing happens.
const PATIENCE: Duration = Duration::from_millis(100);

/// So many workers may end one after another without a result before the study is given up: what kills them is not theirs.
const CRASHES_IN_A_ROW: u32 = 3;

/// A study that is led.
#[derive(Clone, Copy)]
pub struct Study<'s, 'p> {
    pub draws: &'s Draws<'p>,
    pub options: &'s Options,
    pub registry: &'s Registry,
    pub crew: Crew,
}

/// Does everything on the agenda with workers, and keeps the index up to date with what they record.
///
/// # Errors
/// [`StudyError::Interrupted`]; [`StudyError::Worker`] with what a worker met; and whatever keeps the sheet from being
/// written. Every worker has ended by then.
pub fn run(study: &Study<'_, '_>, agenda: &Agenda<'_>, program: &WorkerProgram) -> Result<Outcome, StudyError> {
    keep_needs(study.draws, study.registry)?;
    let begin = Order::Begin(Box::new(assignment(study.draws, study.options, study.crew)?));
    let Draws { plan, context, .. } = study.draws;
    let team = Team::new(program, begin, study.crew, plan.classifier.kernels, context.progress);
    let mut lead = Lead {
        study: *study,
        agenda,
        queue: Queue::new(agenda),
        team,
        tally: Tally::new(study.draws.first(), agenda),
        ready: BTreeMap::new(),
        crashes: 0,
    };
    lead.begin()?;
    let led = lead.lead();
    let home = lead.send_home();
    // Everybody has ended: what was recorded last comes into the index, whatever else happened.
    let indexed = study.registry.catch_up();
    led.and(home)?;
    indexed?;
    let Lead { queue, .. } = lead;
    if !queue.is_done() {
        return Err(StudyError::Interrupted);
    }
    let mut outcome = Outcome::default();
    for (trial, ended) in queue.into_ends() {
        let item = &agenda.trials[trial];
        outcome.count(&agenda.arms[item.arm].arm.name, item.seed, ended);
    }
    Ok(outcome)
}

/// Everything about a study that whoever works on it must know.
///
/// # Errors
/// [`StudyError::PathNotText`]: workers are told paths as JSON, which is UTF-8.
pub fn assignment(draws: &Draws<'_>, options: &Options, crew: Crew) -> Result<Assignment, StudyError> {
    let Draws { plan, context, .. } = draws;
    let paths = [Some(plan.base.as_path()), Some(context.workspace.runs.as_path()), context.experiment];
    if let Some(path) = paths.into_iter().flatten().find(|path| path.to_str().is_none()) {
        return Err(StudyError::PathNotText { path: path.to_owned() });
    }
    Ok(Assignment {
        plan_toml: plan.to_toml(),
        plan: plan.digest(),
        base: plan.base.clone(),
        manifest: (*draws.first().data.manifest).clone(),
        beside: Beside { folders: draws.first().data.folders.to_vec(), extra: draws.first().data.extra.to_vec() },
        runs: context.workspace.runs.clone(),
        arms: options.arms.clone(),
        jobs: crew.jobs,
        threads: crew.threads,
        never_resume: options.never_resume,
        retry_failed: options.retry_failed,
        checkpoints: options.checkpoints,
        command_line: context.command_line.to_vec(),
        experiment: context.experiment.map(PathBuf::from),
        overrides: context.overrides.to_vec(),
    })
}

struct Lead<'s, 'p> {
    study: Study<'s, 'p>,
    agenda: &'s Agenda<'s>,
    queue: Queue,
    team: Team<'s>,
    tally: Tally<'s>,
    /// Sets that are made, by their place on the agenda.
    ready: BTreeMap<usize, ArmSets>,
    /// Workers that ended one after another without a result.
    crashes: u32,
}

impl Lead<'_, '_> {
    /// Takes up the arms whose sets are there.
    fn begin(&mut self) -> Result<(), StudyError> {
        for (place, item) in self.agenda.arms.iter().enumerate().filter(|(_, item)| item.made) {
            self.ready.insert(place, self.study.draws.of(item.seed)?.sets_of(item.arm)?);
            for set in &item.sets {
                let line = format!("images of {}: set {}, made before", item.arm.name, set.short());
                self.study.draws.context.progress.detail(&line);
            }
        }
        if self.ready.is_empty() { Ok(()) } else { self.keep_sheet() }
    }

    /// Until all is done, or somebody says stop.
    fn lead(&mut self) -> Result<(), StudyError> {
        let context = self.study.draws.context;
        while !self.queue.is_done() && !context.stop.load(Ordering::Relaxed) {
            self.hand_out()?;
            if context.save.swap(false, Ordering::Relaxed) {
                self.team.save();
            }
            if let Some(event) = self.team.next_event(PATIENCE) {
                self.take(event)?;
            }
        }
        Ok(())
    }

    /// Tells all workers to stop and drains their remaining answers: a trial may end well yet, and a checkpoint may fail to
    /// be written.
    fn send_home(&mut self) -> Result<(), StudyError> {
        self.team.dismiss();
        let mut heard = Ok(());
        while !self.team.is_empty() {
            match self.team.next_event(PATIENCE) {
                Some(Event::Answer(Answer::TrialEnded(ended), Some(Job::Trial(trial)))) => {
                    self.queue.ended(trial, ended);
                }
                Some(Event::Answer(Answer::Broken { problem, fault }, _)) => {
                    heard = Err(StudyError::Worker { problem, fault });
                }
                _ => {}
            }
        }
        heard
    }

    fn hand_out(&mut self) -> Result<(), StudyError> {
        while self.team.has_room()
            && let Some(job) = self.queue.next()
        {
            let order = self.order(job);
            self.team.give(job, &order).map_err(StudyError::StartWorker)?;
        }
        Ok(())
    }

    fn order(&self, job: Job) -> Order {
        let arm = |index: usize| self.agenda.arms[index].arm.name.clone();
        match job {
            Job::Set(index) => Order::Set { arm: arm(index), seed: self.agenda.arms[index].seed },
            Job::Trial(index) => {
                let item = &self.agenda.trials[index];
                Order::Trial { arm: arm(item.arm), seed: item.seed, label: item.label.clone() }
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), StudyError> {
        match event {
            Event::Answer(Answer::TrialEnded(ended), Some(Job::Trial(trial))) => {
                self.crashes = 0;
                self.tally.ended(trial, !matches!(ended, Ended::Failed(_)));
                self.queue.ended(trial, ended);
            }
            Event::Step { trial, done, total } => self.tally.step(trial, done, total),
            Event::Answer(Answer::SetMade { generation_secs }, Some(Job::Set(arm))) => {
                self.crashes = 0;
                self.queue.made(arm);
                self.hand_out()?; // before the sheet: nobody need wait for it
                self.take_up(arm, &generation_secs)?;
            }
            Event::Answer(Answer::Recorded(run), _) => self.study.registry.index(run)?,
            Event::Answer(Answer::Broken { problem, fault }, _) => return Err(StudyError::Worker { problem, fault }),
            Event::Answer(..) | Event::Gone { job: None, .. } => {}
            Event::Gone { job: Some(job), how } => self.lost(job, &how),
        }
        Ok(())
    }

    fn lost(&mut self, job: Job, how: &str) {
        let reason = format!("worker {how}");
        self.study.draws.context.progress.note(&format!("{}: {reason}", self.name(job)));
        self.queue.lost(job, &reason);
        if let Job::Trial(trial) = job {
            self.tally.ended(trial, false);
        }
        self.crashes += 1;
        if self.crashes >= CRASHES_IN_A_ROW {
            self.queue.give_up(&format!("{CRASHES_IN_A_ROW} workers in a row ended without a result, the last {how}"));
        }
    }

    fn name(&self, job: Job) -> String {
        match job {
            Job::Set(arm) => format!("images of {}", self.agenda.arms[arm].arm.name),
            Job::Trial(trial) => self.agenda.trials[trial].label.clone(),
        }
    }

    /// An arm whose sets somebody has just made, in as many seconds.
    fn take_up(&mut self, arm: usize, generation_secs: &[Option<f64>]) -> Result<(), StudyError> {
        let item = &self.agenda.arms[arm];
        let mut sets = self.study.draws.of(item.seed)?.sets_of(item.arm)?;
        for (made, secs) in sets.sets.iter_mut().zip(generation_secs) {
            made.generation_secs = *secs;
        }
        self.ready.insert(arm, sets);
        self.keep_sheet()
    }

    fn keep_sheet(&mut self) -> Result<(), StudyError> {
        let ready = self.ready.iter().map(|(&place, sets)| (self.agenda.arms[place].seed, sets));
        keep_sheet(self.study.draws, ready, self.study.registry)
    }
}
