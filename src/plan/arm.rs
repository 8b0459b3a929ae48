//! Arms: what each group of a study trains on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transform::{Mix, Transform};
use crate::digest::Digest;

/// What an arm is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What treatments are compared with.
    Control,
    #[default]
    Treatment,
}

/// `[[arm]]`: one group of the study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Lower-case letters, digits and hyphens. Decides no random number.
    pub name: String,
    #[serde(default)]
    pub role: Role,
    /// How often each original stands in the training set: the control for growth by mere repetition.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub repeat: u32,
    /// Offline steps: each adds `copies` transformed copies of every original, made once and kept.
    #[serde(default, rename = "offline", skip_serializing_if = "Vec::is_empty")]
    pub offline: Vec<OfflineStep>,
    /// An offline step made by an editor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// Online transforms, drawn anew for every sample in every pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub online: Vec<Transform>,
    /// Mixing of whole batches, after the online transforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mix>,
    /// Images of each class in this arm that somebody declared; tables show where what was made differs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, u64>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(value: &u32) -> bool {
    *value == 1
}

/// `[[arm.offline]]`: `copies` images from every original, each by all of `apply` in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfflineStep {
    #[serde(default = "one")]
    pub copies: u32,
    pub apply: Vec<Transform>,
}

/// `[arm.edit.<engine>]`: copies made by an image editor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    Ip2p(Ip2p),
    Folder(FolderEdits),
}

/// Sampling method of a diffusion editor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduler {
    #[default]
    EulerAncestral,
    Euler,
    Ddim,
    DpmSolverPp2m,
    Unipc,
    /// Latent consistency: few steps, for a bundle with an LCM `LoRA` folded in.
    Lcm,
    /// Euler ancestral as in the original repository, by k-diffusion.
    KEulerAncestral,
}

/// What happens when an edit fails its checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnMissing {
    /// Up to two more attempts with other noise; then the image is left out.
    Retry,
    /// The image is left out, and the reason recorded.
    #[default]
    Drop,
    /// The study stops.
    Fail,
}

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
    /// The longer side to about 512 px and a centred crop, as the original repository does.
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
pub enum Precision {
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

/// `[arm.edit.ip2p.checks]`: which edits count as missing. Levels are those of an 8-bit channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EditChecks {
    /// An edit whose every channel deviates by less (standard deviation) is flat: black, for instance.
    pub min_spread_levels: f64,
    /// An edit that differs by less from its source (mean over pixels and channels) is unchanged.
    pub min_change_levels: f64,
}

impl Default for EditChecks {
    fn default() -> Self {
        Self { min_spread_levels: 2.0, min_change_levels: 0.5 }
    }
}

/// `[arm.edit.ip2p]`: `InstructPix2Pix` (Brooks et al. 2023).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ip2p {
    /// Folder of a model bundle, relative to the experiment file.
    pub bundle: String,
    #[serde(default = "one")]
    pub copies: u32,
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
    pub precision: Precision,
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

/// `[arm.edit.folder]`: edits that were made elsewhere, by whatever tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderEdits {
    /// CSV with the columns `source` (an image's path in the data set), `instruction` and `file` (path of the edited picture
    /// below the table's folder), relative to the experiment file.
    pub table: String,
    /// Edits of each original; those that the table does not have are missing, and counted.
    #[serde(default = "one")]
    pub copies: u32,
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

impl OfflineStep {
    /// Digest of the transforms alone: asking for more copies does not change the copies that were there before.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value("offline-step-v1", &self.apply)
    }
}

impl Edit {
    /// Number of images made from every original.
    #[must_use]
    pub fn copies(&self) -> u32 {
        match self {
            Self::Ip2p(ip2p) => ip2p.copies,
            Self::Folder(folder) => folder.copies,
        }
    }
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
            copies: one(),
            steps: default_steps(),
            scheduler: Scheduler::default(),
            text_guidance: default_text_guidance(),
            image_guidance: default_image_guidance(),
            guidance_interval: None,
            precision: Precision::default(),
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
}

impl Arm {
    /// Training images per original: repeats, transformed copies and edits.
    #[must_use]
    pub fn growth(&self) -> u32 {
        let copies: u32 = self.offline.iter().map(|step| step.copies).sum();
        self.repeat + copies + self.edit.as_ref().map_or(0, Edit::copies)
    }

    /// Digest of everything that decides what this arm trains on, given the data and the seeds. Neither the name nor the
    /// role counts, nor what somebody declared.
    #[must_use]
    pub fn recipe_digest(&self) -> Digest {
        let Self { name: _, role: _, declared: _, repeat, offline, edit, online, mix } = self;
        Digest::of_value("recipe-v1", &(repeat, offline, edit, online, mix))
    }
}
