//! The four networks of a bundle, loaded when first called, with shapes checked at each call.

use std::ffi::CStr;
use std::sync::OnceLock;

use tch::{Device, Kind, TchError, Tensor};

use super::load::load;
use crate::script::{Graph, Module};
use augtrial_augment::edit::{Bundle, BundleError};
use augtrial_augment::edit::{Dtype, Dtypes, Part};
use augtrial_plan::arm::EditorPrecision;

/// The networks on one device.
///
/// All public tensors are `f32`; a network of another type gets and gives its own at its border only, so that schedulers
/// always compute in `f32`.
#[derive(Debug)]
pub struct Networks {
    bundle: Bundle,
    device: Device,
    dtype: Dtypes,
    text_encoder: OnceLock<Module>,
    vae_encoder: OnceLock<Module>,
    vae_decoder: OnceLock<Module>,
    unet: OnceLock<Module>,
}

impl Networks {
    /// The networks in the types of their export. Nothing is loaded yet.
    #[must_use]
    pub fn new(bundle: Bundle, device: Device) -> Self {
        let (dtype, empty) = (bundle.manifest().dtype, OnceLock::new);
        Self { bundle, device, dtype, text_encoder: empty(), vae_encoder: empty(), vae_decoder: empty(), unet: empty() }
    }

