//! What happens in a run, as plain data. The library emits events; progress views and recorders are observers.

use std::io;

use serde::{Deserialize, Serialize};
use strum::VariantNames;

use crate::digest::Digest;

/// A part of the data. Derived images inherit the part of their source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    /// Every part, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The lower-case name used in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Metrics of one part after one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: u32,
    pub split: Split,
    /// Mean cross-entropy per sample. On `train`: the running mean over the epoch, under its augmentation and labels.
    pub loss_nats: f64,
    /// Share of samples whose highest score is the label, 0 to 1.
    pub top1: f64,
    /// At the epoch's last update.
    pub learning_rate: f64,
    /// Samples that the means are over.
    pub samples: u64,
    /// Optimizer updates since the start of the trial.
    pub updates: u64,
    /// Wall time of this part of the epoch.
    pub elapsed_secs: f64,
}

/// What the network said of one image of the test split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Digest of the image file.
    pub image: Digest,
    /// Path below the data set's root, with `/`.
    pub path: String,
    /// Whether the image is derived (possible only under the as-published protocol).
    pub derived: bool,
    /// Index of the true class.
    pub label: u32,
    /// Index of the class of the highest probability.
    pub predicted: u32,
    /// One per class; sums to 1.
    pub probabilities: Vec<f32>,
}

/// Result on the test split, opened once, after the epoch was selected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    pub loss_nats: f64,
    pub top1: f64,
    pub samples: u64,
}

/// What a trial cost, over all its attempts to be continued. Times are wall times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Waiting for batches that were not ready, and moving them to the device.
    pub data_secs: f64,
    pub forward_secs: f64,
    pub backward_secs: f64,
    pub optimizer_secs: f64,
    /// Validation and test.
    pub evaluation_secs: f64,
    pub checkpoint_secs: f64,
    /// Training of a trainer that does not tell its parts apart.
    #[serde(skip_serializing_if = "is_zero")]
    pub undivided_secs: f64,
    /// Images that went through a training step, repetitions counted.
    pub training_images: u64,
    /// Images that were evaluated, repetitions counted.
    pub evaluation_images: u64,
    /// Largest resident memory of the process; none where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(secs: &f64) -> bool {
    *secs == 0.0
}

impl Cost {
    /// Seconds of the training steps, waiting for data included.
    #[must_use]
    pub fn training_secs(&self) -> f64 {
        self.data_secs + self.forward_secs + self.backward_secs + self.optimizer_secs + self.undivided_secs
    }

    /// Seconds of everything.
    #[must_use]
    pub fn total_secs(&self) -> f64 {
        self.training_secs() + self.evaluation_secs + self.checkpoint_secs
    }

    /// Images that training steps got through in a second; none before the first.
    #[must_use]
    pub fn images_per_sec(&self) -> Option<f64> {
        (self.training_secs() > 0.0).then(|| self.training_images as f64 / self.training_secs())
    }

    /// Images that were evaluated in a second; none before the first.
    #[must_use]
    pub fn evaluated_per_sec(&self) -> Option<f64> {
        (self.evaluation_secs > 0.0).then(|| self.evaluation_images as f64 / self.evaluation_secs)
    }
}

/// Something that happened in one run, in order. One line of `events.jsonl`, whose `event` is one of `RunEvent::VARIANTS`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, VariantNames)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[strum(serialize_all = "kebab-case")]
pub enum RunEvent {
    /// The attempt began.
    Started { at: String },
    /// The attempt was continued after epoch `epoch` (0: from the start).
    Resumed { at: String, epoch: u32 },
    /// Training data are ready.
    Prepared { training_samples: u64, updates_per_epoch: u64, total_updates: u64, total_epochs: u32 },
    /// The features of these images were computed, once: the part of the network that makes them is frozen. No training
    /// images where they change from pass to pass.
    FeaturesComputed { training_images: u64, validation_images: u64 },
    /// One part was evaluated.
    Epoch { metrics: EpochMetrics },
    /// The state after `epoch` is on disk.
    Checkpointed { epoch: u32 },
    /// The epoch rule chose `epoch`, looking at nothing but validation.
    Selected { epoch: u32, validation_top1: f64 },
    /// The test split is about to be read. At most once a run.
    TestOpened { at: String },
    /// The test split was evaluated.
    Tested { result: TestResult },
    /// A further evaluation set was evaluated.
    Evaluated { name: String, result: TestResult },
    /// What the trial cost up to here.
    Cost { cost: Cost },
    /// The attempt ended well.
    Finished { at: String, weights: Digest },
    /// The attempt ended for the stated reason, and is not to be resumed.
    Failed { at: String, reason: String },
}

/// Sees the events of one run.
pub trait Observer {
    /// Called once per event, in order, before the run goes on.
    ///
    /// # Errors
    /// An observer whose record must not be lost may stop the run.
    fn observe(&mut self, event: &RunEvent) -> io::Result<()>;

    /// Called after every update with the counts so far; for progress views, never recorded.
    fn progress(&mut self, _progress: &StepProgress) {}
}

/// Where a run stands between two events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepProgress {
    pub epoch: u32,
    pub updates: u64,
    pub total_updates: u64,
    pub samples_per_sec: f64,
}

/// Hands every event to each observer in turn.
pub struct Fanout<'a>(pub Vec<&'a mut dyn Observer>);

impl Observer for Fanout<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|observer| observer.observe(event))
    }

    fn progress(&mut self, progress: &StepProgress) {
        for observer in &mut self.0 {
            observer.progress(progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_events_are_those_that_are_written() {
        let written = serde_json::to_value(RunEvent::FeaturesComputed { training_images: 1, validation_images: 0 });
        assert_eq!(written.unwrap()["event"], "features-computed");
        let unknown = serde_json::from_str::<RunEvent>(r#"{"event":"teleported"}"#).unwrap_err().to_string();
        assert_eq!(RunEvent::VARIANTS.len(), 13);
        for name in RunEvent::VARIANTS {
            assert!(unknown.contains(&format!("`{name}`")), "{name} is read: {unknown}");
        }
    }
}
