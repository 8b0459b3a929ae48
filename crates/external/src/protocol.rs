//! What a trainer and augtrial say to one another, one JSON object a line: the trainer on its standard output, augtrial on
//! the trainer's standard input. docs/external.md is the description for people; a test compares the two.

use std::collections::BTreeMap;
use std::path::PathBuf;

use augtrial_base::events::Split;
use serde::{Deserialize, Serialize};

/// Raised when a trainer that was right before would be wrong, or would train to another result.
pub const PROTOCOL_VERSION: u32 = 1;

/// A line of a trainer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Said {
    /// What it is made of, for the record: `{"torch": "2.13.0"}`.
    Hello { software: BTreeMap<String, String> },
    /// Where it stands within an epoch; only shown.
    Progress { epoch: u32, updates: u64 },
    /// An epoch has ended, and validation after it.
    Epoch { epoch: u32, updates: u64, learning_rate: f64, train: Measured, validation: Measured },
    /// What it needs to continue after `epoch` is in the folder `state`.
    Checkpoint { epoch: u32 },
    /// It wants the pixels of a part; answered by [`Answer::Pixels`].
    Pixels {
        part: Split,
        #[serde(default)]
        pass_number: u64,
    },
    /// It will predict with the weights after `epoch`; answered by [`Answer::Test`].
    Selected { epoch: u32 },
    /// What it says of one test image.
    Prediction { image: usize, probabilities: Vec<f32> },
}

/// What was measured of one part.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    pub loss_nats: f64,
    pub top1: f64,
}

/// What a trainer is answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The file holds `images * height_px * width_px * 3` bytes: RGB, row by row.
    Pixels { file: PathBuf, images: usize, height_px: u32, width_px: u32 },
    /// The file is a JSON list of the test images, without labels.
    Test { file: PathBuf, images: usize },
}

impl Said {
    /// The names of all events.
    #[cfg(test)]
    pub const NAMES: [&str; 7] = ["hello", "progress", "epoch", "checkpoint", "pixels", "selected", "prediction"];

    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Progress { .. } => "progress",
            Self::Epoch { .. } => "epoch",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Pixels { .. } => "pixels",
            Self::Selected { .. } => "selected",
            Self::Prediction { .. } => "prediction",
        }
    }
}
