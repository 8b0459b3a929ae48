//! What is asked of a measurement, and why it may be refused.

use std::path::PathBuf;

use augtrial_plan::networks::Network;
use augtrial_quality::QualitySettings;

/// Which network sees the images.
#[derive(Clone, Debug, Default)]
pub enum FeatureChoice {
    /// The control's own, each on images that it was not trained on.
    #[default]
    Control,
    /// A network of the table, with the weights in this file.
    Table { row: &'static Network, weights: PathBuf },
    /// A network in the folder of a file (`tools/export_classifier.py`).
    Bundle(PathBuf),
}

/// What is asked of a measurement.
#[derive(Clone, Debug, Default)]
pub struct QualityOptions {
    pub features: FeatureChoice,
    pub settings: QualitySettings,
    /// Threads of CPU operations; all cores if absent.
    pub threads: Option<u32>,
}

/// Why the sets of a study are not measured.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    #[error(
        "study `{study}` divides its images after augmentation (`as-published`), so that real images and sets cannot be told apart: \
         measure a study of the protocol `leak-free`"
    )]
    AsPublished { study: String },
    #[error(
        "no network of the control was held out of the images that sets are made from, since all seeds share one division. Give a \
         network: `--features efficientnet-lite0` (after `augtrial weights fetch efficientnet-lite0`) or `--features FOLDER`; or \
         divide by `[split.folds]`"
    )]
    NotHeldOut,
    #[error(
        "the control has no networks to ask: {reason}. Give one: `--features efficientnet-lite0` or `--features FOLDER`"
    )]
    NoNetworks { reason: String },
    #[error("no arm of `{study}` has images of its own on this machine: {reason}")]
    NoSets { study: String, reason: String },
    #[error("the data set is not the one that `{study}` was run on: restore the files, or run the study again")]
    OtherData { study: String },
    #[error("the network {name}")]
    Network { name: String, source: Box<augtrial_trial::TrainError> },
    #[error("the features of {name} cannot be used")]
    Features { name: String, source: augtrial_quality::Unmeasurable },
    #[error(transparent)]
    Store(#[from] augtrial_quality::StoreError),
}
