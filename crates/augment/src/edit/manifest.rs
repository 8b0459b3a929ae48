//! `manifest.json` of a model bundle: what is in it, how the networks are called, where the weights come from.
//!
//! Written by `tools/export_ip2p.py`, which documents the contract of each module.

use serde::{Deserialize, Serialize};

use augtrial_base::digest::Digest;

/// Value of `format`.
pub const FORMAT: &str = "augtrial-ip2p";
/// The version of the format that this library reads.
pub const VERSION: u32 = 1;

/// A bundle's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always `augtrial-ip2p`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// PyTorch that traced the modules, `major.minor.patch`.
    pub torch: String,
    pub source: WeightsSource,
    pub dtype: Dtypes,
    /// Whether the U-Net and the autoencoder compute in whatever type they are cast to after loading.
    #[serde(default, skip_serializing_if = "is_false")]
    pub castable: bool,
    /// Whether the U-Net has the methods `with_features` and `from_features`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub feature_reuse: bool,
    /// The largest picture that the model was trained for; a larger one is edited at a size that fits within.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_px: Option<Size>,
    pub latent: Latent,
    /// Sides of an image must be multiples of this: the autoencoder and the U-Net halve them as often.
    pub side_multiple_px: u32,
    pub text: Text,
    pub scheduler: Diffusion,
    pub files: Files,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Sides of a picture, px.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

/// Where the weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsSource {
    pub repository: String,
    /// Commit of the repository, or the digest of the weights.
    pub revision: Option<String>,
    pub license: Option<String>,
    /// The `LoRA` that was folded in.
    pub lora_sha256: Option<Digest>,
}

/// Element types of the networks' floating-point inputs and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dtypes {
    pub text_encoder: Dtype,
    pub unet: Dtype,
    pub vae: Dtype,
}

/// A floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    Fp32,
    Fp16,
    Bf16,
}

/// The autoencoder's latent space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    pub channels: u32,
    /// Diffusion works on latents times this; image conditioning is *not* scaled.
    pub scale_factor: f64,
    /// Side of the image over side of the latents.
    pub downsampling: u32,
}

/// The text encoder's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Tokens of every instruction, padding included.
    pub length: u32,
    /// Width of the hidden states.
    pub width: u32,
    pub start_id: u32,
    pub end_id: u32,
    pub pad_id: u32,
}

/// The diffusion process that the U-Net was trained on: betas linear in their square roots, noise prediction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    pub train_timesteps: u32,
    pub beta_start: f64,
    pub beta_end: f64,
    /// Added to the timesteps of [`Spacing::Leading`].
    pub steps_offset: u32,
    /// Whether DDIM's last step ends at alpha 1, or at the alpha of timestep 0.
    pub set_alpha_to_one: bool,
    /// How timesteps are spread, if the checkpoint says so; each scheduler's own way if absent: leading for DDIM, linspace for
    /// the others. Latent consistency has its own times, and so has the original repository's sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestep_spacing: Option<Spacing>,
    /// Whether Euler, DPM-Solver++ and `UniPC` visit the noise levels of Karras et al. 2022, equation 5. Others have no such
    /// option.
    #[serde(default, skip_serializing_if = "is_false")]
    pub use_karras_sigmas: bool,
    /// DDIM and latent consistency clip their prediction of the clean latents to this range on either side of 0, if present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_sample_range: Option<f64>,
}

/// How the times of a run are spread over the training timesteps (Lin et al. 2024, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// From the last timestep to 0, evenly.
    Linspace,
    /// Multiples of a whole stride, plus the offset.
    Leading,
    /// From the last timestep down, by equal strides that need not be whole.
    Trailing,
}

/// The files beside the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    pub text_encoder: FileEntry,
    pub vae_encoder: FileEntry,
    pub vae_decoder: FileEntry,
    pub unet: FileEntry,
    pub tokenizer: FileEntry,
}

/// One file: a plain name in the bundle's folder, its size and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
}

/// A part of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    TextEncoder,
    VaeEncoder,
    VaeDecoder,
    Unet,
    Tokenizer,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 5] = [Self::TextEncoder, Self::VaeEncoder, Self::VaeDecoder, Self::Unet, Self::Tokenizer];

    /// The key in the manifest's `files`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TextEncoder => "text_encoder",
            Self::VaeEncoder => "vae_encoder",
            Self::VaeDecoder => "vae_decoder",
            Self::Unet => "unet",
            Self::Tokenizer => "tokenizer",
        }
    }
}

impl Files {
    /// The entry of one part.
    #[must_use]
    pub fn entry(&self, part: Part) -> &FileEntry {
        match part {
            Part::TextEncoder => &self.text_encoder,
            Part::VaeEncoder => &self.vae_encoder,
            Part::VaeDecoder => &self.vae_decoder,
            Part::Unet => &self.unet,
            Part::Tokenizer => &self.tokenizer,
        }
    }
}

impl Manifest {
    /// The first number that makes no sense, as a sentence.
    pub(super) fn nonsense(&self) -> Option<String> {
        let Self { latent, text, scheduler, working_px, side_multiple_px, .. } = self;
        let fits = |side_px: u32| side_px > 0 && side_px.is_multiple_of((*side_multiple_px).max(1));
        let facts = [
            ((1..=64).contains(&latent.channels), "`latent.channels` must lie between 1 and 64"),
            (latent.scale_factor.is_finite() && latent.scale_factor > 0.0, "`latent.scale_factor` must be above 0"),
            (latent.downsampling.is_power_of_two(), "`latent.downsampling` must be a power of two"),
            (
                self.side_multiple_px > 0 && self.side_multiple_px.is_multiple_of(latent.downsampling.max(1)),
                "`side_multiple_px` must be a multiple of `latent.downsampling`",
            ),
            (
                working_px.is_none_or(|size| fits(size.width) && fits(size.height)),
                "the sides of `working_px` must be multiples of `side_multiple_px`",
            ),
            ((2..=4096).contains(&text.length), "`text.length` must lie between 2 and 4096"),
            (text.width > 0, "`text.width` must be above 0"),
            ((2..=100_000).contains(&scheduler.train_timesteps), "`scheduler.train_timesteps` is out of range"),
            (
                0.0 < scheduler.beta_start && scheduler.beta_start <= scheduler.beta_end && scheduler.beta_end < 1.0,
                "`scheduler.beta_start` and `beta_end` must satisfy 0 < start <= end < 1",
            ),
            (
                scheduler.clip_sample_range.is_none_or(|range| range.is_finite() && range > 0.0),
                "`scheduler.clip_sample_range` must be above 0",
            ),
        ];
        facts.iter().find(|(holds, _)| !holds).map(|(_, sentence)| (*sentence).to_owned())
    }
}
