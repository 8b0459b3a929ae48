//! Leading a study of several workers: hands out jobs, hears what became of them, keeps the study's sheet.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::agenda::Agenda;
use super::choice::WorkerProgram;
use super::protocol::{Answer, Assignment, Order};
use super::queue::{Job, Queue};
use super::team::{Event, Team};
use crate::study::sets::{ArmSets, Pool};
use crate::study::trials::Session;
use crate::study::{Outcome, StudyError, keep_sheet};

/// Between two looks at the stop flag while nothing happens.
const PATIENCE: Duration = Duration::from_millis(100);

/// So many workers may end one after another without a result before the study is given up: what kills them is not theirs.
const CRASHES_IN_A_ROW: u32 = 3;

/// Does everything on the agenda with workers.
///
/// # Errors
/// [`StudyError::Interrupted`]; [`StudyError::Worker`] with what a worker met; and whatever keeps the sheet from being
/// written. Every worker has ended by then.
pub fn run(
    session: &Session<'_>,
    agenda: &Agenda<'_>,
    pool: &Pool<'_>,
    program: &WorkerProgram,
) -> Result<Outcome, StudyError> {
    let begin = Order::Begin(Box::new(assignment(session)));
    let team = Team::new(program, begin, session.crew.jobs, session.crew.threads, session.context.progress);
    let mut lead = Lead { session, agenda, pool, queue: Queue::new(agenda), team, ready: Vec::new(), crashes: 0 };
    lead.begin()?;
    let led = lead.lead();
    let home = lead.send_home();
    led.and(home)?;
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

fn assignment(session: &Session<'_>) -> Assignment {
    let (plan, context, options) = (session.plan, session.context, session.options);
    Assignment {
        plan_toml: plan.to_toml(),
        plan: plan.digest(),
        base: plan.base.clone(),
        manifest: session.data.manifest.clone(),
        runs: context.workspace.runs.clone(),
        jobs: session.crew.jobs,
        threads: session.crew.threads,
        never_resume: options.never_resume,
        retry_failed: options.retry_failed,
        checkpoints: options.checkpoints,
        command_line: context.command_line.to_vec(),
        experiment: context.experiment.map(PathBuf::from),
        overrides: context.overrides.to_vec(),
    }
}

struct Lead<'a> {
    session: &'a Session<'a>,
    agenda: &'a Agenda<'a>,
    pool: &'a Pool<'a>,
    queue: Queue,
    team: Team<'a>,
    /// Sets that are made, in the order of the plan.
    ready: Vec<ArmSets>,
    /// Workers that ended one after another without a result.
    crashes: u32,
}

impl Lead<'_> {
    /// Takes up the arms whose sets are there.
    fn begin(&mut self) -> Result<(), StudyError> {
        for item in self.agenda.arms.iter().filter(|item| item.made) {
            self.ready.push(self.pool.sets_of(item.arm, self.session.context)?);
        }
        if self.ready.is_empty() { Ok(()) } else { self.keep_sheet() }
    }

    /// Until all is done, or somebody says stop.
    fn lead(&mut self) -> Result<(), StudyError> {
        let context = self.session.context;
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

    /// Lets everybody end, and hears them out: a trial may end well yet, and a checkpoint may fail to be written.
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
            Job::Set(index) => Order::Set { arm: arm(index) },
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
                self.queue.ended(trial, ended);
            }
            Event::Answer(Answer::SetMade { generation_secs }, Some(Job::Set(arm))) => {
                self.crashes = 0;
                self.queue.made(arm);
                self.hand_out()?; // before the sheet: nobody need wait for it
                self.take_up(arm, &generation_secs)?;
            }
            Event::Answer(Answer::Broken { problem, fault }, _) => return Err(StudyError::Worker { problem, fault }),
            Event::Answer(..) | Event::Gone { job: None, .. } => {}
            Event::Gone { job: Some(job), how } => self.lost(job, &how),
        }
        Ok(())
    }

    fn lost(&mut self, job: Job, how: &str) {
        let reason = format!("worker {how}");
        self.session.context.progress.note(&format!("{}: {reason}", self.name(job)));
        self.queue.lost(job, &reason);
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
        let mut sets = self.pool.sets_of(self.agenda.arms[arm].arm, self.session.context)?;
        for (made, secs) in sets.sets.iter_mut().zip(generation_secs) {
            made.generation_secs = *secs;
        }
        self.ready.push(sets);
        let place = |sets: &ArmSets| self.agenda.arms.iter().position(|item| item.arm.name == sets.arm);
        self.ready.sort_by_key(place);
        self.keep_sheet()
    }

    fn keep_sheet(&mut self) -> Result<(), StudyError> {
        let sets = self.pool.with(std::mem::take(&mut self.ready));
        let kept = keep_sheet(self.session.plan, self.session.data, &sets, self.session.context, self.session.registry);
        self.ready = sets.arms;
        kept.map(drop)
    }
}
