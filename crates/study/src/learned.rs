//! When a network learns its training images: looked at after every epoch, as they are, and kept beside the run's predictions.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StudyError;
use super::arms::ReadyArm;
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability};
use augtrial_base::events::Split;
use augtrial_data::samples::{EvaluationSet, Sample};
use augtrial_plan::Plan;

/// Name of the file in a run's folder.
pub(super) const FILE: &str = "learned.json";

/// What a run records.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The last epoch.
    epochs: u32,
    images: Vec<Learned>,
}

/// One training image.
#[derive(Serialize, Deserialize)]
struct Learned {
    image: Digest,
    label: u32,
    /// Counted from 1: from here on it is recognized to the end; absent if it is not recognized at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
}

/// The originals that an arm is trained on, each once, to be watched; nothing if the plan does not ask when they are learned.
pub(super) fn watched(plan: &Plan, ready: &ReadyArm<'_>) -> Option<EvaluationSet> {
    if !plan.records_learning() {
        return None;
    }
    let mut samples: Vec<Sample> = ready
        .training
        .samples()
        .iter()
        .filter(|sample| !sample.derived && sample.image == sample.source)
        .cloned()
        .collect();
    samples.sort_by(|a, b| (a.image, a.label, &a.path).cmp(&(b.image, b.label, &b.path)));
    samples.dedup_by_key(|sample| (sample.image, sample.label));
    // Of no part that is judged: what is learned of them is recorded, and nothing else.
    Some(EvaluationSet::new(Split::Test, samples, ready.training.pixels().clone()))
}

/// Keeps it in a run's folder.
pub(super) fn write(folder: &Path, watched: &EvaluationSet, learned: &[u32], epochs: u32) -> Result<(), StudyError> {
    let image = |(sample, &epoch): (&Sample, &u32)| Learned {
        image: sample.image,
        label: sample.label,
        epoch: (epoch > 0).then_some(epoch),
    };
    let images = watched.samples().iter().zip(learned).map(image).collect();
    let json = serde_json::to_vec(&Record { epochs, images }).expect("plain data has a JSON form");
    let path = folder.join(FILE);
    disk::replace_bytes(&path, &json, Durability::Now).map_err(|source| StudyError::Write { path, source })
}

/// Content, class and epoch of every image of a run; of one that is not recognized at the end, the epoch after the last.
pub(super) fn read(folder: &Path) -> Result<Vec<(Digest, u32, f64)>, StudyError> {
    let path = folder.join(FILE);
    let read = |source| StudyError::Read { path: path.clone(), source };
    let Record { epochs, images } =
        serde_json::from_slice(&fs::read(&path).map_err(read)?).map_err(|error| read(error.into()))?;
    let epoch = |epoch: Option<u32>| f64::from(epoch.unwrap_or(epochs + 1));
    Ok(images.into_iter().map(|image| (image.image, image.label, epoch(image.epoch))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_data::pixels::PixelStore;

    #[test]
    fn what_is_never_learned_comes_after_the_last_epoch_and_a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let sample = |name: &str, label| {
            let image = Digest::of_bytes(name.as_bytes());
            Sample { pixels: 0, label, image, source: image, path: name.to_owned(), derived: false }
        };
        let samples = vec![sample("a", 0), sample("b", 1)];
        let set = EvaluationSet::new(Split::Test, samples.clone(), PixelStore::new(1, 1));
        write(folder.path(), &set, &[3, 0], 7).unwrap();
        assert_eq!(read(folder.path()).unwrap(), [(samples[0].image, 0, 3.0), (samples[1].image, 1, 8.0)]);
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains(FILE));
    }
}
