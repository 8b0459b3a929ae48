//! A worker: takes orders until they end, makes sets and runs trials as a study of one process does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::choice::Crew;
use super::protocol::{Answer, Assignment, Order, send};
use crate::arms::ReadyArm;
use crate::context::Workspace;
use crate::error::Fault;
use crate::prepared::Draws;
use crate::trials::TrialSession;
use crate::{Context, Options, StudyError};
use augtrial_base::clock::Clock;
use augtrial_base::progress::Progress;
use augtrial_base::words::chain;
use augtrial_external::External;
use augtrial_plan::Draw;
use augtrial_registry::{RunFolders, RunId};
use augtrial_trial::{Engine, kernels};

/// Works on a study for the process that writes the orders and reads the answers, until the orders end. `stop` makes it
/// stop at the next resumable point, and `save` makes it save and go on; the orders set both. Without an `engine`, it takes
/// studies whose trials a command trains.
///
/// Problems are answers too: nothing is returned, and nothing printed.
pub fn work(
    orders: impl Read + Send + 'static,
    answers: impl Write + Send + 'static,
    clock: Clock,
    stop: &Arc<AtomicBool>,
    save: &Arc<AtomicBool>,
    engine: Option<&dyn Engine>,
) {
    let orders = listen(orders, Arc::clone(stop), Arc::clone(save));
    let answers = Answers(Arc::new(Mutex::new(answers)));
    let Ok(Order::Begin(assignment)) = orders.recv() else { return };
    match follow(&assignment, &orders, &answers, clock, (stop, save), engine) {
        Ok(()) => {}
        Err(StudyError::Interrupted) => answers.give(&Answer::Interrupted),
        Err(error) => answers.give(&Answer::Broken { problem: chain(&error), fault: error.fault() }),
    }
}

/// Reads orders on a thread of its own, so that their end, and the wish to save, are noticed in the middle of a job.
fn listen(orders: impl Read + Send + 'static, stop: Arc<AtomicBool>, save: Arc<AtomicBool>) -> Receiver<Order> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(orders).lines().map_while(Result::ok) {
            // An order that cannot be read comes from another version of the program: better to stop than to guess.
            let Ok(order) = serde_json::from_str(&line) else { break };
            if matches!(order, Order::Save) {
                save.store(true, Ordering::Relaxed);
            } else if sender.send(order).is_err() {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    receiver
}

struct Answers<W>(Arc<Mutex<W>>);

impl<W> Clone for Answers<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write> Answers<W> {
    /// If nobody reads any more, the orders have ended too, and that stops the work.
    fn give(&self, answer: &Answer) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = send(&mut *out, answer);
    }
}

fn follow<W: Write + Send + 'static>(
    assignment: &Assignment,
    orders: &Receiver<Order>,
    answers: &Answers<W>,
    clock: Clock,
    (stop, save): (&AtomicBool, &AtomicBool),
    engine: Option<&dyn Engine>,
) -> Result<(), StudyError> {
    let relay = answers.clone();
    let progress = Progress::relayed(move |shown| relay.give(&Answer::Shown(shown)));
    let teller = answers.clone();
    let recorded = move |run| teller.give(&Answer::Recorded(run));
    let desk = Desk { progress: &progress, clock, stop, save, engine, recorded: &recorded };
    desk.work_on(assignment, |draws, session| {
        let mut worker = Worker { session, draws, arms: BTreeMap::new() };
        for order in orders {
            session.context.check_stop()?;
            answers.give(&worker.obey(order)?);
        }
        Ok(())
    })
}

/// What a process works with, whoever gave it the assignment: the leader of a study, or a file.
pub struct Desk<'a> {
    pub progress: &'a Progress,
    pub clock: Clock,
    pub stop: &'a AtomicBool,
    pub save: &'a AtomicBool,
    /// What trains where no command does.
    pub engine: Option<&'a dyn Engine>,
    /// Told of every run whose folder says something new.
    pub recorded: &'a dyn Fn(RunId),
}

