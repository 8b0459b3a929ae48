//! Edits of pictures in batches: what the augmentation store and `augtrial edit` call.
//!
//! Each picture is encoded and decoded by itself and has its own noise, so that an edit depends on nothing but its request;
//! the U-Net alone sees batches, which changes at most the last bits of its sums.

use std::collections::BTreeMap;
use std::path::Path;

use image::RgbImage;
use tch::{Device, Tensor};

use super::networks::Networks;
use super::noise::Noise;
use super::picture::{Fitted, Rounding, from_tensor, to_tensor};
use super::sampler::{Conditions, sample};
use super::schedule::{Schedule, schedule};
use super::tokenizer::Tokenizer;
use crate::train::resolve_device;
use augtrial_augment::edit::{
    Bundle, Dtype, EditError, EditRequest, Edited, Editor, MissingReason, NoiseKey, ScheduleError, Settings, check,
};
use augtrial_base::digest::Digest;
use augtrial_plan::arm::{EditChecks, Fit, NullEditor, Scheduler};

/// Latents of sources that are kept; at 512x384 they take 48 KB each.
const KEPT_LATENTS: usize = 256;
/// Bytes that the U-Net of Stable Diffusion 1.5 needs a position of the latents and a row of the batch, beside its weights, in
/// fp32: an estimate, on the safe side for smaller networks.
const BYTES_PER_POSITION: u64 = 100_000;
/// Rows that reach the U-Net for each picture: three branches of guidance.
const ROWS_PER_PICTURE: u64 = 3;

/// An editor: the networks of one bundle, with settings and what has been encoded so far.
pub struct NativeEditor {
    networks: Networks,
    tokenizer: Tokenizer,
    settings: Settings,
    texts: BTreeMap<String, Embedded>,
    latents: BTreeMap<Digest, Tensor>,
}

/// An instruction's hidden states, `[1, L, D]`.
struct Embedded {
    states: Tensor,
    cut: usize,
}

impl NativeEditor {
    /// Opens the bundle at `folder`; its networks are loaded when first needed.
    ///
    /// # Errors
    /// [`EditError`]: the bundle cannot be used, or not with these settings.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, EditError> {
        let bundle = Bundle::open(folder)?;
        let tokenizer = Tokenizer::load(&bundle)?;
        let device = resolve_device(settings.device).map_err(|error| EditError::Device(error.into()))?;
        let networks = Networks::with_precision(bundle, device, settings.precision)?;
        supported(&networks, &settings)?;
        Ok(Self { networks, tokenizer, settings, texts: BTreeMap::new(), latents: BTreeMap::new() })
    }

    /// How many pictures as large as `image` are denoised together, at least one.
    fn pictures_per_batch(&self, image: &RgbImage) -> usize {
        let down = u64::from(self.bundle().manifest().latent.downsampling);
        let positions = (u64::from(image.width()) / down) * (u64::from(image.height()) / down);
        let halves = if self.networks.unet_dtype() == Dtype::Fp32 { 2 } else { 1 };
        let bytes = positions * ROWS_PER_PICTURE * BYTES_PER_POSITION * halves / 2;
        let most = u64::from(self.settings.batch_memory_mb) * 1_000_000 / bytes.max(1);
        usize::try_from(most).unwrap_or(usize::MAX).min(self.settings.batch).max(1)
    }

    fn edit_batch(
        &mut self,
        batch: &[(&EditRequest<'_>, &Fitted)],
    ) -> Result<Vec<Result<Edited, MissingReason>>, EditError> {
        let latents: Result<Vec<_>, _> =
            batch.iter().map(|(request, fitted)| self.image_latents(request.image, fitted)).collect();
        let image_latents = Tensor::cat(&latents?, 0);
        let mut cuts = vec![0; batch.len()];
        let unscaled = if self.settings.null == Some(NullEditor::VaeRoundTrip) {
            image_latents
        } else {
            let (text, cut) = self.embed_all(batch.iter().map(|(request, _)| request.instruction))?;
            cuts = cut;
            let keys: Vec<_> = batch.iter().map(|(request, _)| request.noise).collect();
            self.denoise(text, image_latents, &keys)? / self.bundle().manifest().latent.scale_factor
        };
        let mut results = Vec::with_capacity(batch.len());
        for (index, (_, fitted)) in batch.iter().enumerate() {
            results.push(self.finish(&unscaled.narrow(0, index as i64, 1), fitted, cuts[index])?);
        }
        Ok(results)
    }

    /// Decodes one picture's latents `[1, C, h, w]`, and checks it at the size of its edit.
    fn finish(
        &self,
        unscaled: &Tensor,
        fitted: &Fitted,
        cut_tokens: usize,
    ) -> Result<Result<Edited, MissingReason>, EditError> {
        let decoded = self.networks.decode(unscaled)?.to_device(Device::Cpu);
        let Some(picture) = from_tensor(&decoded, self.rounding()).remove(0) else {
            return Ok(Err(MissingReason::NotFinite));
        };
        let image = fitted.restore(picture);
        Ok(check(&image, &fitted.visible(), &self.effective_checks()).map(|change_levels| Edited {
            edited_at_px: image.dimensions(),
            image: fitted.enlarge(image),
            change_levels,
            cut_tokens,
        }))
    }

    fn denoise(&mut self, text: Tensor, image_latents: Tensor, keys: &[NoiseKey]) -> Result<Tensor, EditError> {
        let mut schedule = self.schedule()?;
        let (_, channels, height, width) = image_latents.size4().expect("latents have four dimensions");
        let draws = 1 + schedule.draws();
        let noise = |key: &NoiseKey| Noise::new(*key, [1, channels, height, width], draws);
        let mut noises: Vec<Noise> = keys.iter().map(noise).collect();
        let empty_text = self.embed("")?.states.repeat([keys.len() as i64, 1, 1]);
        let conditions = Conditions { text, empty_text, image_latents };
        let (guidance, reuse) = (&self.settings.guidance, self.settings.feature_reuse);
        Ok(sample(&self.networks, &mut *schedule, guidance, reuse, &conditions, &mut noises, |_, _| ())?)
    }

    fn schedule(&self) -> Result<Box<dyn Schedule>, ScheduleError> {
        schedule(self.settings.scheduler, self.settings.steps, &self.bundle().manifest().scheduler)
    }

    /// Hidden states `[B, L, D]`, and how many tokens of each instruction were cut.
    fn embed_all<'a>(
        &mut self,
        instructions: impl Iterator<Item = &'a str>,
    ) -> Result<(Tensor, Vec<usize>), EditError> {
        let empty = self.settings.null == Some(NullEditor::EmptyInstruction);
        let mut states = Vec::new();
        let mut cuts = Vec::new();
        for instruction in instructions {
            let embedded = self.embed(if empty { "" } else { instruction })?;
            states.push(embedded.states.shallow_clone());
            cuts.push(embedded.cut);
        }
        Ok((Tensor::cat(&states, 0), cuts))
    }

    fn embed(&mut self, instruction: &str) -> Result<&Embedded, EditError> {
        if !self.texts.contains_key(instruction) {
            let tokens = self.tokenizer.encode(instruction).map_err(|error| EditError::Tokenize {
                instruction: instruction.to_owned(),
                reason: error.to_string(),
            })?;
            let states = self.networks.encode_text(&[&tokens.ids])?;
            self.texts.insert(instruction.to_owned(), Embedded { states, cut: tokens.cut });
        }
        Ok(&self.texts[instruction])
    }

    /// Mode of the posterior of one fitted picture, `[1, C, h, w]`.
    fn image_latents(&mut self, image: Digest, fitted: &Fitted) -> Result<Tensor, EditError> {
        if let Some(latents) = self.latents.get(&image) {
            return Ok(latents.shallow_clone());
        }
        let latents = self.networks.encode_image(&to_tensor(&[&fitted.image]))?;
        if self.latents.len() >= KEPT_LATENTS {
            self.latents.clear(); // copies of one source come together, so hardly any of these would be asked for again
        }
        self.latents.insert(image, latents.shallow_clone());
        Ok(latents)
    }

    fn rounding(&self) -> Rounding {
        match self.settings.scheduler {
            Scheduler::KEulerAncestral => Rounding::Down,
            _ => Rounding::Nearest,
        }
    }

    /// A faithful autoencoder is no failure: the round trip may leave a picture as it is.
    fn effective_checks(&self) -> EditChecks {
        match self.settings.null {
            Some(NullEditor::VaeRoundTrip) => EditChecks { min_change_levels: 0.0, ..self.settings.checks },
            _ => self.settings.checks,
        }
    }
}

