//! The lines of a set's manifest and of the journal of an unfinished set.
//!
//! JSON lines: a header, then one line per planned image, sorted by source, class and copy. An image that is not there
//! has a line too, with the reason.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::maker::Missing;
use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_data::manifest::Lineage;

pub(super) const MANIFEST: &str = "manifest.jsonl";
pub(super) const FORMAT: &str = "augtrial-derived-set";
/// Raised when the layout of a set or the meaning of its digest changes.
pub(super) const FORMAT_VERSION: u32 = 1;
pub(super) const ENCODING: &str = "image/png";

/// Names one planned image of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) source: Digest,
    pub(super) class: u32,
    pub(super) copy: u32,
}

impl Key {
    /// Path of the image below the set's folder. Made of digits alone: no name from the data becomes a path.
    pub(super) fn file(&self) -> String {
        format!("{}/{}-{}-{}.png", self.folder(), self.source, self.class, self.copy)
    }

    /// Path of the image's folder below the set's.
    pub(super) fn folder(&self) -> String {
        format!("images/{}", &self.source.to_string()[..2])
    }
}

/// An image of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivedImage {
    /// Path below the set's folder, with `/`.
    pub file: String,
    /// Digest of the file.
    pub digest: Digest,
    pub size_bytes: u64,
    /// Index of the class, inherited from the source.
    pub class: u32,
    pub lineage: Lineage,
}

/// An image that was planned and is not in the set.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingImage {
    pub missing: Missing,
    /// Index of the class, inherited from the source.
    pub class: u32,
    pub lineage: Lineage,
}

/// What became of a planned image.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Made(DerivedImage),
    Missing(MissingImage),
}

impl Outcome {
    pub(super) fn lineage(&self) -> &Lineage {
        match self {
            Self::Made(image) => &image.lineage,
            Self::Missing(image) => &image.lineage,
        }
    }

    pub(super) fn key(&self) -> Key {
        let (Self::Made(DerivedImage { class, .. }) | Self::Missing(MissingImage { class, .. })) = self;
        Key { source: self.lineage().source, class: *class, copy: self.lineage().copy }
    }
}

/// The first line of a manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    /// Digest of the set.
    pub(super) set: Digest,
    /// Digest of the recipe step.
    pub(super) recipe: Digest,
    /// The recipe step.
    pub(super) step: serde_json::Value,
    pub(super) copies: NonZeroU32,
    pub(super) seed: StudySeed,
    pub(super) tool: String,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    /// Number of lines that follow with an image.
    pub(super) images: usize,
    /// Number of lines that follow with a reason instead.
    pub(super) missing: usize,
    pub(super) encoding_format: String,
    /// The program that wrote the set. For people: it is not part of the digest.
    pub(super) creator: String,
}

/// An outcome as it is written: either the three fields of a file or `missing`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
    class: u32,
    lineage: Lineage,
}

impl Outcome {
    /// The line, with its line feed.
    pub(super) fn to_line(&self) -> String {
        let line = match self.clone() {
            Self::Made(DerivedImage { file, digest, size_bytes, class, lineage }) => Line {
                file: Some(file),
                digest: Some(digest),
                size_bytes: Some(size_bytes),
                missing: None,
                class,
                lineage,
            },
            Self::Missing(MissingImage { missing, class, lineage }) => {
                Line { file: None, digest: None, size_bytes: None, missing: Some(missing), class, lineage }
            }
        };
        json_line(&line)
    }

    /// Reads a line back.
    ///
    /// # Errors
    /// What is wrong with it, as a fragment of a sentence.
    pub(super) fn from_line(text: &str) -> Result<Self, String> {
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Line { class, lineage, .. } = line;
        let outcome = match (line.file, line.digest, line.size_bytes, line.missing) {
            (Some(file), Some(digest), Some(size_bytes), None) => {
                Self::Made(DerivedImage { file, digest, size_bytes, class, lineage })
            }
            (None, None, None, Some(missing)) => Self::Missing(MissingImage { missing, class, lineage }),
            _ => return Err("neither a file nor a reason why it is missing".to_owned()),
        };
        match &outcome {
            // The name follows from the lineage. Any other could lead out of the folder.
            Self::Made(image) if image.file != outcome.key().file() => Err(format!("unexpected path `{}`", image.file)),
            _ => Ok(outcome),
        }
    }
}

/// A value as one line of JSON, with its line feed.
pub(super) fn json_line<T: Serialize>(value: &T) -> String {
    let mut line = serde_json::to_string(value).expect("plain data has a JSON form");
    line.push('\n');
    line
}
