//! How far a trainer came: written after each checkpoint that it reports, read when its trial is taken up again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::protocol::PROTOCOL_VERSION;
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability};
use augtrial_base::events::EpochMetrics;
use augtrial_trial::{TRAINER_STATE_FILE_NAME, TrainError};

/// A trial at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    pub protocol: u32,
    pub key: Digest,
    pub epoch: u32,
    /// Of every epoch so far: training, then validation.
    pub history: Vec<EpochMetrics>,
    /// Wall time of training and validation so far.
    pub secs: f64,
}

impl Reached {
    /// What was reached by the trial of this key, in the trainer's folder; nothing if nothing was saved.
    ///
    /// # Errors
    /// [`TrainError::CheckpointDamaged`], [`TrainError::CheckpointForeign`] or [`TrainError::CheckpointIo`].
    pub fn read(folder: &Path, key: Digest) -> Result<Option<Self>, TrainError> {
        let path = path(folder);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainError::CheckpointIo { action: "read", path, source }),
        };
        let damaged = |problem: String| TrainError::CheckpointDamaged { path: path.clone(), problem };
        let reached: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if reached.protocol != PROTOCOL_VERSION {
            return Err(damaged(format!("it is of protocol {}", reached.protocol)));
        }
        if reached.key != key {
            return Err(TrainError::CheckpointForeign { path, found: reached.key, expected: key });
        }
        if reached.history.len() != 2 * reached.epoch as usize {
            return Err(damaged(format!("it has not every epoch up to {}", reached.epoch)));
        }
        Ok(Some(reached))
    }

    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        let path = path(folder);
        let json = serde_json::to_vec(self).expect("plain data has a JSON form");
        disk::replace_bytes(&path, &json, Durability::Now).map_err(Fault::io("write", &path))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(TRAINER_STATE_FILE_NAME)
}
