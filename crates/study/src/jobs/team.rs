//! The worker processes: started when there is a job for them, heard, told to stop, and waited for.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::choice::Crew;
use super::program::WorkerProgram;
use super::protocol::{Answer, Order, send};
use super::queue::Job;
use super::tally::UPDATES;
use augtrial_base::progress::{Mirror, Progress, Shown};
use augtrial_plan::classifier::Kernels;

/// Everybody who works on a study.
pub struct Team<'a> {
    program: &'a WorkerProgram,
    begin: Order,
    most: usize,
    threads: u32,
    kernels: Kernels,
    progress: &'a Progress,
    workers: BTreeMap<u64, Worker<'a>>,
    started: u64,
    sender: Sender<(u64, Heard)>,
    heard: Receiver<(u64, Heard)>,
}

/// One process.
struct Worker<'a> {
    child: Child,
    /// Closed to let it stop.
    orders: Option<ChildStdin>,
    job: Option<Job>,
    mirror: Mirror<'a>,
}

enum Heard {
    Answer(Answer),
    /// A line that is no answer: a library printed it.
    Line(String),
    End,
}

/// What happened.
pub enum Event {
    /// The answer, to its job unless it is about none.
    Answer(Answer, Option<Job>),
    /// A trial is so far.
    Step { trial: usize, done: u64, total: u64 },
    /// A worker is gone, and left this job without an answer.
    Gone { job: Option<Job>, how: String },
}

impl<'a> Team<'a> {
    /// Of as many workers as the crew has jobs at most, each of which gets `begin` first. Nobody is started yet.
    pub fn new(program: &'a WorkerProgram, begin: Order, crew: Crew, kernels: Kernels, progress: &'a Progress) -> Self {
        let (sender, heard) = channel();
        let workers = BTreeMap::new();
        let Crew { jobs, threads } = crew;
        Self { program, begin, most: jobs as usize, threads, kernels, progress, workers, started: 0, sender, heard }
    }

    /// Whether somebody is free, or can be started.
    pub fn has_room(&self) -> bool {
        self.workers.len() < self.most || self.workers.values().any(Worker::is_free)
    }

    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Gives a job to whoever is free, or to a new worker.
    ///
    /// # Errors
    /// If a process cannot be started. One that is gone shows as [`Event::Gone`] with the job.
    pub fn give(&mut self, job: Job, order: &Order) -> io::Result<()> {
        let free = self.workers.iter().find(|(_, worker)| worker.is_free()).map(|(number, _)| *number);
        let number = if let Some(number) = free { number } else { self.start()? };
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.job = Some(job);
            worker.tell(order);
        }
        Ok(())
    }

    fn start(&mut self) -> io::Result<u64> {
        let threads = self.threads.to_string();
        let mut command = self.program.worker(self.kernels);
        // What is read before the program can say so itself: everything in a worker keeps to its threads.
        command.env("OMP_NUM_THREADS", &threads).env("RAYON_NUM_THREADS", &threads);
        let mut child = command.spawn()?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let number = self.started;
        self.started += 1;
        if let Some(answers) = answers {
            let sender = self.sender.clone();
            std::thread::spawn(move || listen(number, answers, &sender));
        }
        let mut worker = Worker { child, orders, job: None, mirror: Mirror::new(self.progress) };
        worker.tell(&self.begin);
        self.workers.insert(number, worker);
        Ok(number)
    }

    /// Tells everybody to save their trials and to go on.
    pub fn save(&mut self) {
        self.workers.values_mut().for_each(|worker| worker.tell(&Order::Save));
    }

    /// Tells everybody to stop at the next resumable point.
    pub fn dismiss(&mut self) {
        for worker in self.workers.values_mut() {
            worker.orders = None;
        }
    }

    /// What happens next; nothing if that takes longer than `patience`.
    pub fn next_event(&mut self, patience: Duration) -> Option<Event> {
        let (number, heard) = self.heard.recv_timeout(patience).ok()?;
        match heard {
            Heard::Line(line) => self.progress.note(&line),
            Heard::Answer(Answer::Shown(shown)) => return self.workers.get_mut(&number)?.show(shown),
            Heard::Answer(answer @ (Answer::SetMade { .. } | Answer::TrialEnded(_))) => {
                return Some(Event::Answer(answer, self.workers.get_mut(&number)?.job.take()));
            }
            Heard::Answer(answer) => return Some(Event::Answer(answer, None)),
            Heard::End => {
                let mut worker = self.workers.remove(&number)?;
                worker.orders = None;
                let how = worker.child.wait().map_or_else(|error| format!("was lost: {error}"), described);
                return Some(Event::Gone { job: worker.job.take(), how });
            }
        }
        None
    }
}

/// Nobody is left behind, whatever ended the study.
impl Drop for Team<'_> {
    fn drop(&mut self) {
        self.dismiss();
        for worker in self.workers.values_mut() {
            let _ = worker.child.wait();
        }
    }
}

impl Worker<'_> {
    fn is_free(&self) -> bool {
        self.job.is_none() && self.orders.is_some()
    }

    /// Shows what the worker shows; of a trial, which is a part of the study, says how far it is.
    fn show(&mut self, shown: Shown) -> Option<Event> {
        let Some(Job::Trial(trial)) = self.job else {
            self.mirror.show(shown);
            return None;
        };
        let step = match &shown {
            Shown::Stage { unit, done, total, .. } if unit == UPDATES => {
                Some(Event::Step { trial, done: *done, total: *total })
            }
            _ => None,
        };
        self.mirror.show_part(shown);
        step
    }

    /// A worker that cannot be told anything is gone, which is heard from its other end.
    fn tell(&mut self, order: &Order) {
        if let Some(orders) = &mut self.orders
            && send(orders, order).is_err()
        {
            self.orders = None;
        }
    }
}

fn listen(number: u64, answers: ChildStdout, sender: &Sender<(u64, Heard)>) {
    for line in BufReader::new(answers).lines().map_while(Result::ok) {
        let heard = serde_json::from_str(&line).map_or(Heard::Line(line), Heard::Answer);
        if sender.send((number, heard)).is_err() {
            return;
        }
    }
    // Nobody listens any more if this fails.
    let _ = sender.send((number, Heard::End));
}

/// How a process ended.
fn described(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("ended by signal {signal}");
    }
    match status.code() {
        // It was told to stop, by somebody else than its leader.
        Some(0) | None => "stopped".to_owned(),
        Some(code) => format!("ended with code {code}"),
    }
}
