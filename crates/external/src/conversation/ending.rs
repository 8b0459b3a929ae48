//! How a conversation ends: asked to stop, out of time, or with everything said.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::{Conversation, PATIENCE, Selected, emit};
use crate::WEIGHTS_FILE_NAME;
use crate::error::Fault;
use crate::process::{Heard, described};
use augtrial_base::digest::Digest;
use augtrial_base::events::{Cost, EpochMetrics, Observer, RunEvent, Split};
use augtrial_trial::{TrainError, TrialOutcome};

/// How long a trainer that was asked to stop may take to save.
const STOP_SECS: u64 = 30;

impl Conversation<'_> {
    /// Lets it save, and ends it.
    pub(super) fn stop(&mut self, observer: &mut dyn Observer) -> TrainError {
        self.process.ask_to_stop();
        let asked = self.spec.clock.start();
        while asked.elapsed().as_secs() < STOP_SECS {
            match self.process.next(PATIENCE) {
                Some(Heard::Line(line, number)) => {
                    if let Err(error) = self.take_line(&line, number, observer) {
                        if let TrainError::Observer(_) = error {
                            return error;
                        }
                        break; // what it says while it is stopped on the way is no fault
                    }
                }
                Some(Heard::End | Heard::TooLong(_)) => break,
                Some(Heard::Quiet) | None => {}
            }
        }
        self.process.kill();
        let updates = self.history.last().map_or(0, |metrics| metrics.updates);
        TrainError::Interrupted { epochs: self.epochs(), updates }
    }

    pub(super) fn heed_time(&mut self) -> Result<(), Fault> {
        if let Some(secs) = self.command.timeout_secs
            && self.earlier_secs + self.since_start.elapsed().as_secs_f64() > secs as f64
        {
            self.process.kill();
            return Err(Fault::TooLong { secs });
        }
        if let Some(secs) = self.command.silence_secs
            && self.since_heard.elapsed().as_secs_f64() > secs as f64
        {
            self.process.kill();
            return Err(Fault::Silent { secs, tail: self.process.tail() });
        }
        Ok(())
    }

    /// It has said everything: whether it ended well, and what came of it.
    pub(super) fn end(mut self, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError> {
        let status = loop {
            if let Some(status) = self.process.status().map_err(Fault::io("wait for", Path::new("the trainer")))? {
                break status;
            }
            if self.spec.stop.load(Ordering::Relaxed) {
                return Err(self.stop(observer));
            }
            self.heed_time()?;
            std::thread::sleep(PATIENCE);
        };
        if !status.success() {
            return Err(Fault::Ended { how: described(status), tail: self.process.tail() }.into());
        }
        let Some(selected) = self.selected.take() else {
            let how =
                format!("ended after {} of {} epochs without a result", self.epochs(), self.timetable.total_epochs());
            return Err(Fault::Ended { how, tail: self.process.tail() }.into());
        };
        let Selected { epoch, scores, training_secs } = selected;
        let (test, predictions) = scores.finish()?;
        emit(observer, &RunEvent::Tested { result: test.clone() })?;
        let of = |split| move |metrics: &&EpochMetrics| metrics.split == split;
        let samples = |split| self.history.iter().filter(of(split)).map(|metrics| metrics.samples).sum::<u64>();
        let cost = Cost {
            undivided_secs: training_secs,
            evaluation_secs: self.secs() - training_secs,
            training_images: samples(Split::Train),
            evaluation_images: samples(Split::Validation) + test.samples,
            ..Cost::default()
        };
        emit(observer, &RunEvent::Cost { cost })?;
        let kept = self.spec.folder.join(WEIGHTS_FILE_NAME);
        let weights = if kept.is_file() {
            Digest::of_file(&kept).map_err(Fault::io("read", &kept))?
        } else {
            let probabilities: Vec<&[f32]> = predictions.iter().map(|p| p.probabilities.as_slice()).collect();
            Digest::of_value("external-predictions-v1", &probabilities)
        };
        let history = std::mem::take(&mut self.history);
        let (further, learned) = (Vec::new(), Vec::new());
        Ok(TrialOutcome { selected_epoch: epoch, test, predictions, further, weights, history, learned })
    }
}
