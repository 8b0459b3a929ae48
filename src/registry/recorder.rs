//! Recording of one run while it goes on: the run folder first, then the index.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::RegistryError;
use super::files::{Held, LineLog};
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
    _store: Arc<Held>,
}

impl RunGuard {
    pub(super) fn open(
        folder: RunFolder,
        lock: RunLock,
        mut index: Index,
        clock: Clock,
        store: Arc<Held>,
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::super::testing::*;
    use super::super::{Registry, Status};
    use super::*;

    /// The index says what the folders say.
    fn assert_index_is_true(runs_dir: &Path, registry: Registry) {
        let live = registry.dump().unwrap();
        drop(registry);
        Registry::reindex(runs_dir).unwrap();
        assert_eq!(open(runs_dir).dump().unwrap(), live);
    }

    #[test]
    fn a_whole_run_is_read_back_as_it_was_recorded() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let guard = begin(&registry, &plan("demo"), 0, 1);
        let run = guard.run();
        complete(guard);

        let events = registry.events(run).unwrap();
        let expected: Vec<_> =
            start_events().into_iter().chain((1..=EPOCHS).flat_map(epoch_events)).chain(end_events()).collect();
        assert_eq!(events, expected);
        assert_eq!(registry.predictions(run).unwrap(), predictions());
        let record = registry.show(&run.to_string()).unwrap();
        assert_eq!((record.status, record.counts, record.state.selected_epoch), (Status::Finished, true, Some(2)));
        assert_eq!(record.epochs.len(), 2 * EPOCHS as usize);
        assert_eq!(record.provenance, provenance());
        assert_index_is_true(runs.path(), registry);
    }

    #[test]
    fn resuming_drops_what_came_after_the_checkpoint_and_doubles_nothing() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        let run = guard.run();
        record_all(&mut guard, &start_events());
        train(&mut guard, 1, 2);
        guard.record(&epoch_events(3)[0]).unwrap();
        drop(guard); // killed in epoch 3, and its last checkpoint to be read is that of epoch 1

        let mut guard = registry.resume(run).unwrap();
        assert_eq!(guard.state().checkpoint_epoch, 2);
        let resumed = RunEvent::Resumed { at: AT.to_owned(), epoch: 1 };
        guard.record(&resumed).unwrap();
        assert_eq!((guard.state().epochs, guard.state().checkpoint_epoch, guard.state().resumes), (1, 1, 1));
        train(&mut guard, 2, EPOCHS);
        record_all(&mut guard, &end_events());
        guard.finish().unwrap();

        let mut expected: Vec<_> = start_events().into_iter().chain(epoch_events(1)).collect();
        expected.push(resumed);
        expected.extend((2..=EPOCHS).flat_map(epoch_events).chain(end_events()));
        assert_eq!(registry.events(run).unwrap(), expected);
        assert_eq!(registry.query("SELECT count(*) FROM epochs").unwrap().rows[0][0].to_string(), "6");
        assert_index_is_true(runs.path(), registry);
    }

    #[test]
    fn a_run_killed_while_it_read_the_test_split_shows_both_openings() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        let run = guard.run();
        record_all(&mut guard, &start_events());
        train(&mut guard, 1, EPOCHS);
        record_all(&mut guard, &end_events()[..2]);
        drop(guard);

        let mut guard = registry.resume(run).unwrap();
        guard.record(&RunEvent::Resumed { at: AT.to_owned(), epoch: EPOCHS }).unwrap();
        assert_eq!(guard.state().selected_epoch, None, "the selection is made again");
        record_all(&mut guard, &end_events());
        assert_eq!(guard.state().test_openings, 2);
        guard.finish().unwrap();
        let selections = registry.events(run).unwrap().into_iter();
        assert_eq!(selections.filter(|event| matches!(event, RunEvent::Selected { .. })).count(), 1);
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_a_torn_line_before_it_is_an_error() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        let (run, path) = (guard.run(), guard.dir().join("events.jsonl"));
        record_all(&mut guard, &start_events());
        drop(guard);
        let whole = fs::read_to_string(&path).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"epo").unwrap();
        assert_eq!(registry.events(run).unwrap(), start_events());

        let mut guard = registry.resume(run).unwrap();
        guard.record(&epoch_events(1)[0]).unwrap();
        drop(guard);
        assert_eq!(registry.events(run).unwrap().len(), 3);

        fs::write(&path, format!("{{\"event\":\"epo\n{whole}")).unwrap();
        assert!(matches!(registry.events(run), Err(RegistryError::JsonLine { line: 1, .. })));
    }

    #[test]
    fn what_a_newer_version_adds_is_passed_over_and_a_newer_format_is_refused() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        let (run, dir) = (guard.run(), guard.dir().to_owned());
        guard.record(&started()).unwrap();
        drop(guard);
        let events = format!("{{\"event\":\"started\",\"at\":\"{AT}\",\"new\":1}}\n{{\"event\":\"teleported\"}}\n");
        fs::write(dir.join("events.jsonl"), events).unwrap();
        assert_eq!(registry.events(run).unwrap(), [started()]);

        let header = fs::read_to_string(dir.join("header.json")).unwrap();
        fs::write(dir.join("header.json"), header.replacen('{', "{\"new\": {},", 1)).unwrap();
        assert_eq!(registry.show("latest").unwrap().header.run, run);
        fs::write(dir.join("header.json"), header.replace("\"format\": 1", "\"format\": 2")).unwrap();
        let newer = registry.show("latest");
        assert!(matches!(newer, Err(RegistryError::NewerFormat { found: 2, known: 1, .. })), "{newer:?}");
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_before_anything_is_written() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        let run = guard.run();
        guard.record(&started()).unwrap();
        let metrics = crate::events::EpochMetrics { loss_nats: f64::NAN, ..metrics(1, Split::Train) };
        let error = guard.observe(&RunEvent::Epoch { metrics }).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        guard.fail("the loss diverged").unwrap();
        let failed = RunEvent::Failed { at: AT.to_owned(), reason: "the loss diverged".to_owned() };
        assert_eq!(registry.events(run).unwrap(), [started(), failed]);
        assert_index_is_true(runs.path(), registry);
    }

    #[test]
    fn after_a_failed_write_the_guard_takes_no_more_and_the_run_is_resumable() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        let run = guard.run();
        record_all(&mut guard, &start_events());
        // Predictions cannot replace a folder that is not empty: the write fails for a reason that root has too.
        let blocked = guard.dir().join("predictions.jsonl");
        fs::create_dir_all(blocked.join("in-the-way")).unwrap();
        let error = guard.write_predictions(&predictions()).unwrap_err();
        assert!(error.to_string().contains("predictions.jsonl"), "{error}");
        assert!(matches!(guard.record(&end_events()[0]), Err(RegistryError::Broken { .. })));
        assert!(matches!(guard.fail("disk"), Err(RegistryError::Broken { .. })));

        fs::remove_dir_all(blocked).unwrap();
        assert_eq!(registry.show("latest").unwrap().status, Status::Lost);
        registry.resume(run).unwrap().record(&epoch_events(1)[0]).unwrap();
        assert_eq!(registry.events(run).unwrap().len(), 3);
    }

    #[test]
    fn a_run_is_not_finished_before_it_says_so() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        let run = guard.run();
        record_all(&mut guard, &start_events());
        assert!(matches!(guard.finish(), Err(RegistryError::NotFinished { .. })));
        assert_eq!(registry.show(&run.to_string()).unwrap().status, Status::Lost);
    }
}