    /// The networks in the types that `precision` asks for. Nothing is loaded yet.
    ///
    /// # Errors
    /// [`BundleError::Unable`] if that is not their export's, and the bundle's modules name their types.
    pub fn with_precision(bundle: Bundle, device: Device, precision: EditorPrecision) -> Result<Self, BundleError> {
        let mut networks = Self::new(bundle, device);
        let exported = networks.dtype;
        match precision {
            EditorPrecision::Bundle => {}
            EditorPrecision::Bf16 => networks.dtype = Dtypes { unet: Dtype::Bf16, vae: Dtype::Bf16, ..exported },
            EditorPrecision::Fp16 => networks.dtype.unet = Dtype::Fp16,
        }
        if networks.dtype != exported && !networks.bundle.manifest().castable {
            return Err(networks.unable("change its `precision`"));
        }
        Ok(networks)
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

    /// The type that the U-Net computes in.
    #[must_use]
    pub fn unet_dtype(&self) -> Dtype {
        self.dtype.unet
    }

    /// Hidden states `[B, L, D]` of instructions' ids, each `[L]`.
    ///
    /// # Errors
    /// [`BundleError`]: the module cannot be loaded, or fails, or gives another shape than promised.
    pub fn encode_text(&self, instructions: &[&[i64]]) -> Result<Tensor, BundleError> {
        let text = self.bundle.manifest().text;
        let rows: Vec<Tensor> = instructions.iter().map(|ids| Tensor::from_slice(ids)).collect();
        let expected = [instructions.len() as i64, text.length.into(), text.width.into()];
        self.run(Part::TextEncoder, c"forward", &[Tensor::stack(&rows, 0).to_device(self.device)], &expected)
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
        self.run(Part::VaeEncoder, c"forward", &[self.floating(image, self.dtype.vae)], &expected)
    }

    /// Images `[B, 3, H, W]`, about `[-1, 1]`, of latents `[B, C, H/8, W/8]` that are already divided by the scale factor.
    ///
    /// # Errors
    /// As [`Self::encode_text`].
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, BundleError> {
        let down = i64::from(self.bundle.manifest().latent.downsampling);
        let [batch, _, height, width] = dims(latents);
        let expected = [batch, 3, height * down, width * down];
        self.run(Part::VaeDecoder, c"forward", &[self.floating(latents, self.dtype.vae)], &expected)
    }

    /// The predicted noise `[N, C, h, w]` at `timestep`, of latents beside image latents `[N, 2C, h, w]` and text
    /// `[N, L, D]`.
    ///
    /// # Errors
    /// As [`Self::encode_text`].
    pub fn predict_noise(&self, input: &Tensor, timestep: f64, text: &Tensor) -> Result<Tensor, BundleError> {
        self.run(Part::Unet, c"forward", &self.unet_inputs(input, timestep, text), &self.noise_shape(input))
    }

    /// As [`Self::predict_noise`], to the bit, with what its last layer saw of the others.
    ///
    /// # Errors
    /// As [`Self::encode_text`], and [`BundleError::Unable`] if the bundle has no such method.
    pub fn predict_with_features(
        &self,
        input: &Tensor,
        timestep: f64,
        text: &Tensor,
    ) -> Result<(Tensor, Features), BundleError> {
        self.require_feature_reuse()?;
        let inputs = self.unet_inputs(input, timestep, text);
        let [noise, features] = self.call(Part::Unet, c"with_features", &inputs)?;
        Ok((Self::checked(Part::Unet, &noise, &self.noise_shape(input))?, Features(features)))
    }

    /// The noise that the last layer alone predicts, from the features of an earlier call of as many rows.
    ///
    /// # Errors
    /// As [`Self::predict_with_features`].
    pub fn predict_from_features(
        &self,
        input: &Tensor,
        timestep: f64,
        text: &Tensor,
        features: &Features,
    ) -> Result<Tensor, BundleError> {
        self.require_feature_reuse()?;
        let [input_rows, times, text] = self.unet_inputs(input, timestep, text);
        let inputs = [input_rows, times, text, features.0.shallow_clone()];
        self.run(Part::Unet, c"from_features", &inputs, &self.noise_shape(input))
    }

    /// That the bundle has the two methods above.
    ///
    /// # Errors
    /// [`BundleError::Unable`].
    pub fn require_feature_reuse(&self) -> Result<(), BundleError> {
        if self.bundle.manifest().feature_reuse { Ok(()) } else { Err(self.unable("reuse features")) }
    }

    fn unable(&self, wanted: &'static str) -> BundleError {
        BundleError::Unable { folder: self.bundle.folder().to_owned(), wanted }
    }

    fn unet_inputs(&self, input: &Tensor, timestep: f64, text: &Tensor) -> [Tensor; 3] {
        let times = Tensor::full([input.size()[0]], timestep, (Kind::Float, self.device));
        [self.floating(input, self.dtype.unet), times, self.floating(text, self.dtype.unet)]
    }

    fn noise_shape(&self, input: &Tensor) -> [i64; 4] {
        let [rows, _, height, width] = dims(input);
        [rows, self.bundle.manifest().latent.channels.into(), height, width]
    }

    fn floating(&self, tensor: &Tensor, dtype: Dtype) -> Tensor {
        tensor.to_device(self.device).to_kind(kind(dtype))
    }

    fn run(&self, part: Part, method: &CStr, inputs: &[Tensor], expected: &[i64]) -> Result<Tensor, BundleError> {
        let [output] = self.call(part, method, inputs)?;
        Self::checked(part, &output, expected)
    }

    fn call<const N: usize>(&self, part: Part, method: &CStr, inputs: &[Tensor]) -> Result<[Tensor; N], BundleError> {
        let module = self.module(part)?;
        let failed = |source: TchError| BundleError::Run { part, input: inputs[0].size(), source: source.into() };
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        tch::no_grad(|| module.call(method, &inputs, Graph::Optimized)).map_err(failed)
    }

    fn checked(part: Part, output: &Tensor, expected: &[i64]) -> Result<Tensor, BundleError> {
        if output.size() != expected {
            return Err(BundleError::Shape { part, found: output.size(), expected: expected.to_vec() });
        }
        Ok(output.to_kind(Kind::Float))
    }

    fn module(&self, part: Part) -> Result<&Module, BundleError> {
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
        let module = load(&self.bundle, part, self.device, self.cast_to(part))?;
        Ok(slot.get_or_init(|| module))
    }

    /// The type that a part has to be cast to, if it is not that of its export.
    fn cast_to(&self, part: Part) -> Option<Kind> {
        let exported = self.bundle.manifest().dtype;
        let (wanted, exported) = match part {
            Part::Unet => (self.dtype.unet, exported.unet),
            Part::VaeEncoder | Part::VaeDecoder => (self.dtype.vae, exported.vae),
            Part::TextEncoder | Part::Tokenizer => return None,
        };
        (wanted != exported).then(|| kind(wanted))
    }
}

/// What a U-Net's last layer saw of the others, `[N, F, h, w]` in the U-Net's own type.
#[derive(Debug)]
pub struct Features(Tensor);

impl Features {
    /// Features `[N, F, h, w]`.
    #[must_use]
    pub fn new(features: Tensor) -> Self {
        Self(features)
    }

    /// Rows of the call that they come from.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.0.size()[0]
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
