//! `[arm.edit.ip2p]`: `InstructPix2Pix` (Brooks et al. 2023), what decides its pixels, and the limits of its parameters.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EditChecks, OnMissing};
use crate::copies::Copies;
use crate::scheduler::Scheduler;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::digest::Digest;

pub(super) const SOURCE: &str = "Brooks et al. 2023";

pub(super) const WORKS: &[Work] = &[Work {
    key: "brooks2023",
    kind: "inproceedings",
    authors: "Brooks, Tim and Holynski, Aleksander and Efros, Alexei A.",
    title: "InstructPix2Pix: Learning to Follow Image Editing Instructions",
    venue: "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    year: 2023,
}];

/// An editor that does everything but follow its instruction: what re-encoding alone does, for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NullEditor {
    /// Through the autoencoder and back, without diffusion.
    VaeRoundTrip,
    /// All steps, with the empty instruction.
    EmptyInstruction,
    /// All steps, with an instruction of another class.
    ShuffledInstructions,
}

/// How a picture gets sides that the networks take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Repeat the edge to the next multiple, and cut it off again: the result has the source's size.
    #[default]
    Pad,
    /// Resize each side down to a multiple, as diffusers does.
    Resize,
    /// The longer side to about 512 px and a centered crop, as the original repository does.
    Original,
}

/// Where a diffusion editor's noise comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseRng {
    /// The study's named streams.
    #[default]
    Stream,
    /// LibTorch's generator, whose draws the reference implementations share.
    Torch,
}

/// What a diffusion editor's U-Net and autoencoder compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EditorPrecision {
    /// What the bundle was exported in: the reference's own numbers.
    #[default]
    Bundle,
    /// Both in bf16: half the memory, and about half the time on a CPU or GPU that has it.
    Bf16,
    /// The U-Net in fp16, for CUDA; the autoencoder stays as it is, since it may overflow.
    Fp16,
}

/// `feature_reuse = { every = 3 }`: the U-Net is run whole at every third step; at the others its last layer alone, on what
/// the rest made of the last whole run (Ma, Fang, Wang 2024, `DeepCache`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureReuse {
    /// 1 runs it whole at every step, and changes no bit.
    pub every: u32,
}

/// `[arm.edit.ip2p]`: `InstructPix2Pix` (Brooks et al. 2023).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ip2p {
    /// Folder of a model bundle, relative to the experiment file.
    pub bundle: String,
    /// Digest that the bundle must have, as `augtrial model inspect` shows it; a bundle of another content is then refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_digest: Option<String>,
    #[serde(default)]
    pub copies: Copies,
    /// Denoising steps.
    #[serde(default = "default_steps")]
    pub steps: u32,
    #[serde(default)]
    pub scheduler: Scheduler,
    /// Text guidance scale `s_T`.
    #[serde(default = "default_text_guidance")]
    pub text_guidance: f64,
    /// Image guidance scale `s_I`.
    #[serde(default = "default_image_guidance")]
    pub image_guidance: f64,
    /// Noise levels `[low, high]` between which guidance works; outside, a step costs a third.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance_interval: Option<[f64; 2]>,
    #[serde(default)]
    pub precision: EditorPrecision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_reuse: Option<FeatureReuse>,
    /// Memory for the networks' intermediate values, MB, the weights not included: bounds how many pictures are denoised
    /// together.
    #[serde(default = "default_batch_memory_mb")]
    pub batch_memory_mb: u32,
    /// Instructions of each class; one is drawn per copy, and one that is listed twice is drawn twice as often. A key may
    /// also be an image's path, which comes first, or `"*"`, which serves whatever has no list of its own.
    #[serde(default)]
    pub instructions: BTreeMap<String, Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null: Option<NullEditor>,
    #[serde(default)]
    pub fit: Fit,
    #[serde(default)]
    pub rng: NoiseRng,
    #[serde(default)]
    pub checks: EditChecks,
    #[serde(default)]
    pub on_missing: OnMissing,
}

fn default_steps() -> u32 {
    20
}

fn default_text_guidance() -> f64 {
    7.5
}

