//! From a TOML file to a valid [`Plan`]: what the user typed, checked and completed.

pub mod arm;
mod check;
mod check_transform;
pub mod classifier;
pub mod dataset;
pub mod file;
mod overrides;
mod resolve;
mod shape;
mod source;
pub mod transform;

pub use resolve::{PlanError, schema};

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use arm::{Arm, Role};
use classifier::Classifier;
use dataset::{Dataset, Ingest, SplitRule};
use file::{Contrast, ExperimentFile, Study};

/// A checked and completed experiment: what is ready to run.
///
/// Names are unique, numbers lie in their ranges and every contrast names two arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub study: Study,
    pub dataset: Dataset,
    pub ingest: Ingest,
    pub split: SplitRule,
    pub classifier: Classifier,
    pub arms: Vec<Arm>,
    pub contrasts: Vec<Contrast>,
    /// The folder that relative paths of the experiment start from.
    pub base: PathBuf,
}

/// One cell of the design: an arm with a seed. Planned; a run is an attempt at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial<'a> {
    pub arm: &'a Arm,
    pub seed: u64,
}

impl Plan {
    /// Every trial, seed by seed, so that an interrupted study has complete pairs.
    pub fn trials(&self) -> impl Iterator<Item = Trial<'_>> {
        self.study.seeds.iter().flat_map(|&seed| self.arms.iter().map(move |arm| Trial { arm, seed }))
    }

    /// The plan with every default written out, as an experiment file; this is `plan.toml` of a run's folder.
    #[must_use]
    pub fn to_file(&self) -> ExperimentFile {
        ExperimentFile {
            study: self.study.clone(),
            dataset: self.dataset.clone(),
            ingest: self.ingest.clone(),
            split: Some(self.split),
            classifier: self.classifier.clone(),
            arms: self.arms.clone(),
            contrasts: self.contrasts.clone(),
        }
    }

    /// The same as TOML text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.to_file()).expect("an experiment file has a TOML form")
    }

    /// Digest of the whole plan.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value("plan-v1", &self.to_file())
    }

    /// Width and height of the network's input, px: the working size where the classifier leaves it open.
    #[must_use]
    pub fn input_px(&self) -> (u32, u32) {
        let input = self.classifier.input;
        (input.width_px.unwrap_or(self.ingest.width_px), input.height_px.unwrap_or(self.ingest.height_px))
    }

    /// A path of the experiment file, from its own folder.
    #[must_use]
    pub fn resolve_path(&self, path: &str) -> PathBuf {
        self.base.join(Path::new(path))
    }
}
