//! What a report is made from, as plain data: whoever reads the registry fills this in.

use super::audit::AuditRecord;
use super::quality::QualityRecord;
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, Split, TestResult};
use augtrial_compare::{StudyResults, Tuning};
use augtrial_data::manifest::{LeftOut, Manifest};
use augtrial_plan::Plan;

/// Everything recorded of one study.
#[derive(Clone, Debug)]
pub struct StudyRecord {
    pub plan: Plan,
    pub manifest: Manifest,
    /// Sources of each part.
    pub parts: Vec<PartRecord>,
    /// Images that are byte for byte another image of the data set.
    pub duplicates: u64,
    /// Images whose byte-identical twin has another label.
    pub contradicting: Vec<LeftOut>,
    /// Images kept out of their part because a byte-identical twin is in another one.
    pub withheld: Vec<LeftOut>,
    /// Images of the training part that the plan leaves unused.
    pub unused: u64,
    /// In the order of the plan.
    pub arms: Vec<ArmRecord>,
    pub results: StudyResults,
    /// Absent for a study that was recorded without one.
    pub audit: Option<AuditRecord>,
    /// The search before the study; absent where there was none.
    pub tuning: Option<Tuning>,
    /// Of the sets, where it was measured.
    pub quality: Option<QualityRecord>,
    /// On every further evaluation set, by name.
    pub evaluations: Vec<(String, StudyResults)>,
    /// Commit, versions, host, device, times: in the order to be shown.
    pub provenance: Vec<Fact>,
}

/// A label and its value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fact {
    pub label: String,
    pub value: String,
}

/// Number of source images of each class in one part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PartRecord {
    pub split: Split,
    /// One per class, in the order of the classes.
    pub counts: Vec<u64>,
}

/// What one arm trained on, and its runs.
#[derive(Clone, Debug)]
pub struct ArmRecord {
    pub name: String,
    /// Training samples of each class, in the order of the classes.
    pub counts: Vec<u64>,
    /// Distinct originals among them.
    pub originals: u64,
    /// Training samples that the recipe promises.
    pub planned: u64,
    /// Planned images that were not made, with the reason.
    pub missing: Vec<LeftOut>,
    /// Wall time of making its images; absent where they were there before, or nothing was to be made.
    pub generation_secs: Option<f64>,
    /// Derived images to show.
    pub examples: Vec<ExampleRecord>,
    /// The runs that count, in any order.
    pub runs: Vec<ReportedRun>,
}

/// What one run recorded.
#[derive(Clone, Debug)]
pub struct ReportedRun {
    pub seed: u64,
    pub run: String,
    pub metrics: Vec<EpochMetrics>,
    /// The epoch that met the test split.
    pub selected_epoch: u32,
    pub test: TestResult,
    pub predictions: Vec<Prediction>,
    /// Wall time of the whole run.
    pub elapsed_secs: f64,
}

/// A derived image of the gallery.
#[derive(Clone, Debug)]
pub struct ExampleRecord {
    pub source: Picture,
    /// Of the source, below the data set's root.
    pub path: String,
    /// Index of the class.
    pub class: u32,
    pub copy: u32,
    /// The instruction, or the transforms.
    pub asked: String,
    /// Mean absolute difference from the source, 8-bit levels, where it was recorded.
    pub change_levels: Option<f64>,
    /// The result, or why there is none.
    pub result: Result<Picture, String>,
}

/// A small PNG picture.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct Picture {
    /// Of the file.
    pub digest: Digest,
    #[serde(skip)]
    pub png: Vec<u8>,
}

impl Picture {
    /// A PNG file's content.
    #[must_use]
    pub fn new(png: Vec<u8>) -> Self {
        Self { digest: Digest::of_bytes(&png), png }
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}, {} bytes)", self.digest.short(), self.png.len())
    }
}
