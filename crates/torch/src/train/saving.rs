//! A trial's state on disk: taken over when it is continued, written when the rule, a signal or the end asks for it.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::checkpoint::{Checkpoint, Section, TrialProgress};
use super::cost::Part;
use super::state::to_host;
use super::trial::{RunningTrial, emit};
use augtrial_base::clock::{Clock, Stopwatch, rfc3339};
use augtrial_base::events::{Observer, RunEvent};
use augtrial_trial::TrainError;

/// What the state on disk is of.
pub(super) struct Saved {
    updates: u64,
    epochs: u32,
    /// Since it was written, or since the trial was taken up.
    age: Stopwatch,
}

impl Saved {
    /// Of a trial that begins.
    pub(super) fn nothing(clock: Clock) -> Self {
        Self { updates: 0, epochs: 0, age: clock.start() }
    }
}

impl RunningTrial<'_> {
    /// Takes over the checkpoint in the trial's folder, if there is one.
    pub(super) fn resume(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let folder: &Path = self.spec.folder;
        let Some(checkpoint) = Checkpoint::load(folder, self.spec.trial_key)? else {
            return Ok(());
        };
        checkpoint.restore(Section::Network, &self.tensors, folder)?;
        checkpoint.restore(Section::Optimizer, &self.optimizer.named_tensors(), folder)?;
        self.best = checkpoint.section(Section::Best);
        self.progress = checkpoint.progress;
        self.mark_saved();
        emit(observer, &RunEvent::Resumed { at: rfc3339(self.spec.clock.now()), epoch: self.progress.epochs })
    }

    /// Between two updates: saves and goes on, or saves and stops, if a signal or the rule asks for it.
    pub(super) fn heed_requests(&mut self, epoch: u32) -> Result<(), TrainError> {
        let spec = self.spec;
        let stop = spec.stop.load(Ordering::Relaxed);
        let save = spec.save.swap(false, Ordering::Relaxed);
        if stop || save || spec.checkpoints.within_epoch(self.saved.age.elapsed()) {
            self.collect(epoch)?;
            self.save_if_new()?;
        }
        if stop {
            return Err(TrainError::Interrupted { epochs: self.progress.epochs, updates: self.progress.updates });
        }
        Ok(())
    }

    /// Saves the state after an epoch if it is the last or the rule asks for it.
    pub(super) fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let epochs = self.progress.epochs;
        let last = epochs == self.timetable.total_epochs();
        if last || self.spec.checkpoints.after_epoch(epochs, self.saved.age.elapsed()) {
            self.save_if_new()?;
            emit(observer, &RunEvent::Checkpointed { epoch: epochs })?;
        }
        Ok(())
    }

    fn save_if_new(&mut self) -> Result<(), TrainError> {
        let TrialProgress { updates, epochs, .. } = self.progress;
        if (self.saved.updates, self.saved.epochs) == (updates, epochs) { Ok(()) } else { self.save() }
    }

    fn mark_saved(&mut self) {
        let TrialProgress { updates, epochs, .. } = self.progress;
        self.saved = Saved { updates, epochs, age: self.spec.clock.start() };
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.meter.restart();
        let mut checkpoint = Checkpoint::new(self.progress.clone());
        checkpoint.insert(Section::Network, to_host(&self.tensors));
        checkpoint.insert(Section::Optimizer, to_host(&self.optimizer.named_tensors()));
        checkpoint.insert(Section::Best, self.best.clone());
        checkpoint.save(self.spec.folder, self.spec.trial_key)?;
        self.meter.read(&mut self.progress.cost, Part::Checkpoint);
        self.mark_saved();
        Ok(())
    }
}
