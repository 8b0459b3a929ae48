//! Recording of one run while it goes on: the run folder first, then the index.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::RegistryError;
use super::files::LineLog;
use super::folder::{RunFolder, RunLock};
use super::id::RunId;
use super::index::Index;
use super::record::{Done, Header, RunState, check_finite, check_finite_predictions};
use super::rows;
use crate::clock::{Clock, rfc3339};
use crate::events::{Observer, Prediction, RunEvent, Split};

/// A run in this process's hands, from its beginning or resumption until it is closed or dropped.
///
/// Holds the run's lock. Dropped without [`finish`](Self::finish) or [`fail`](Self::fail), as by a crash or after an
/// error of the record itself, the run is lost, which is: it can be resumed.
#[derive(Debug)]
pub struct RunGuard {
    folder: RunFolder,
    header: Header,
    log: LineLog,
    state: RunState,
    failure: Option<(String, String)>,
    /// Set by the first failed write: what follows would have a gap before it.
    broken: bool,
    index: Index,
    clock: Clock,
    _lock: RunLock,
    /// Shared: the index is not replaced while somebody writes to it.
    _store: Arc<File>,
}

impl RunGuard {
    pub(super) fn open(
        folder: RunFolder,
        lock: RunLock,
        mut index: Index,
        clock: Clock,
        store: Arc<File>,
    ) -> Result<Self, RegistryError> {
        let log = LineLog::open(&folder.events_path())?;
        let files = folder.read()?;
        index.write(|db| rows::replace_run(db, &files))?;
        let state = files.state();
        let header = files.header;
        Ok(Self { folder, header, log, state, failure: None, broken: false, index, clock, _lock: lock, _store: store })
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

    /// Records an event, in the folder and then in the index.
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
        self.unless_broken(|guard| {
            guard.folder.write_predictions(predictions)?;
            guard.index.write(|db| rows::put_predictions(db, guard.header.run, predictions))
        })
    }

    /// Closes the run as finished, after the event [`RunEvent::Finished`].
    ///
    /// # Errors
    /// [`RegistryError::NotFinished`] without that event; else as [`record`](Self::record).
    pub fn finish(mut self) -> Result<(), RegistryError> {
        let Some(at) = self.state.finished_at.clone() else {
            return Err(RegistryError::NotFinished { run: self.run() });
        };
        let done = Done::Finished { at, summary: self.state.clone() };
        self.unless_broken(|guard| guard.close(&done))
    }

    /// Closes the run as failed, not to be resumed. Records [`RunEvent::Failed`] unless the trainer did.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn fail(mut self, reason: &str) -> Result<(), RegistryError> {
        if self.failure.is_none() {
            let at = rfc3339(self.clock.now());
            self.record(&RunEvent::Failed { at, reason: reason.to_owned() })?;
        }
        let (at, reason) = self.failure.clone().expect("recording the failure set it");
        let done = Done::Failed { at, reason, summary: self.state.clone() };
        self.unless_broken(|guard| guard.close(&done))
    }

    fn unless_broken(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        if self.broken {
            return Err(RegistryError::Broken { run: self.run() });
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
        let line = serde_json::to_string(event).map_err(RegistryError::json(&path))?;
        self.log.append(&line)?;
        if is_milestone(event) {
            self.log.sync()?;
        }
        self.state.apply(event);
        if let RunEvent::Failed { at, reason } = event {
            self.failure = Some((at.clone(), reason.clone()));
        }
        let (run, state) = (self.header.run, &self.state);
        self.index.write(|db| {
            if let RunEvent::Epoch { metrics } = event {
                rows::insert_epoch(db, run, metrics)?;
            }
            rows::put_state(db, run, state)
        })
    }

    fn rewind(&mut self, epoch: u32) -> Result<(), RegistryError> {
        self.state = RunState::after(&self.folder.rewind(epoch)?);
        self.log = LineLog::open(&self.folder.events_path())?;
        let files = self.folder.read()?;
        self.index.write(|db| rows::replace_run(db, &files))
    }

    fn close(&mut self, done: &Done) -> Result<(), RegistryError> {
        self.log.sync()?;
        self.folder.write_done(done)?;
        self.index.write(|db| rows::put_done(db, self.header.run, done))
    }
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