impl Desk<'_> {
    /// Makes everything ready that the assignment needs, and works.
    ///
    /// # Errors
    /// If this program reads the plan otherwise, or cannot do what it asks for; else whatever `work` gives.
    pub fn work_on(
        &self,
        assignment: &Assignment,
        work: impl FnOnce(&Draws<'_>, &TrialSession<'_>) -> Result<(), StudyError>,
    ) -> Result<(), StudyError> {
        let plan = assignment.plan()?;
        kernels::require(plan.classifier.kernels)?;
        let crew = Crew { jobs: assignment.jobs, threads: assignment.threads };
        let external = External::beside(self.engine);
        let engine: &dyn Engine = match plan.classifier.command {
            Some(_) => &external,
            None => self.engine.ok_or(StudyError::NoEngine)?,
        };
        engine.begin(&plan.classifier, Some(crew.threads))?;
        let workspace = Workspace { runs: assignment.runs.clone(), reports: std::path::PathBuf::new() };
        let context = Context {
            workspace: &workspace,
            progress: self.progress,
            clock: self.clock,
            stop: self.stop,
            save: self.save,
            worker: None,
            engine: Some(engine),
            command_line: &assignment.command_line,
            experiment: assignment.experiment.as_deref(),
            overrides: &assignment.overrides,
        };
        let Assignment { never_resume, retry_failed, checkpoints, .. } = *assignment;
        let options = Options { never_resume, retry_failed, checkpoints, ..Options::default() };
        let draws = Draws::as_read(&plan, assignment.manifest.clone(), assignment.beside.clone(), &context)?;
        draws.first().pool()?;
        let folders = RunFolders::open(&workspace.runs, self.clock)?;
        let recorded = self.recorded;
        work(&draws, &TrialSession { context: &context, options: &options, folders: &folders, crew, recorded })
    }
}

struct Worker<'s, 'p> {
    session: &'s TrialSession<'s>,
    draws: &'s Draws<'p>,
    /// Arms that were needed before, by name and draw.
    arms: BTreeMap<(String, Draw), ReadyArm<'s>>,
}

impl Worker<'_, '_> {
    fn obey(&mut self, order: Order) -> Result<Answer, StudyError> {
        match order {
            Order::Save => Err(self.confused("was told to save where that is no order")),
            Order::Begin(_) => Err(self.confused("was told twice to begin")),
            Order::Set { arm, seed } => Ok(Answer::SetMade { generation_secs: self.take_up(&arm, seed)? }),
            Order::Trial { arm, seed, label } => {
                let place = (arm, self.draws.plan.draw(seed));
                if !self.arms.contains_key(&place) {
                    self.take_up(&place.0, seed)?;
                }
                let prepared = self.draws.of(seed)?;
                Ok(Answer::TrialEnded(self.session.trial(prepared, &self.arms[&place], seed, &label)?))
            }
        }
    }

    /// Makes an arm ready, and says how long making each of its sets took.
    fn take_up(&mut self, name: &str, seed: u64) -> Result<Vec<Option<f64>>, StudyError> {
        if !self.draws.plan.study.seeds.contains(&seed) {
            return Err(self.confused("was given a seed that the plan does not have"));
        }
        let prepared = self.draws.of(seed)?;
        let Some(arm) = prepared.plan.arms.iter().find(|arm| arm.name == name) else {
            return Err(self.confused("was given an arm that the plan does not have"));
        };
        let sets = prepared.with_originals(vec![prepared.sets_of(arm)?])?;
        let secs = sets.arms.iter().flat_map(|arm| &arm.sets).map(|set| set.generation_secs).collect();
        let draw = prepared.data.draw;
        self.arms.extend(prepared.ready(&sets)?.into_iter().map(|ready| ((name.to_owned(), draw), ready)));
        Ok(secs)
    }

    #[expect(clippy::unused_self, reason = "says who is confused")]
    fn confused(&self, how: &str) -> StudyError {
        StudyError::Worker { problem: format!("a worker {how}"), fault: Fault::Internal }
    }
}
