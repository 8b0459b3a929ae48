//! The four networks of a bundle, loaded when first called, with shapes checked at each call.

use std::sync::OnceLock;

use tch::{CModule, Device, Kind, Tensor};

use super::bundle::{Bundle, BundleError};
use super::manifest::{Dtype, Part};

/// The networks on one device.
///
/// All public tensors are `f32`; a network of another type gets and gives its own at its border only, so that schedulers
/// always compute in `f32`.
#[derive(Debug)]
pub struct Networks {
    bundle: Bundle,
    device: Device,
    text_encoder: OnceLock<CModule>,
    vae_encoder: OnceLock<CModule>,
    vae_decoder: OnceLock<CModule>,
    unet: OnceLock<CModule>,
}

impl Networks {
    /// Nothing is loaded yet.
    #[must_use]
    pub fn new(bundle: Bundle, device: Device) -> Self {
        let empty = OnceLock::new;
        Self { bundle, device, text_encoder: empty(), vae_encoder: empty(), vae_decoder: empty(), unet: empty() }
    }

    /// The bundle behind them.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The device that inputs must be on.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// Hidden states `[B, L, D]` of instructions' ids, each `[L]`.
    ///
    /// # Errors
    /// [`BundleError`]: the module cannot be loaded, or fails, or gives another shape than promised.
    pub fn encode_text(&self, instructions: &[&[i64]]) -> Result<Tensor, BundleError> {
        let text = self.bundle.manifest().text;
        let rows: Vec<Tensor> = instructions.iter().map(|ids| Tensor::from_slice(ids)).collect();
        let expected = [instructions.len() as i64, text.length.into(), text.width.into()];
        self.run(Part::TextEncoder, &[Tensor::stack(&rows, 0).to_device(self.device)], &expected)
    }

    /// The mode of the posterior, `[B, C, H/8, W/8]` and unscaled, of images `[B, 3, H, W]` in `[-1, 1]`.
    ///
    /// # Errors
    /// As [`Self::encode_text`].
    pub fn encode_image(&self, image: &Tensor) -> Result<Tensor, BundleError> {
        let latent = self.bundle.manifest().latent;
        let [batch, _, height, width] = dims(image);
        let down = i64::from(latent.downsampling);
        let expected = [batch, latent.channels.into(), height / down, width / down];
        self.run(Part::VaeEncoder, &[self.floating(image, self.bundle.manifest().dtype.vae)], &expected)
    }

    /// Images `[B, 3, H, W]`, about `[-1, 1]`, of latents `[B, C, H/8, W/8]` that are already divided by the scale factor.
    ///
    /// # Errors
    /// As [`Self::encode_text`].
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, BundleError> {
        let down = i64::from(self.bundle.manifest().latent.downsampling);
        let [batch, _, height, width] = dims(latents);
        let expected = [batch, 3, height * down, width * down];
        self.run(Part::VaeDecoder, &[self.floating(latents, self.bundle.manifest().dtype.vae)], &expected)
    }

    /// The predicted noise `[N, C, h, w]` at `timestep`, of latents beside image latents `[N, 2C, h, w]` and text
    /// `[N, L, D]`.
    ///
    /// # Errors
    /// As [`Self::encode_text`].
    pub fn predict_noise(&self, input: &Tensor, timestep: f64, text: &Tensor) -> Result<Tensor, BundleError> {
        let dtype = self.bundle.manifest().dtype.unet;
        let [rows, _, height, width] = dims(input);
        let times = Tensor::full([rows], timestep, (Kind::Float, self.device));
        let expected = [rows, self.bundle.manifest().latent.channels.into(), height, width];
        self.run(Part::Unet, &[self.floating(input, dtype), times, self.floating(text, dtype)], &expected)
    }

    fn floating(&self, tensor: &Tensor, dtype: Dtype) -> Tensor {
        tensor.to_device(self.device).to_kind(kind(dtype))
    }

    fn run(&self, part: Part, inputs: &[Tensor], expected: &[i64]) -> Result<Tensor, BundleError> {
        let module = self.module(part)?;
        let output = tch::no_grad(|| module.forward_ts(inputs)).map_err(|source| BundleError::Run {
            part,
            input: inputs[0].size(),
            source,
        })?;
        if output.size() != expected {
            return Err(BundleError::Shape { part, found: output.size(), expected: expected.to_vec() });
        }
        Ok(output.to_kind(Kind::Float))
    }

    fn module(&self, part: Part) -> Result<&CModule, BundleError> {
        let slot = match part {
            Part::TextEncoder => &self.text_encoder,
            Part::VaeEncoder => &self.vae_encoder,
            Part::VaeDecoder => &self.vae_decoder,
            Part::Unet => &self.unet,
            Part::Tokenizer => unreachable!("the tokenizer is no network"),
        };
        if let Some(module) = slot.get() {
            return Ok(module);
        }
        let module = self.bundle.load(part, self.device)?;
        Ok(slot.get_or_init(|| module))
    }
}

fn dims(tensor: &Tensor) -> [i64; 4] {
    let (a, b, c, d) = tensor.size4().expect("images and latents have four dimensions");
    [a, b, c, d]
}

fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Fp32 => Kind::Float,
        Dtype::Fp16 => Kind::Half,
        Dtype::Bf16 => Kind::BFloat16,
    }
}
