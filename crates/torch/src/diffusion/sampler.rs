//! The denoising loop with guidance by image and text (Brooks, Holynski, Efros 2023, equation 3):
//!
//! `e = e(0, 0) + s_I (e(0, I) - e(0, 0)) + s_T (e(T, I) - e(0, I))`
//!
//! Order of operations, of branches and of draws are those of diffusers 0.42.1's pipeline, bit by bit.

use tch::{Device, Tensor};

use super::networks::{Features, Networks};
use super::noise::Noise;
use super::schedule::Schedule;
use augtrial_augment::edit::{BundleError, Guidance};
use augtrial_plan::arm::FeatureReuse;

/// What predicts noise: a bundle's U-Net, or a recording of one.
pub trait Denoiser {
    /// The device that inputs must be on.
    fn device(&self) -> Device;

    /// As [`Networks::predict_noise`].
    ///
    /// # Errors
    /// [`BundleError`].
    fn predict_noise(&self, input: &Tensor, timestep: f64, text: &Tensor) -> Result<Tensor, BundleError>;

    /// As [`Networks::predict_with_features`].
    ///
    /// # Errors
    /// [`BundleError`].
    fn predict_with_features(
        &self,
        input: &Tensor,
        timestep: f64,
        text: &Tensor,
    ) -> Result<(Tensor, Features), BundleError>;

    /// As [`Networks::predict_from_features`].
    ///
    /// # Errors
    /// [`BundleError`].
    fn predict_from_features(
        &self,
        input: &Tensor,
        timestep: f64,
        text: &Tensor,
        features: &Features,
    ) -> Result<Tensor, BundleError>;
}

impl Denoiser for Networks {
    fn device(&self) -> Device {
        self.device()
    }

    fn predict_noise(&self, input: &Tensor, timestep: f64, text: &Tensor) -> Result<Tensor, BundleError> {
        self.predict_noise(input, timestep, text)
    }

    fn predict_with_features(
        &self,
        input: &Tensor,
        timestep: f64,
        text: &Tensor,
    ) -> Result<(Tensor, Features), BundleError> {
        self.predict_with_features(input, timestep, text)
    }

    fn predict_from_features(
        &self,
        input: &Tensor,
        timestep: f64,
        text: &Tensor,
        features: &Features,
    ) -> Result<Tensor, BundleError> {
        self.predict_from_features(input, timestep, text, features)
    }
}

/// What a batch of `B` edits starts from; `f32`, on the networks' device.
pub struct Conditions {
    /// Hidden states of the instructions, `[B, L, D]`.
    pub text: Tensor,
    /// Hidden states of the empty instruction, as often, `[B, L, D]`.
    pub empty_text: Tensor,
    /// Modes of the images' posteriors, unscaled, `[B, C, h, w]`.
    pub image_latents: Tensor,
}

/// Rows of the U-Net's input, `[text, image, neither]` along the batch, or text and image alone.
struct Branches {
    count: i64,
    text: Tensor,
    image_latents: Tensor,
}

impl Branches {
    fn new(conditions: &Conditions, guided: bool) -> Self {
        let Conditions { text, empty_text, image_latents } = conditions;
        if !guided {
            return Self { count: 1, text: text.shallow_clone(), image_latents: image_latents.shallow_clone() };
        }
        let zeros = image_latents.zeros_like();
        Self {
            count: 3,
            text: Tensor::cat(&[text, empty_text, empty_text], 0),
            image_latents: Tensor::cat(&[image_latents, image_latents, &zeros], 0),
        }
    }
}

/// The U-Net over a run: whole, or by [`FeatureReuse`] its last layer alone between whole runs.
struct Predictor<'a> {
    networks: &'a dyn Denoiser,
    reuse: Option<FeatureReuse>,
    /// Features of the last whole run, and how often they have served since.
    kept: Option<(Features, u32)>,
}

impl Predictor<'_> {
    fn predict(&mut self, input: &Tensor, timestep: f64, text: &Tensor) -> Result<Tensor, BundleError> {
        let Some(FeatureReuse { every }) = self.reuse else {
            return self.networks.predict_noise(input, timestep, text);
        };
        // Where guidance begins or ends, there are other branches than the features are of.
        let fits = |features: &Features, served: u32| served + 1 < every && features.rows() == input.size()[0];
        if let Some((features, served)) = &mut self.kept
            && fits(features, *served)
        {
            *served += 1;
            return self.networks.predict_from_features(input, timestep, text, features);
        }
        let (noise, features) = self.networks.predict_with_features(input, timestep, text)?;
        self.kept = Some((features, 0));
        Ok(noise)
    }
}

/// Denoises a batch, each image with its own noise, and returns the final latents `[B, C, h, w]`. `after_step` sees the
/// latents after every step.
///
/// # Errors
/// [`BundleError`] of the U-Net.
///
/// # Panics
/// If there are not as many noises as images.
pub fn sample(
    networks: &dyn Denoiser,
    schedule: &mut dyn Schedule,
    guidance: &Guidance,
    reuse: Option<FeatureReuse>,
    conditions: &Conditions,
    noises: &mut [Noise],
    mut after_step: impl FnMut(usize, &Tensor),
) -> Result<Tensor, BundleError> {
    let device = networks.device();
    assert_eq!(noises.len() as i64, conditions.image_latents.size()[0], "one noise for each image");
    let mut draw = || Tensor::cat(&noises.iter_mut().map(Noise::draw).collect::<Vec<_>>(), 0).to_device(device);
    let guided = Branches::new(conditions, true);
    let plain = Branches::new(conditions, false);
    let mut predictor = Predictor { networks, reuse, kept: None };
    let mut latents = draw() * f64::from(schedule.initial_scale());
    for step in 0..schedule.steps() {
        let branches = if guidance.is_active(schedule.sigma(step)) { &guided } else { &plain };
        let rows = latents.repeat([branches.count, 1, 1, 1]);
        let input = Tensor::cat(&[&schedule.scale_input(step, &rows), &branches.image_latents], 1);
        let output = predictor.predict(&input, schedule.timestep(step), &branches.text)?;
        let prediction = combine(&schedule.prediction(step, &rows, &output), branches.count, guidance);
        latents = schedule.advance(step, &prediction, &latents, &mut draw);
        after_step(step, &latents);
    }
    Ok(latents)
}

fn combine(prediction: &Tensor, branches: i64, guidance: &Guidance) -> Tensor {
    let parts = prediction.chunk(branches, 0);
    match &parts[..] {
        [text, image, neither] => neither + (text - image) * guidance.text + (image - neither) * guidance.image,
        _ => prediction.shallow_clone(),
    }
}
