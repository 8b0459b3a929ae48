//! Recording: where runs begin and are resumed, and the record of one run while it goes on. Writes run folders, and nothing
//! else.

use std::io;
use std::path::{Path, PathBuf};

use super::error::RegistryError;
use super::files::replace_lines;
use super::folder::{
    EVENTS, FAILURE, HEADER, Held, Look, PLAN, PREDICTIONS, PROVENANCE, RunFolder, evaluation_file, trials,
};
use super::holder::Holder;
use super::id::{RunId, check_study_name};
use super::provenance::Provenance;
use super::record::{
    Done, Header, RECORD_FORMAT, RunState, SetDigests, Status, check_finite, check_finite_predictions,
};
use super::standing::{Attempt, Standing};
use augtrial_base::clock::{Clock, rfc3339};
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability, Log};
use augtrial_base::events::{Observer, Prediction, RunEvent, Split};
use augtrial_base::words::shortened;
use augtrial_plan::dataset::Dataset;
use augtrial_plan::{Plan, Trial};

/// Characters of a reason that are recorded; all of a longer one is in `failure.txt`.
const REASON_CHARS: usize = 500;
/// Characters of a reason at all.
const FAILURE_CHARS: usize = 1_000_000;
/// Attempts that may be missing between two that are there: folders that somebody removed.
const ATTEMPT_GAP: u32 = 16;

/// The run folders below one folder.
#[derive(Clone, Debug)]
pub struct RunFolders {
    runs_dir: PathBuf,
    clock: Clock,
}

/// What begins: an attempt at a trial of a plan.
#[derive(Clone, Debug)]
pub struct BeginRun<'a> {
    pub plan: &'a Plan,
    pub trial: Trial<'a>,
    /// Digest of everything that decides the result.
    pub trial_key: Digest,
    pub sets: SetDigests,
    pub provenance: Provenance,
}

