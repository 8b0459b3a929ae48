//! What was measured of the sets of a study, as it is kept, written as JSON and read by a report.

use std::collections::BTreeMap;

use augtrial_base::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::table::SetMeasure;

/// Version of the document. Within one version fields are only ever added.
pub const VERSION: u32 = 1;

/// The quality of a study's sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetQuality {
    pub version: u32,
    pub study: String,
    pub plan: Digest,
    /// What the features are of, in words.
    pub features: String,
    /// Digests of the networks that saw the images.
    pub networks: Vec<Digest>,
    /// Features of one image.
    pub width: usize,
    /// Whether every image was seen by networks that were not trained on it.
    pub cross_fitted: bool,
    /// Who judged labels, in words, or why nobody did.
    pub judges: String,
    /// Neighbors that a ball reaches to.
    pub k: usize,
    pub permutations: u32,
    /// Most images of a class and a half that are compared.
    pub most: usize,
    /// Images that Vendi scores are of; absent if there is none.
    pub vendi_of: Option<usize>,
    pub classes: Vec<String>,
    /// Real images that sets are compared with.
    pub real_images: usize,
    /// What a reader must know before the numbers.
    pub notes: Vec<String>,
    pub rows: Vec<QualityRow>,
    pub galleries: Vec<SetGallery>,
}

/// Whose images a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowSubject {
    /// The derived images of an arm.
    Arm(String),
    /// One half of the real images: as near as a set can come.
    Floor,
    /// Real images of the next class: as far away as a set of wrong images is.
    Ceiling,
}

/// Which of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowPart {
    All,
    Class(String),
    Instruction(String),
}

/// What was measured of some images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityRow {
    pub subject: RowSubject,
    pub part: RowPart,
    pub images: usize,
    /// By the keys of [`MEASURES`](crate::MEASURES).
    pub values: BTreeMap<String, f64>,
    /// Why a measure that this row could have has no value.
    pub missing: BTreeMap<String, String>,
}

/// Derived images to look at, with their sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetGallery {
    pub arm: String,
    /// What was chosen, and by what.
    pub title: String,
    pub shown: Vec<ShownImage>,
}

/// A derived image beside its source. Pictures are named by the digests of their PNG files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownImage {
    pub source: Digest,
    pub derived: Digest,
    /// Of the source, below the data set's folder.
    pub path: String,
    pub class: String,
    pub instruction: Option<String>,
    /// What was measured, in words.
    pub note: String,
}

impl RowSubject {
    /// As people read it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Arm(name) => name,
            Self::Floor => "floor: real, other half",
            Self::Ceiling => "ceiling: real, next class",
        }
    }
}

impl RowPart {
    /// Which kind of part, and its name.
    #[must_use]
    pub fn names(&self) -> (&'static str, &str) {
        match self {
            Self::All => ("all", ""),
            Self::Class(name) => ("class", name),
            Self::Instruction(text) => ("instruction", text),
        }
    }
}

impl QualityRow {
    /// Without any number.
    #[must_use]
    pub fn new(subject: RowSubject, part: RowPart, images: usize) -> Self {
        Self { subject, part, images, values: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// Takes a value, or the reason why there is none.
    ///
    /// # Panics
    /// If no measure has this key.
    pub fn put(&mut self, key: &str, value: Result<f64, String>) {
        assert!(SetMeasure::of(key).is_some(), "{key} is a measure");
        match value {
            Ok(value) => drop(self.values.insert(key.to_owned(), value)),
            Err(reason) => drop(self.missing.insert(key.to_owned(), reason)),
        }
    }

    /// The value of a measure as people read it; nothing if it has none here.
    #[must_use]
    pub fn shown(&self, measure: &SetMeasure) -> Option<String> {
        self.values.get(measure.key).map(|value| measure.unit.show(*value))
    }
}

impl SetQuality {
    /// The rows about all images of a subject: arms, then floor and ceiling.
    pub fn whole(&self) -> impl Iterator<Item = &QualityRow> {
        self.rows.iter().filter(|row| row.part == RowPart::All)
    }

    /// Why measures have no value in the rows about all images, each reason once, with the subjects.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut said: Vec<(String, Vec<&str>, Vec<&str>)> = Vec::new();
        for row in self.whole() {
            for (key, reason) in &row.missing {
                let title = SetMeasure::of(key).map_or(key.as_str(), |measure| measure.title);
                match said.iter_mut().find(|(known, ..)| known == reason) {
                    Some((_, titles, subjects)) => {
                        titles.push(title);
                        subjects.push(row.subject.name());
                    }
                    None => said.push((reason.clone(), vec![title], vec![row.subject.name()])),
                }
            }
        }
        let once = |mut names: Vec<&str>| {
            let mut known = Vec::new();
            names.retain(|name| {
                !known.contains(name) && {
                    known.push(*name);
                    true
                }
            });
            names.join(", ")
        };
        said.into_iter()
            .map(|(reason, titles, subjects)| format!("{} of {}: {reason}", once(titles), once(subjects)))
            .collect()
    }
}
