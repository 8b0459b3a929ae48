//! What is wrong with a data set or a division of it: byte-identical images, and siblings across parts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::samples::{EvaluationSet, TrainingSet};
use super::stand_ins::StandIns;
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;

/// Images whose files are byte for byte the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Sorted by the path of their first image.
    pub sets: Vec<DuplicateSet>,
}

/// One content under several names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateSet {
    pub digest: Digest,
    /// Two or more, sorted by path.
    pub images: Vec<Duplicate>,
}

/// One name of a content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    pub path: String,
    /// Index of the class.
    pub class: u32,
    /// The part that the data set itself prescribes, if it does.
    pub split: Option<Split>,
}

impl DuplicateSet {
    /// Whether the images have different classes: at least one label is wrong.
    #[must_use]
    pub fn is_contradicting(&self) -> bool {
        self.images.iter().any(|image| image.class != self.images[0].class)
    }

    /// Whether the data set itself puts the content into two parts.
    #[must_use]
    pub fn straddles(&self) -> bool {
        self.images.iter().any(|image| image.split != self.images[0].split)
    }
}

impl Duplicates {
    /// Finds the byte-identical images of a data set.
    #[must_use]
    pub fn find(manifest: &Manifest) -> Self {
        let mut by_digest: BTreeMap<Digest, Vec<Duplicate>> = BTreeMap::new();
        for image in &manifest.images {
            let duplicate = Duplicate { path: image.path.clone(), class: image.class, split: image.split };
            by_digest.entry(image.digest).or_default().push(duplicate);
        }
        let several = by_digest.into_iter().filter(|(_, images)| images.len() > 1);
        let mut sets: Vec<_> = several.map(|(digest, images)| DuplicateSet { digest, images }).collect();
        for set in &mut sets {
            set.images.sort_by(|a, b| a.path.cmp(&b.path));
        }
        sets.sort_by(|a, b| a.images[0].path.cmp(&b.images[0].path));
        Self { sets }
    }

    /// The sets whose labels contradict each other.
    pub fn contradicting(&self) -> impl Iterator<Item = &DuplicateSet> {
        self.sets.iter().filter(|set| set.is_contradicting())
    }
}

/// How far an evaluation set leaks into training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakAudit {
    pub split: Split,
    /// Images of the evaluation set.
    pub images: usize,
    /// Those of them that a recipe made.
    pub derived: usize,
    /// Those of them whose source, or an image derived from it, is trained on.
    pub with_sibling: usize,
}

impl LeakAudit {
    /// Counts the evaluation images that have a sibling in training.
    #[must_use]
    pub fn of(train: &TrainingSet, evaluation: &EvaluationSet) -> Self {
        let sources: BTreeSet<Digest> = {
            let stand_ins = train.stand_ins().into_iter().flat_map(StandIns::images);
            train.samples().iter().chain(stand_ins).map(|sample| sample.source).collect()
        };
        let samples = evaluation.samples();
        Self {
            split: evaluation.split(),
            images: samples.len(),
            derived: samples.iter().filter(|sample| sample.derived).count(),
            with_sibling: samples.iter().filter(|sample| sources.contains(&sample.source)).count(),
        }
    }

    /// No evaluation image is derived or has a sibling in training.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.with_sibling == 0 && self.derived == 0
    }
}