impl RunFolders {
    /// Those below `runs_dir`, to write there.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn open(runs_dir: &Path, clock: Clock) -> Result<Self, RegistryError> {
        RunFolder::prepare(runs_dir)?;
        Ok(Self::to_read(runs_dir, clock))
    }

    pub(super) fn to_read(runs_dir: &Path, clock: Clock) -> Self {
        Self { runs_dir: runs_dir.to_owned(), clock }
    }

    pub(super) fn runs_dir(&self) -> &Path {
        &self.runs_dir
    }

    /// Removes what killed processes left unfinished in the folders that this crate writes.
    pub(super) fn sweep(&self) -> Result<(), RegistryError> {
        let sweep = |folder: &Path| disk::sweep(folder).map(drop).map_err(RegistryError::io("read", folder));
        sweep(&self.runs_dir)?;
        sweep(&trials(&self.runs_dir))?;
        for run in RunFolder::list(&self.runs_dir)? {
            let folder = RunFolder::of(&self.runs_dir, run);
            if matches!(folder.look()?, Look::Free(_)) {
                sweep(folder.path())?;
            }
        }
        Ok(())
    }

    /// Where a trial stands, by the folders of its attempts. Attempts whose record is damaged are as if they were not there.
    ///
    /// # Errors
    /// [`RegistryError::NewerFormat`] if a newer augtrial made an attempt; whatever keeps a folder from being read.
    pub fn standing(&self, trial_key: &Digest) -> Result<Standing, RegistryError> {
        let mut attempts: Vec<(Attempt, String)> = Vec::new();
        let (mut number, mut gap) = (1, 0);
        while gap < ATTEMPT_GAP {
            let folder = RunFolder::of(&self.runs_dir, RunId::derive(trial_key, number));
            gap = if folder.exists() { 0 } else { gap + 1 };
            if gap == 0 {
                match attempt(&folder, number) {
                    Ok(found) => attempts.push(found),
                    Err(error) if error.is_damage() && !matches!(error, RegistryError::NewerFormat { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            number += 1;
        }
        let finished = attempts.iter().filter(|(attempt, _)| attempt.status == Status::Finished);
        let first = finished.min_by_key(|(attempt, at)| (at, attempt.number)).map(|(attempt, _)| attempt.number);
        Ok(Standing::of(
            attempts.into_iter().map(|(attempt, _)| Attempt { counts: Some(attempt.number) == first, ..attempt }),
        ))
    }

    /// What a run predicted for each image of its test part.
    ///
    /// # Errors
    /// If its record cannot be read.
    pub fn predictions(&self, run: RunId) -> Result<Vec<Prediction>, RegistryError> {
        RunFolder::of(&self.runs_dir, run).predictions()
    }

    /// Begins the next attempt at a trial: a new folder, locked for as long as the guard lives.
    ///
    /// # Errors
    /// If the study's name is not usable, or the folder cannot be written.
    pub fn begin(&self, begin: &BeginRun<'_>) -> Result<RunGuard, RegistryError> {
        let plan_toml = begin.plan.to_toml();
        let mut attempt = 1;
        loop {
            let header = self.header(begin, attempt)?;
            if !RunFolder::of(&self.runs_dir, header.run).exists()
                && let Some((folder, lock)) =
                    RunFolder::create(&self.runs_dir, &header, &plan_toml, &begin.provenance, self.clock)?
            {
                return RunGuard::open(folder, lock, self.clock);
            }
            attempt += 1;
        }
    }

    fn header(&self, begin: &BeginRun<'_>, attempt: u32) -> Result<Header, RegistryError> {
        let BeginRun { plan, trial, trial_key, sets, provenance: _ } = begin;
        Ok(Header {
            format: RECORD_FORMAT,
            run: RunId::derive(trial_key, attempt),
            study: check_study_name(&plan.study.name)?.to_owned(),
            arm: trial.arm.name.clone(),
            role: trial.arm.role,
            seed: trial.seed,
            attempt,
            trial_key: *trial_key,
            plan: plan.digest(),
            sets: *sets,
            protocol: plan.study.protocol,
            synthetic: matches!(plan.dataset, Dataset::Synthetic(_)),
            created_at: rfc3339(self.clock.now()),
        })
    }

    /// Takes up an interrupted run. The trainer then reads its checkpoint and observes [`RunEvent::Resumed`].
    ///
    /// # Errors
    /// [`RegistryError::Running`] if another process has it, [`RegistryError::Ended`] if it is over.
    pub fn resume(&self, run: RunId) -> Result<RunGuard, RegistryError> {
        let folder = RunFolder::of(&self.runs_dir, run);
        if !folder.exists() {
            return Err(RegistryError::UnknownRun { name: run.to_string(), nearest: Vec::new() });
        }
        let lock = folder.lock(self.clock)?;
        if folder.done()?.is_some() {
            return Err(RegistryError::Ended { run, status: folder.status()?.name() });
        }
        disk::sweep(folder.path()).map_err(RegistryError::io("read", folder.path()))?;
        RunGuard::open(folder, lock, self.clock)
    }

    /// The process that took a run last, as far as it said so.
    #[must_use]
    pub fn holder(&self, run: RunId) -> Option<Holder> {
        RunFolder::of(&self.runs_dir, run).holder()
    }

    /// The folder of a run.
    #[must_use]
    pub fn path(&self, run: RunId) -> PathBuf {
        RunFolder::of(&self.runs_dir, run).path().to_owned()
    }
}

/// An attempt by its folder, and when it ended.
fn attempt(folder: &RunFolder, number: u32) -> Result<(Attempt, String), RegistryError> {
    let status = folder.status()?;
    let ended = match status {
        Status::Finished | Status::Failed { .. } => folder.read()?.done.map(|done| done.at().to_owned()),
        Status::Running | Status::Interrupted => folder.header().map(|_| None)?,
    };
    Ok((Attempt { run: folder.run(), number, status, counts: false }, ended.unwrap_or_default()))
}

/// A run in this process's hands, from its beginning or resumption until it is closed or dropped.
///
/// Holds the run's lock. If it is dropped without [`finish`](Self::finish) or [`fail`](Self::fail), as by a crash or after an
/// error of the record itself, the run stays interrupted and can be resumed.
#[derive(Debug)]
pub struct RunGuard {
    folder: RunFolder,
    header: Header,
    log: Log,
    state: RunState,
    failure: Option<(String, String)>,
    /// Set by the first failed write: what follows would have a gap before it.
    broken: bool,
    clock: Clock,
    lock: Held,
}

impl RunGuard {
    fn open(folder: RunFolder, lock: Held, clock: Clock) -> Result<Self, RegistryError> {
        let log = open_log(&folder)?;
        let (header, state) = (folder.header()?, RunState::after(&folder.events()?));
        Ok(Self { folder, header, log, state, failure: None, broken: false, clock, lock })
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.header.run
    }

    /// What the run is an attempt at.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What has been recorded so far.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The run's folder, where the trainer keeps its checkpoints.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Records an event.
    ///
    /// [`RunEvent::Resumed`] first takes the record back to the checkpoint that it names, so that nothing is doubled.
    ///
    /// # Errors
    /// [`RegistryError::NotFinite`] for a number that is not; whatever writing gives, after which the guard takes no
    /// more: drop it, and resume the run when the cause is removed.
    pub fn record(&mut self, event: &RunEvent) -> Result<(), RegistryError> {
        check_finite(event)?;
        self.unless_broken(|guard| guard.write_event(event))
    }

    /// Records the predictions for the test split, all at once.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn write_predictions(&mut self, predictions: &[Prediction]) -> Result<(), RegistryError> {
        check_finite_predictions(predictions)?;
        self.unless_broken(|guard| guard.folder.write_predictions(predictions))
    }

    /// Records the predictions for a further evaluation set, all at once.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn write_evaluation(&mut self, name: &str, predictions: &[Prediction]) -> Result<(), RegistryError> {
        check_finite_predictions(predictions)?;
        self.unless_broken(|guard| replace_lines(&guard.folder.evaluation(name), predictions))
    }

    /// Closes the run as finished, after the event [`RunEvent::Finished`]. From then on its record cannot change unnoticed.
    ///
    /// # Errors
    /// [`RegistryError::NotFinished`] without that event, without a result, or with other predictions than that is over; else
    /// as [`record`](Self::record).
    pub fn finish(self) -> Result<(), RegistryError> {
        self.finish_with(&[])
    }

    /// The same for a run that has these files too: they must be there before the run is finished, and belong to its record.
    ///
    /// # Errors
    /// As [`finish`](Self::finish); [`RegistryError::Missing`] without one of the files.
    pub fn finish_with(mut self, files: &[&str]) -> Result<(), RegistryError> {
        let run = self.run();
        let missing = |missing| RegistryError::NotFinished { run, missing };
        let at = self.state.finished_at.clone().ok_or_else(|| missing("it has not reported its end"))?;
        let tested = self.state.test.as_ref().ok_or_else(|| missing("it has no result on the test split"))?.samples;
        if self.folder.predictions()?.len() as u64 != tested {
            return Err(missing("its predictions are not those of the test split"));
        }
        let evaluations: Vec<String> = self.state.evaluations.keys().map(|name| evaluation_file(name)).collect();
        let files: Vec<&str> = files.iter().copied().chain(evaluations.iter().map(String::as_str)).collect();
        if let Some(name) = files.iter().find(|name| !self.folder.file(name).is_file()) {
            return Err(RegistryError::Missing { path: self.folder.file(name) });
        }
        let done = Done::Finished { at, summary: self.state.clone() };
        self.unless_broken(|guard| guard.close(&done, &files))
    }

    /// Closes the run as failed, not to be resumed. Records [`RunEvent::Failed`] unless the trainer did. Gives the reason as
    /// it is recorded: of a long one the beginning, with all of it in `failure.txt`.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn fail(mut self, reason: &str) -> Result<String, RegistryError> {
        let mut files = Vec::new();
        if self.failure.is_none() {
            let short = shortened(reason, REASON_CHARS);
            if short != reason {
                self.unless_broken(|guard| guard.write_failure(reason))?;
                files.push(FAILURE);
            }
            let at = rfc3339(self.clock.now());
            self.record(&RunEvent::Failed { at, reason: short })?;
        }
        let (at, reason) = self.failure.clone().expect("recording the failure set it");
        let done = Done::Failed { at, reason: reason.clone(), summary: self.state.clone() };
        self.unless_broken(|guard| guard.close(&done, &files))?;
        Ok(reason)
    }

    fn write_failure(&self, reason: &str) -> Result<(), RegistryError> {
        let path = self.folder.file(FAILURE);
        let text = shortened(reason, FAILURE_CHARS) + "\n";
        disk::replace_bytes(&path, text.as_bytes(), Durability::Now).map_err(RegistryError::io("write", &path))
    }

    fn unless_broken(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        if self.broken {
            return Err(RegistryError::Broken { run: self.run() });
        }
        let path = self.folder.path();
        if !self.lock.is_ours().map_err(RegistryError::io("look at the lease of", path))? {
            self.broken = true;
            return Err(RegistryError::TakenOver { run: self.run() });
        }
        let result = write(self);
        self.broken = result.is_err();
        result
    }

    fn write_event(&mut self, event: &RunEvent) -> Result<(), RegistryError> {
        if let RunEvent::Resumed { epoch, .. } = event {
            self.rewind(*epoch)?;
        }
        let path = self.folder.events_path();
        let line = serde_json::to_string(event).map_err(RegistryError::json(&path))? + "\n";
        self.log.append_unsynced(line.as_bytes()).map_err(RegistryError::io("append to", &path))?;
        if is_milestone(event) {
            self.sync()?;
        }
        self.state.apply(event);
        if let RunEvent::Failed { at, reason } = event {
            self.failure = Some((at.clone(), reason.clone()));
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), RegistryError> {
        self.log.sync().map_err(RegistryError::io("sync", &self.folder.events_path()))
    }

    fn rewind(&mut self, epoch: u32) -> Result<(), RegistryError> {
        self.state = RunState::after(&self.folder.rewind(epoch)?);
        self.log = open_log(&self.folder)?;
        Ok(())
    }

    /// The last write of a run: what is there now is its record.
    fn close(&mut self, done: &Done, more: &[&str]) -> Result<(), RegistryError> {
        self.sync()?;
        let mut names = vec![HEADER, PLAN, PROVENANCE, EVENTS];
        names.extend(Some(PREDICTIONS).filter(|name| self.folder.file(name).is_file()));
        names.extend(more);
        self.folder.write_done(done, &names)
    }
}

fn open_log(folder: &RunFolder) -> Result<Log, RegistryError> {
    let path = folder.events_path();
    Log::open(&path).map_err(RegistryError::io("open", &path))
}

/// Whether the record is forced to disk after this event: once an epoch, and at every turn of the run.
fn is_milestone(event: &RunEvent) -> bool {
    !matches!(event, RunEvent::Epoch { metrics } if metrics.split != Split::Validation)
}

impl Observer for RunGuard {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        self.record(event).map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests;