fn default_image_guidance() -> f64 {
    1.5
}

fn default_batch_memory_mb() -> u32 {
    2048
}

impl Ip2p {
    /// The key of `instructions` that serves whatever has no list of its own.
    pub const ANY: &str = "*";

    /// Whether an edit follows an instruction from the lists.
    #[must_use]
    pub fn is_instructed(&self) -> bool {
        matches!(self.null, None | Some(NullEditor::ShuffledInstructions))
    }

    /// The defaults, with a bundle.
    #[must_use]
    pub fn of_bundle(bundle: &str) -> Self {
        Self {
            bundle: bundle.to_owned(),
            bundle_digest: None,
            copies: Copies::default(),
            steps: default_steps(),
            scheduler: Scheduler::default(),
            text_guidance: default_text_guidance(),
            image_guidance: default_image_guidance(),
            guidance_interval: None,
            precision: EditorPrecision::default(),
            feature_reuse: None,
            batch_memory_mb: default_batch_memory_mb(),
            instructions: BTreeMap::new(),
            null: None,
            fit: Fit::default(),
            rng: NoiseRng::default(),
            checks: EditChecks::default(),
            on_missing: OnMissing::default(),
        }
    }

    /// Digest of what decides the pixels of a copy: neither how many copies there are, nor which of them pass the checks,
    /// nor how many are made together. The bundle counts by its content.
    #[must_use]
    pub fn digest(&self, bundle: Digest) -> Digest {
        let Self {
            bundle: _,
            bundle_digest: _,
            copies: _,
            checks: _,
            on_missing: _,
            batch_memory_mb: _,
            steps,
            scheduler,
            text_guidance,
            image_guidance,
            guidance_interval,
            precision,
            feature_reuse,
            instructions,
            null,
            fit,
            rng,
        } = self;
        let sampling = (steps, scheduler, text_guidance, image_guidance, guidance_interval);
        Digest::of_value("ip2p-v2", &(bundle, sampling, precision, feature_reuse, instructions, null, fit, rng))
    }

    /// The limits of the parameters, and what is wrong with those at hand.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let interval = self.guidance_interval.unwrap_or([0.0, 1.0]);
        let [low, high] = interval;
        let every = self.feature_reuse.map_or(1, |reuse| reuse.every);
        let mut limits = vec![
            Limit::number("copies", self.copies.extreme(), 1.0, 1000.0),
            Limit::number("steps", self.steps, 1.0, 1000.0),
            Limit::number("text_guidance", self.text_guidance, 0.0, 100.0),
            Limit::number("image_guidance", self.image_guidance, 0.0, 100.0),
            Limit::rule("guidance_interval", "0 <= low < high", 0.0 <= low && low < high, || {
                format!("`guidance_interval` must be [low, high] with 0 <= low < high, not [{low}, {high}]")
            }),
            Limit::number("batch_memory_mb", self.batch_memory_mb, 1.0, 1e6).unit("MB"),
            Limit::number("feature_reuse.every", every, 1.0, 1000.0).unit("steps"),
            self.instructions_limit(),
            self.pin_limit(),
        ];
        limits.extend(self.checks.limits());
        limits
    }

    fn pin_limit(&self) -> Limit {
        let pin = self.bundle_digest.as_deref();
        let is_digest = pin.is_none_or(|pin| pin.parse::<Digest>().is_ok());
        Limit::rule("bundle_digest", "64 hexadecimal digits", is_digest, || {
            "`bundle_digest` must have 64 hexadecimal digits".to_owned()
        })
        .help("`augtrial model inspect FOLDER` shows a bundle's digest")
    }

    fn instructions_limit(&self) -> Limit {
        let served = !self.instructions.is_empty() || !self.is_instructed();
        let limit = Limit::rule("instructions", "a list that is not empty for each key", served, || {
            "`instructions` is empty".to_owned()
        });
        let limit = limit.help("name some for each class, or for all with the key \"*\"");
        self.instructions
            .iter()
            .fold(limit, |limit, (class, list)| limit.and(!list.is_empty(), || format!("`{class}` has no instruction")))
    }
}
