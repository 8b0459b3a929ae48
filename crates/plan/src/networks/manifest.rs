//! `manifest.json` of a network from a file: where it comes from, what it takes and gives, how its weights begin.
//!
//! Written by `tools/export_classifier.py`, which documents the contract of the module.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use augtrial_base::digest::Digest;

/// Value of `format`.
pub(super) const FORMAT: &str = "augtrial-network";
/// The version of the format that this library reads.
pub(super) const VERSION: u32 = 1;

/// What is known of a network without loading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always `augtrial-network`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// PyTorch that scripted the module, `major.minor.patch`.
    pub torch: String,
    pub source: NetworkSource,
    /// Whether the weights in the file were trained. If not, every trial draws its own by `initial`.
    pub pretrained: bool,
    pub input: Input,
    pub head: Head,
    /// Modules that `freeze = "stem"` keeps as they are; none if the network has no stem.
    pub stem: Vec<String>,
    /// Whether training draws random numbers inside the network, as dropout does.
    pub random_layers: bool,
    pub measured: Measured,
    /// Laws of the tensors that a trial draws. All others begin as they are in the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub initial: BTreeMap<String, Initial>,
    pub file: FileEntry,
}

/// Where the network comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSource {
    /// What was exported, such as `timm/convnext_atto` or `models.py:build`.
    pub name: String,
    /// Packages that made it, with versions.
    pub made_by: String,
    /// License of the weights, as far as it is known.
    pub license: Option<String>,
    /// Where trained weights come from.
    pub weights: Option<String>,
}

/// What images the network takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The size that it was exported for.
    pub width_px: u32,
    pub height_px: u32,
    /// Whether it takes that size alone.
    pub fixed: bool,
    /// Smallest side that it takes.
    pub least_px: u32,
    /// Mean of each channel, R G B, of values in 0 to 1: `(value - mean) / deviation`.
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
}

/// The linear layer that makes scores of features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Its name in the network that was exported.
    pub name: String,
    /// Features of one image.
    pub features: u32,
    /// Classes of the head in the file.
    pub classes: u32,
}

/// What the export measured, for estimates and checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Multiply-adds of one forward pass at the exported size, in 1e9.
    pub forward_gmacs: f64,
    /// Trained values, with the head.
    pub parameters: u64,
    /// Bytes that a forward pass keeps for the backward pass, per pixel of the input, in fp32.
    pub output_bytes_per_pixel: u64,
    /// A lone image of at most this side cannot be trained on: batch normalization then has one value per channel.
    pub lone_image_px: u32,
}

/// How the initial values of a tensor are drawn, around zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// Normal, with this standard deviation.
    Normal(f64),
    /// Uniform, up to this bound on both sides.
    Uniform(f64),
}

/// The module's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// In the manifest's own folder.
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
}

impl Manifest {
    /// Why the numbers cannot be meant, if so.
    pub(super) fn nonsense(&self) -> Option<String> {
        let Self { input, head, measured, initial, .. } = self;
        let sides = [input.width_px, input.height_px, input.least_px, head.features, head.classes];
        let deviations = input.deviation.iter().all(|value| value.is_finite() && *value > 0.0);
        let law = |law: &Initial| match *law {
            Initial::Normal(spread) | Initial::Uniform(spread) => spread.is_finite() && spread > 0.0,
        };
        let gmacs = measured.forward_gmacs;
        let problem = if sides.contains(&0) {
            "sizes in `input` and `head` must be above 0"
        } else if !deviations || !input.mean.iter().all(|mean| mean.is_finite()) {
            "`input.mean` must be numbers and `input.deviation` numbers above 0"
        } else if head.name.is_empty() {
            "`head.name` is empty"
        } else if !(gmacs.is_finite() && gmacs > 0.0) {
            "`measured.forward_gmacs` must be above 0"
        } else if !initial.values().all(law) {
            "every law in `initial` must have a spread above 0"
        } else if self.pretrained && !initial.is_empty() {
            "`initial` must be empty where the weights are pretrained"
        } else {
            return None;
        };
        Some(problem.to_owned())
    }
}
