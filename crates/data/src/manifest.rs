//! What was read from a data set: the records, sorted, and everything that was left out, with the reason.

use serde::{Deserialize, Serialize};

use augtrial_base::digest::Digest;

/// One decodable image of the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Path below the data set's root, with `/`.
    pub path: String,
    /// Index into [`Manifest::classes`].
    pub class: u32,
    /// Digest of the file.
    pub digest: Digest,
    /// As stored, before any EXIF orientation.
    pub width_px: u32,
    pub height_px: u32,
    /// Images of one group stay in one part. Absent: the image is its own group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The part that the data set itself prescribes, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<augtrial_base::events::Split>,
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub path: String,
    pub reason: String,
    /// Index of the class it was meant for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<u32>,
}

/// A data set as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Class names, in the order of their indices.
    pub classes: Vec<String>,
    /// Sorted by path.
    pub images: Vec<ImageRecord>,
    /// Files that should be images of a class and could not be used.
    pub quarantined: Vec<LeftOut>,
    /// Files that are none of the data set's business: hidden ones, other extensions.
    pub ignored: Vec<LeftOut>,
    /// Whether a renderer made the images.
    pub synthetic: bool,
}

impl Manifest {
    /// Digest of the classes and records; left-out files do not count.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value("manifest-v1", &(&self.classes, &self.images))
    }

    /// Number of images of each class.
    #[must_use]
    pub fn class_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.classes.len()];
        for image in &self.images {
            counts[image.class as usize] += 1;
        }
        counts
    }
}

/// Where a derived image comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// Digest of the source image's file.
    pub source: Digest,
    /// Digest of the recipe step that made it.
    pub recipe: Digest,
    /// Which copy of the source this is, from 0.
    pub copy: u32,
    /// The study seed.
    pub seed: u64,
    /// What made it: the name and version of the tool.
    pub tool: String,
    /// What an editor was asked and what came of it; nothing for transforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<EditRecord>,
}

/// What an image editor was asked for one image, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditRecord {
    pub instruction: String,
    /// Which attempt this is, from 0: an edit that fails its checks may be tried again with other noise.
    pub attempt: u32,
    /// Mean absolute difference from the source, 8-bit levels; nothing for an edit that gave no picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_levels: Option<f64>,
    /// Width and height that a larger picture was reduced to for the editor, and enlarged again from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced_to_px: Option<(u32, u32)>,
}
