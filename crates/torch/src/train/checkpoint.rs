//! The state of a trial on disk: one safetensors file, so that tensors and progress can never disagree.
//!
//! The file holds tensors under the prefixes `network/`, `optimiser/` and `best/`, and in its metadata a JSON document with
//! the trial's key, its progress, and the digest of the tensors. It is replaced as a whole ([`augtrial_base::disk`]): a
//! reader sees the previous checkpoint or the new one.
//! A file that is damaged or belongs to another trial is refused, never overwritten and never quietly skipped.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::state::{HostState, HostTensor, digest};
use crate::networks::NamedTensor;
use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_base::events::{Cost, EpochMetrics};
use augtrial_trial::{CHECKPOINT_FILE_NAME, TrainError, WEIGHTS_FILE_NAME};

/// Where the JSON document stands in the safetensors metadata.
const METADATA_KEY: &str = "augtrial-checkpoint";
const FORMAT: u32 = 1;

/// A group of tensors in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Network,
    Optimizer,
    /// The network after the best epoch so far.
    Best,
}

/// How far a trial is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialProgress {
    /// Optimizer updates done. With the timetable, this is also the place in the sequence of passes.
    pub updates: u64,
    /// Epochs finished, evaluation included.
    pub epochs: u32,
    /// Sums over the updates of the unfinished epoch.
    pub running: RunningSums,
    /// Metrics of all finished epochs: training, then validation.
    pub history: Vec<EpochMetrics>,
    /// The best epoch so far; absent under the rule `last`.
    pub best: Option<BestEpoch>,
    /// What it took so far.
    pub cost: Cost,
    /// Of every watched image, the epoch from which on it has been recognized, counted from 1; 0 if it is not. Empty if none is
    /// watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<u32>,
}

/// Training metrics of an unfinished epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningSums {
    pub loss_nats: f64,
    pub correct: u64,
    pub samples: u64,
    pub elapsed_secs: f64,
}

/// What the rule `best-validation` compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// Counted from 1.
    pub epoch: u32,
    pub validation_top1: f64,
    pub validation_loss_nats: f64,
}

/// Progress with the tensors that belong to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    pub progress: TrialProgress,
    tensors: HostState,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    key: Digest,
    /// Of all tensors, under their prefixed names.
    content: Digest,
    progress: TrialProgress,
}

impl Section {
    fn prefix(self) -> &'static str {
        match self {
            Self::Network => "network/",
            // The name on disk, which older checkpoints have.
            Self::Optimizer => "optimiser/",
            Self::Best => "best/",
        }
    }
}

impl Checkpoint {
    /// A checkpoint without tensors.
    #[must_use]
    pub fn new(progress: TrialProgress) -> Self {
        Self { progress, tensors: HostState::new() }
    }

    /// Adds the tensors of one section.
    pub fn insert(&mut self, section: Section, tensors: HostState) {
        self.tensors.extend(tensors.into_iter().map(|(name, tensor)| (section.prefix().to_owned() + &name, tensor)));
    }

    /// The tensors of one section, under their own names.
    #[must_use]
    pub fn section(&self, section: Section) -> HostState {
        let own = |(name, tensor): (&String, &HostTensor)| {
            name.strip_prefix(section.prefix()).map(|name| (name.to_owned(), tensor.clone()))
        };
        self.tensors.iter().filter_map(own).collect()
    }

    /// Writes the checkpoint of the trial `key` into `folder`, in place of an earlier one, durably.
    ///
    /// # Errors
    /// [`TrainError::CheckpointIo`].
    pub fn save(&self, folder: &Path, key: Digest) -> Result<(), TrainError> {
        let path = folder.join(CHECKPOINT_FILE_NAME);
        let document =
            Document { format: FORMAT, key, content: digest(&self.tensors), progress: self.progress.clone() };
        let json = serde_json::to_string(&document).expect("plain data has a JSON form");
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), json)]);
        write_whole(folder, CHECKPOINT_FILE_NAME, &self.tensors, metadata).map_err(|source| TrainError::CheckpointIo {
            action: "write",
            path,
            source,
        })
    }

    /// Reads the checkpoint in `folder`, if there is one.
    ///
    /// # Errors
    /// [`TrainError::CheckpointDamaged`], [`TrainError::CheckpointForeign`] if it is not of the trial `key`, or
    /// [`TrainError::CheckpointIo`].
    pub fn load(folder: &Path, key: Digest) -> Result<Option<Self>, TrainError> {
        let path = folder.join(CHECKPOINT_FILE_NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainError::CheckpointIo { action: "read", path, source }),
        };
        let document = read_document(&bytes).map_err(|problem| damaged(&path, problem))?;
        if document.key != key {
            return Err(TrainError::CheckpointForeign { path, found: document.key, expected: key });
        }
        let tensors = read_tensors(&bytes).map_err(|problem| damaged(&path, problem))?;
        if digest(&tensors) != document.content {
            return Err(damaged(&path, "its tensors do not have the recorded digest".to_owned()));
        }
        Ok(Some(Self { progress: document.progress, tensors }))
    }

    /// Overwrites `targets` with the tensors of one section.
    ///
    /// # Errors
    /// [`TrainError::CheckpointDamaged`] if names or shapes differ.
    pub fn restore(&self, section: Section, targets: &[NamedTensor], folder: &Path) -> Result<(), TrainError> {
        let stored = self.section(section);
        let fits = |target: &NamedTensor| {
            let shape: Vec<usize> = target.tensor.size().iter().map(|&extent| extent as usize).collect();
            stored.get(&target.name).is_some_and(|tensor| tensor.shape == shape)
        };
        if stored.len() != targets.len() || !targets.iter().all(fits) {
            let problem = format!("the tensors under `{}` are not those of this trial", section.prefix());
            return Err(damaged(&folder.join(CHECKPOINT_FILE_NAME), problem));
        }
        for target in targets {
            stored[&target.name].write_to(&target.tensor);
        }
        Ok(())
    }
}

