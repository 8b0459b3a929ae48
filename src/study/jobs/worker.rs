//! A worker: takes orders until they end, makes sets and runs trials as a study of one process does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::choice::Crew;
use super::protocol::{Answer, Assignment, Order, send};
use crate::clock::Clock;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::study::arms::{ReadyArm, assemble};
use crate::study::context::Workspace;
use crate::study::error::{Fault, chain};
use crate::study::sets::Pool;
use crate::study::trials::Session;
use crate::study::{Context, Options, StudyData, StudyError};

/// Works on a study for the process that writes the orders and reads the answers, until the orders end. `stop` makes it
/// stop at the next resumable point, and `save` makes it save and go on; the orders set both.
///
/// Problems are answers too: nothing is returned, and nothing printed.
pub fn work(
    orders: impl Read + Send + 'static,
    answers: impl Write + Send + 'static,
    clock: Clock,
    stop: &Arc<AtomicBool>,
    save: &Arc<AtomicBool>,
) {
    let orders = listen(orders, Arc::clone(stop), Arc::clone(save));
    let answers = Answers(Arc::new(Mutex::new(answers)));
    let Ok(Order::Begin(assignment)) = orders.recv() else { return };
    match follow(&assignment, &orders, &answers, clock, (stop, save)) {
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
) -> Result<(), StudyError> {
    let plan = Plan::parse("the leader's plan", &assignment.plan_toml, assignment.base.clone(), &[])?;
    if plan.digest() != assignment.plan {
        let problem = "the worker reads the plan otherwise than its leader: they are different programs".to_owned();
        return Err(StudyError::Worker { problem, fault: Fault::Internal });
    }
    let crew = Crew { jobs: assignment.jobs, threads: assignment.threads };
    crate::train::use_threads(Some(crew.threads));
    let relay = answers.clone();
    let progress = Progress::relayed(move |shown| relay.give(&Answer::Shown(shown)));
    let workspace = Workspace { runs: assignment.runs.clone(), reports: std::path::PathBuf::new() };
    let context = Context {
        workspace: &workspace,
        progress: &progress,
        clock,
        stop,
        save,
        command_line: &assignment.command_line,
        experiment: assignment.experiment.as_deref(),
        overrides: &assignment.overrides,
    };
    let Assignment { never_resume, retry_failed, checkpoints, .. } = *assignment;
    let options = Options { never_resume, retry_failed, checkpoints, ..Options::default() };
    let data = StudyData::as_read(&plan, assignment.manifest.clone(), &context)?;
    let pool = Pool::open(&plan, &data, &context)?;
    let registry = context.open_registry()?;
    let session = Session { plan: &plan, data: &data, options: &options, context: &context, registry: &registry, crew };
    let mut worker = Worker { session: &session, pool: &pool, arms: BTreeMap::new() };
    for order in orders {
        context.check_stop()?;
        answers.give(&worker.obey(order)?);
    }
    Ok(())
}

struct Worker<'a> {
    session: &'a Session<'a>,
    pool: &'a Pool<'a>,
    /// Arms that were needed before, by name.
    arms: BTreeMap<String, ReadyArm<'a>>,
}

impl Worker<'_> {
    fn obey(&mut self, order: Order) -> Result<Answer, StudyError> {
        match order {
            Order::Save => Err(self.confused("was told to save where that is no order")),
            Order::Begin(_) => Err(self.confused("was told twice to begin")),
            Order::Set { arm } => Ok(Answer::SetMade { generation_secs: self.take_up(&arm)? }),
            Order::Trial { arm, seed, label } => {
                if !self.arms.contains_key(&arm) {
                    self.take_up(&arm)?;
                }
                Ok(Answer::TrialEnded(self.session.trial(&self.arms[&arm], seed, &label)?))
            }
        }
    }

    /// Makes an arm ready, and says how long making each of its sets took.
    fn take_up(&mut self, name: &str) -> Result<Vec<Option<f64>>, StudyError> {
        let Session { plan, data, context, .. } = *self.session;
        let Some(arm) = plan.arms.iter().find(|arm| arm.name == name) else {
            return Err(self.confused("was given an arm that the plan does not have"));
        };
        let sets = self.pool.with(vec![self.pool.sets_of(arm, context)?]);
        let secs = sets.arms.iter().flat_map(|arm| &arm.sets).map(|set| set.generation_secs).collect();
        let ready = assemble(plan, data, &sets)?;
        self.arms.extend(ready.into_iter().map(|ready| (name.to_owned(), ready)));
        Ok(secs)
    }

    #[expect(clippy::unused_self, reason = "says who is confused")]
    fn confused(&self, how: &str) -> StudyError {
        StudyError::Worker { problem: format!("a worker {how}"), fault: Fault::Internal }
    }
}
