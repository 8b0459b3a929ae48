//! From a TOML file to a valid [`Plan`]: what the user typed, checked and completed.

pub mod arm;
pub mod balance;
mod check;
pub mod classifier;
pub mod command;
pub mod copies;
pub mod cross_fit;
mod data_folder;
pub mod dataset;
pub mod decisions;
pub mod declared;
pub mod design;
mod doubts;
mod draw;
pub mod editors;
pub mod evaluation;
pub mod extra;
mod features;
pub mod file;
pub mod gate;
pub mod networks;
mod overrides;
pub mod replace;
mod resolve;
pub mod scheduler;
pub mod select;
pub mod sequential;
mod shape;
mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod train;
pub mod transform;
pub mod tune;

pub use data_folder::{DATA_VARIABLE, data_folder};
pub use draw::Draw;
pub use overrides::{MOST_SEEDS, Override, ParseOverrideError};
pub use resolve::{PlanError, schema};

use std::path::PathBuf;

use arm::{Arm, Role};
use augtrial_base::digest::Digest;
use classifier::{Classifier, Freeze};
use cross_fit::CrossFit;
use dataset::{Dataset, Ingest, SplitRule};
use decisions::Audit;
use evaluation::Evaluation;
use file::{Contrast, ExperimentFile, Study};
use networks::{Architecture, Network, NetworkFile, NetworkFileError, Traits};
use sequential::Sequential;
use train::Train;
use tune::Tune;

/// A checked and completed experiment: what is ready to run.
///
/// Names are unique, numbers lie in their ranges and every contrast names two arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub study: Study,
    pub dataset: Dataset,
    pub ingest: Ingest,
    pub split: SplitRule,
    /// What the training part is cut to.
    pub train: Train,
    /// With the decisions themselves, wherever they were read from.
    pub audit: Audit,
    pub classifier: Classifier,
    pub arms: Vec<Arm>,
    pub contrasts: Vec<Contrast>,
    pub evaluations: Vec<Evaluation>,
    /// Looks before all seeds are run, if any were declared.
    pub sequential: Option<Sequential>,
    /// What is searched before the study, and what was found.
    pub tune: Option<Tune>,
    /// Networks that are asked, if the file says how many.
    pub cross_fit: Option<CrossFit>,
    /// The folder that relative paths of the experiment start from.
    pub base: PathBuf,
}

/// An arm with a seed. It is planned; a run is an attempt at it.
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
            train: self.train,
            audit: self.audit.clone(),
            classifier: self.classifier.clone(),
            arms: self.arms.clone(),
            contrasts: self.contrasts.clone(),
            // A plan is one cell: what it was drawn from is the design's.
            design: None,
            factors: Vec::new(),
            evaluations: self.evaluations.clone(),
            sequential: self.sequential.clone(),
            tune: self.tune.clone(),
            cross_fit: self.cross_fit,
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

    /// The network of the plan, if it comes from a file.
    ///
    /// # Errors
    /// [`NetworkFileError`]: it cannot be used, for this plan or at all.
    pub fn network_file(&self) -> Result<Option<NetworkFile>, NetworkFileError> {
        let Some(custom) = &self.classifier.network else { return Ok(None) };
        let file = NetworkFile::open(&self.resolve_path(custom.folder()))?;
        file.check_input(self.input_px())?;
        if !self.classifier.freeze.is_none() {
            file.check_freeze(self.classifier.freeze == Freeze::Stem, self.classifier.pretrained.is_some())?;
        }
        Ok(Some(file))
    }

    /// What estimates ask of the network; of one whose file cannot be read, those of the default.
    #[must_use]
    pub fn network_traits(&self) -> Traits {
        let of_file = || Some(self.network_file().ok()??.traits());
        let row = self.classifier.row().map(Network::traits);
        row.or_else(of_file).unwrap_or_else(|| Architecture::default().network().traits())
    }

    /// A path of the experiment file, from its own folder; the folder `data` may be elsewhere.
    #[must_use]
    pub fn resolve_path(&self, path: &str) -> PathBuf {
        data_folder::resolve(&self.base, path)
    }
}