/// Writes the selected weights of a trial that was trained to its end beside its checkpoint; they can serve as `pretrained`
/// weights elsewhere.
///
/// The checkpoint stays: without it, a run that is killed before its end is recorded would begin again. Does nothing if there
/// is no checkpoint.
///
/// # Errors
/// [`TrainError::CheckpointDamaged`], [`TrainError::CheckpointForeign`] or [`TrainError::CheckpointIo`].
pub fn keep_weights(folder: &Path, key: Digest) -> Result<(), TrainError> {
    let Some(checkpoint) = Checkpoint::load(folder, key)? else { return Ok(()) };
    let selected = if checkpoint.progress.best.is_some() { Section::Best } else { Section::Network };
    let failed = |action, name| move |source| TrainError::CheckpointIo { action, path: folder.join(name), source };
    write_whole(folder, WEIGHTS_FILE_NAME, &checkpoint.section(selected), HashMap::new())
        .map_err(failed("replace", WEIGHTS_FILE_NAME))
}

/// Writes a safetensors file, durably.
fn write_whole(folder: &Path, name: &str, tensors: &HostState, metadata: HashMap<String, String>) -> io::Result<()> {
    disk::create_folder(folder)?;
    let views = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
    disk::replace_at(&folder.join(name), |temporary| {
        safetensors::serialize_to_file(views, &Some(metadata), temporary).map_err(io::Error::other)
    })
}

fn damaged(path: &Path, problem: String) -> TrainError {
    TrainError::CheckpointDamaged { path: PathBuf::from(path), problem }
}

fn read_document(bytes: &[u8]) -> Result<Document, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let json = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
    let json = json.ok_or("it has no record of progress")?;
    let format = serde_json::from_str::<serde_json::Value>(json).map_err(|error| error.to_string())?["format"].clone();
    if format != FORMAT {
        return Err(format!("its format is {format}, this version reads {FORMAT}"));
    }
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn read_tensors(bytes: &[u8]) -> Result<HostState, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| match HostTensor::read(&view) {
        Ok(tensor) => Ok((name, tensor)),
        Err(dtype) => Err(format!("tensor `{name}` has type {dtype:?}")),
    };
    file.tensors().into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn key() -> Digest {
        Digest::of_bytes(b"trial")
    }

    fn checkpoint(value: f32) -> Checkpoint {
        // Floats without a short decimal form, to show that JSON gives them back exactly.
        let running = RunningSums { loss_nats: 0.1 + 0.2, correct: 3, samples: 9, elapsed_secs: 1.0 / 3.0 };
        let mut checkpoint =
            Checkpoint::new(TrialProgress { updates: 7, epochs: 2, running, ..TrialProgress::default() });
        let tensors = HostState::from([("a".to_owned(), HostTensor::of(&Tensor::from_slice(&[value, -0.0])))]);
        checkpoint.insert(Section::Network, tensors.clone());
        checkpoint.insert(Section::Best, tensors);
        checkpoint
    }

    #[test]
    fn what_is_saved_is_loaded_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Checkpoint::load(folder.path(), key()).unwrap(), None);
        checkpoint(1.0).save(folder.path(), key()).unwrap();
        checkpoint(2.0).save(folder.path(), key()).unwrap();
        let loaded = Checkpoint::load(folder.path(), key()).unwrap().unwrap();
        assert_eq!(loaded, checkpoint(2.0));
        assert_eq!(loaded.section(Section::Network).keys().collect::<Vec<_>>(), ["a"]);
        assert!(loaded.section(Section::Optimizer).is_empty());
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_the_previous_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(1.0).save(folder.path(), key()).unwrap();
        fs::write(folder.path().join(format!("{}torn", disk::UNFINISHED)), b"torn").unwrap();
        assert_eq!(Checkpoint::load(folder.path(), key()).unwrap().unwrap(), checkpoint(1.0));
    }

    #[test]
    fn the_checkpoint_of_another_trial_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(1.0).save(folder.path(), Digest::of_bytes(b"another")).unwrap();
        let error = Checkpoint::load(folder.path(), key()).unwrap_err();
        assert!(matches!(error, TrainError::CheckpointForeign { .. }), "{error}");
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(1.0).save(folder.path(), key()).unwrap();
        let path = folder.path().join(CHECKPOINT_FILE_NAME);
        let whole = fs::read(&path).unwrap();
        for kept in [0, 7, 8, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..kept]).unwrap();
            let error = Checkpoint::load(folder.path(), key()).unwrap_err();
            assert!(matches!(error, TrainError::CheckpointDamaged { .. }), "{kept}: {error}");
        }
        for position in whole.len() - 16..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 1;
            fs::write(&path, bytes).unwrap();
            let error = Checkpoint::load(folder.path(), key()).unwrap_err();
            assert!(error.to_string().contains("recorded digest"), "{position}: {error}");
        }
    }
}
