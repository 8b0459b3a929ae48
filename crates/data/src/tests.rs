//! TrashNet as it was published, where it is at hand: its images are not in the repository.
//!
//! `AUGTRIAL_TRASHNET` names its folder.

use std::path::{Path, PathBuf};

use super::audit::{Duplicates, LeakAudit};
use super::cache::{Picture, Working, decoded};
use super::ingest::ingest;
use super::manifest::Manifest;
use super::parts::Partition;
use super::pixels::PixelStore;
use super::samples::{EvaluationSet, TrainingSet};
use super::sets::PixelIndex;
use super::source::{Layout, Source};
use augtrial_base::events::Split;
use augtrial_base::seed::StudySeed;
use augtrial_plan::dataset::{Given, Ingest, SplitRule};

/// In the order of the labels.
const CLASSES: [&str; 6] = ["glass", "paper", "cardboard", "plastic", "metal", "trash"];

/// The folder that `AUGTRIAL_TRASHNET` names.
fn trashnet() -> PathBuf {
    let folder = std::env::var_os("AUGTRIAL_TRASHNET").map(PathBuf::from).expect("AUGTRIAL_TRASHNET names the folder");
    assert!(folder.join("dataset-resized").is_dir(), "there is no TrashNet at {}", folder.display());
    folder
}

fn source(folder: &Path) -> Source {
    let index = |part: &str| folder.join(format!("one-indexed-files-notrash_{part}.txt"));
    let layout = Layout::Index {
        classes: CLASSES.map(str::to_owned).to_vec(),
        first_label: 1,
        train: index("train"),
        validation: Some(index("val")),
        test: index("test"),
    };
    Source::new(folder.join("dataset-resized"), layout)
}

fn read(folder: &Path) -> Manifest {
    ingest(&source(folder), &Ingest::default(), &|_, _| {}).unwrap()
}

#[test]
#[ignore = "needs TrashNet: `make test-data AUGTRIAL_TRASHNET=folder`"]
fn all_of_trashnet_is_read_with_its_parts_and_its_contradictions() {
    let folder = trashnet();
    let manifest = read(&folder);
    assert_eq!(manifest.quarantined, []);
    assert_eq!(manifest.class_counts(), [501, 594, 403, 482, 410, 137]);
    let prescribed = Split::ALL.map(|part| manifest.images.iter().filter(|image| image.split == Some(part)).count());
    assert_eq!(prescribed, [1768, 328, 431]);
    assert!(manifest.images.iter().all(|image| (image.width_px, image.height_px) == (512, 384)));

    // Three pairs of identical files, each under two labels; two of them straddle the published parts.
    let duplicates = Duplicates::find(&manifest);
    assert_eq!((duplicates.sets.len(), duplicates.contradicting().count()), (3, 3));
    assert_eq!(duplicates.sets.iter().filter(|set| set.straddles()).count(), 2);
}

#[test]
#[ignore = "needs TrashNet: `make test-data AUGTRIAL_TRASHNET=folder`"]
fn trashnets_published_parts_leak_and_the_partition_does_not() {
    let folder = trashnet();
    let manifest = read(&folder);
    let partition = Partition::new(&manifest, SplitRule::Given(Given::default()), StudySeed(1)).unwrap();
    let withheld: Vec<_> = partition.withheld.iter().map(|w| (w.path.as_str(), w.twin.as_str())).collect();
    assert_eq!(
        withheld,
        [("glass/glass176.jpg", "plastic/plastic152.jpg"), ("glass/glass389.jpg", "plastic/plastic332.jpg")]
    );

    let store = tempfile::tempdir().unwrap();
    let pictures = Picture::of_records(source(&folder).root(), &manifest.images);
    let working = Working { width_px: 96, height_px: 72, max_pixels: Ingest::default().max_pixels };
    let block = decoded(store.path(), &pictures, working, pictures.len(), &|_, _| {}).unwrap().pixels;
    let mut pixels = PixelStore::new(working.width_px, working.height_px);
    let first = pixels.push(block.into());
    let index = PixelIndex::new(first, manifest.images.iter().map(|image| image.digest));
    let train = TrainingSet::leak_free(&partition.train, pixels.clone(), &index, 1, []).unwrap();
    assert_eq!(train.samples().len(), 1766);
    for (part, size) in [(&partition.validation, 328), (&partition.test, 431)] {
        let set = EvaluationSet::of_originals(part, pixels.clone(), &index).unwrap();
        let audit = LeakAudit::of(&train, &set);
        assert!(audit.is_clean() && audit.images == size, "{audit:?}");
    }
}
