//! What an editor is asked for and what it gives: plain data, so that everything but the networks themselves builds
//! without LibTorch.

use std::error::Error;
use std::path::Path;

use augtrial_base::digest::Digest;
use augtrial_base::seed::{Purpose, Stream, StudySeed};
use augtrial_plan::arm::{EditChecks, EditorPrecision, FeatureReuse, Fit, Ip2p, NullEditor, Scheduler};
use augtrial_plan::classifier::Device;
use image::RgbImage;

use super::bundle::{Bundle, BundleError};
use super::checks::MissingReason;
use super::steps::ScheduleError;

/// Pictures a call unless told otherwise: more gain nothing, and an interruption loses them all.
const DEFAULT_BATCH: usize = 8;
/// Retries of one copy are this far apart in its family of streams, beyond any number of copies.
const STREAMS_PER_ATTEMPT: u64 = 1 << 32;

/// Edits pictures in batches, each by its request alone.
pub trait Editor: Send {
    /// The bundle behind it.
    fn bundle(&self) -> &Bundle;

    /// The settings in use.
    fn settings(&self) -> &Settings;

    /// Changes the settings; what has been loaded and encoded is kept where it still holds.
    ///
    /// # Errors
    /// [`EditError`] if the bundle cannot be used with these settings; the old ones stay.
    fn set(&mut self, settings: Settings) -> Result<(), EditError>;

    /// Makes the edits, in order: one result a request. Consecutive pictures of one fitted size share batches.
    ///
    /// # Errors
    /// [`EditError`] if no edit can be made, whatever the picture.
    fn edit(&mut self, requests: &[EditRequest<'_>]) -> Result<Vec<Result<Edited, MissingReason>>, EditError>;
}

/// Opens editors; behind it stands whatever runs their networks.
pub trait OpenEditor: Sync {
    /// Opens the bundle at `folder`; its networks are loaded when first needed.
    ///
    /// # Errors
    /// [`EditError`]: the bundle cannot be used, or not with these settings.
    fn open_editor(&self, folder: &Path, settings: Settings) -> Result<Box<dyn Editor>, EditError>;
}

/// Why editing cannot go on; an edit that fails its checks is a [`MissingReason`] instead.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error("cannot edit on the device that was asked for")]
    Device(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot tokenize the instruction `{instruction}`: {reason}")]
    Tokenize { instruction: String, reason: String },
    #[error(
        "`fit = \"original\"` edits at about 512 px, but this bundle was trained for at most {width} x {height}: use another fit"
    )]
    WorkingSize { width: u32, height: u32 },
    #[error("the image with digest {image} has no pixel")]
    EmptyImage { image: Digest },
}

/// Strength of the conditions (Brooks, Holynski, Efros 2023, equation 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// `s_T`.
    pub text: f64,
    /// `s_I`.
    pub image: f64,
    /// Noise levels `[low, high]` between which guidance works; outside, one branch with text and image does
    /// (Kynkäänniemi et al. 2024), at a third of the cost.
    pub interval: Option<[f64; 2]>,
}

impl Guidance {
    /// The reference guides only if `s_T > 1` and `s_I >= 1`.
    #[must_use]
    pub fn is_active(&self, sigma: f32) -> bool {
        let inside = self.interval.is_none_or(|[low, high]| (low..=high).contains(&f64::from(sigma)));
        self.text > 1.0 && self.image >= 1.0 && inside
    }
}

/// How to edit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub scheduler: Scheduler,
    pub steps: usize,
    pub guidance: Guidance,
    pub fit: Fit,
    pub null: Option<NullEditor>,
    pub checks: EditChecks,
    pub precision: EditorPrecision,
    pub feature_reuse: Option<FeatureReuse>,
    /// Pictures that are denoised together at most.
    pub batch: usize,
    /// Memory for what is denoised together, MB beside the weights: large pictures make smaller batches.
    pub batch_memory_mb: u32,
    pub device: Device,
}

impl Settings {
    /// What a plan asks for.
    #[must_use]
    pub fn new(ip2p: &Ip2p, device: Device) -> Self {
        Self {
            scheduler: ip2p.scheduler,
            steps: ip2p.steps as usize,
            guidance: Guidance {
                text: ip2p.text_guidance,
                image: ip2p.image_guidance,
                interval: ip2p.guidance_interval,
            },
            fit: ip2p.fit,
            null: ip2p.null,
            checks: ip2p.checks,
            precision: ip2p.precision,
            feature_reuse: ip2p.feature_reuse,
            batch: DEFAULT_BATCH,
            batch_memory_mb: ip2p.batch_memory_mb,
            device,
        }
    }
}

/// One edit to make.
#[derive(Clone, Copy, Debug)]
pub struct EditRequest<'a> {
    pub source: &'a RgbImage,
    /// Names the source's content: its latents are kept under it.
    pub image: Digest,
    pub instruction: &'a str,
    pub noise: NoiseKey,
}

/// An edit that passed its checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// With [`Fit::Pad`], as large as the source.
    pub image: RgbImage,
    /// Width and height at which it was edited: smaller than the source if that exceeds what the bundle was trained for.
    pub edited_at_px: (u32, u32),
    /// Mean absolute difference from the fitted source, 8-bit levels.
    pub change_levels: f64,
    /// Tokens of the instruction that did not fit; above 0 deserves a warning.
    pub cut_tokens: usize,
}

/// Names the noise of one edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseKey {
    /// The named stream of a study (see [`augtrial_base::seed`]): the default.
    Stream {
        study: StudySeed,
        recipe: Digest,
        /// Digest of the source image's file.
        image: Digest,
        copy: u32,
        /// 0, and one more for every retry.
        attempt: u32,
    },
    /// LibTorch's CPU generator with this seed and the draws in the reference's order: the reference's own pixels.
    Torch { seed: i64 },
}

impl NoiseKey {
    /// The `torch` key of a copy whose seed nobody chose: drawn from the stream that the copy would have had.
    #[must_use]
    pub fn to_torch(self) -> Self {
        use rand::Rng as _;
        match self.stream() {
            None => self,
            // A seed that Python's `manual_seed` takes too, and that is short enough to copy by hand.
            Some(mut stream) => Self::Torch { seed: i64::from(stream.next_u32()) },
        }
    }

    /// The study's stream of this name, if the noise comes from one.
    #[must_use]
    pub fn stream(self) -> Option<Stream> {
        match self {
            Self::Stream { study, recipe, image, copy, attempt } => {
                let index = u64::from(attempt) * STREAMS_PER_ATTEMPT + u64::from(copy);
                Some(study.stream(Purpose::Latent { recipe, image }, index))
            }
            Self::Torch { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(copy: u32, attempt: u32) -> NoiseKey {
        let digest = Digest::of_bytes(b"x");
        NoiseKey::Stream { study: StudySeed(1), recipe: digest, image: digest, copy, attempt }
    }

    #[test]
    fn a_torch_key_follows_from_its_copy() {
        assert_eq!(key(3, 0).to_torch(), key(3, 0).to_torch());
        assert_ne!(key(3, 0).to_torch(), key(4, 0).to_torch());
        assert_eq!(NoiseKey::Torch { seed: 7 }.to_torch(), NoiseKey::Torch { seed: 7 });
    }
}