impl Editor for NativeEditor {
    fn bundle(&self) -> &Bundle {
        self.networks.bundle()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn set(&mut self, settings: Settings) -> Result<(), EditError> {
        assert_eq!(settings.device, self.settings.device, "an editor stays on its device");
        supported(&self.networks, &settings)?;
        if settings.precision != self.settings.precision {
            self.networks =
                Networks::with_precision(self.bundle().clone(), self.networks.device(), settings.precision)?;
            self.texts.clear();
            self.latents.clear();
        }
        if settings.fit != self.settings.fit {
            self.latents.clear();
        }
        self.settings = settings;
        Ok(())
    }

    fn edit(&mut self, requests: &[EditRequest<'_>]) -> Result<Vec<Result<Edited, MissingReason>>, EditError> {
        let (multiple_px, working_px) =
            (self.bundle().manifest().side_multiple_px, self.bundle().manifest().working_px);
        if let Some(empty) = requests.iter().find(|request| request.source.is_empty()) {
            return Err(EditError::EmptyImage { image: empty.image });
        }
        let fit = |request: &EditRequest<'_>| Fitted::new(request.source, self.settings.fit, multiple_px, working_px);
        let fitted: Vec<Fitted> = requests.iter().map(fit).collect();
        let jobs: Vec<(&EditRequest<'_>, &Fitted)> = requests.iter().zip(&fitted).collect();
        let mut results = Vec::with_capacity(requests.len());
        for same_size in jobs.chunk_by(|(_, a), (_, b)| a.image.dimensions() == b.image.dimensions()) {
            for batch in same_size.chunks(self.pictures_per_batch(&same_size[0].1.image)) {
                results.extend(self.edit_batch(batch)?);
            }
        }
        Ok(results)
    }
}

/// Whether the networks can be used with `settings`.
fn supported(networks: &Networks, settings: &Settings) -> Result<(), EditError> {
    let manifest = networks.bundle().manifest();
    schedule(settings.scheduler, settings.steps, &manifest.scheduler)?;
    if settings.feature_reuse.is_some() {
        networks.require_feature_reuse()?;
    }
    match manifest.working_px {
        Some(size) if settings.fit == Fit::Original => {
            Err(EditError::WorkingSize { width: size.width, height: size.height })
        }
        _ => Ok(()),
    }
}
