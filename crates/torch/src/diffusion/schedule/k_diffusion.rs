//! The sampler of the original `InstructPix2Pix` repository: k-diffusion's Euler ancestral on `CompVisDenoiser` (k-diffusion
//! 0.1.1, `sampling.py` and `external.py`).
//!
//! It differs from diffusers' in the last bits everywhere: alphas are multiplied up in `f64`, noise levels interpolated in
//! their logarithm, times found back from them, and guidance combines denoised latents instead of noise.

use tch::{Device, IndexOp as _, Kind, Tensor};

use super::Schedule;
use super::noise_levels::{floats, root, sigma_of};
use augtrial_augment::edit::Diffusion;

pub(super) struct EulerAncestral {
    timesteps: Vec<f32>,
    /// One more than timesteps: the last is 0.
    sigmas: Vec<f32>,
}

impl EulerAncestral {
    pub(super) fn new(steps: usize, diffusion: &Diffusion) -> Self {
        let log_sigmas = log_sigmas(diffusion);
        let last = f64::from(diffusion.train_timesteps - 1);
        let times = Tensor::linspace(last, 0.0, steps as i64, (Kind::Float, Device::Cpu));
        let sigmas = time_to_sigma(&times, &log_sigmas);
        let timesteps = floats(&sigma_to_time(&sigmas, &log_sigmas));
        Self { timesteps, sigmas: floats(&sigmas).into_iter().chain([0.0]).collect() }
    }
}

/// Logarithms of the training noise levels, `f32 [T]`.
fn log_sigmas(diffusion: &Diffusion) -> Tensor {
    let (first, last) = (diffusion.beta_start.sqrt(), diffusion.beta_end.sqrt());
    let roots = Tensor::linspace(first, last, diffusion.train_timesteps.into(), (Kind::Double, Device::Cpu));
    let roots: Vec<f64> = Vec::try_from(roots).expect("a 1-D tensor of f64");
    let mut product = 1.0;
    let sigmas: Vec<f32> = roots
        .into_iter()
        .map(|root| {
            product *= 1.0 - root * root;
            sigma_of(product as f32)
        })
        .collect();
    Tensor::from_slice(&sigmas).log()
}

/// `exp((1 - w) log_sigma[floor t] + w log_sigma[ceil t])`, with `w` the fraction of `t`.
fn time_to_sigma(times: &Tensor, log_sigmas: &Tensor) -> Tensor {
    let at = |index: Tensor| log_sigmas.index_select(0, &index.to_kind(Kind::Int64));
    let weight = times.frac();
    let low: Tensor = (1.0 - &weight) * at(times.floor());
    (low + weight * at(times.ceil())).exp()
}

/// The time at which `log_sigma`, linear between training times, has the logarithm of `sigmas`.
fn sigma_to_time(sigmas: &Tensor, log_sigmas: &Tensor) -> Tensor {
    let log_sigma = sigmas.log();
    let not_above = (&log_sigma - log_sigmas.unsqueeze(1)).ge(0.0).cumsum(0, Kind::Int64);
    let low_index = not_above.argmax(0, false).clamp_max(log_sigmas.size()[0] - 2);
    let high_index = &low_index + 1;
    let (low, high) = (log_sigmas.i(&low_index), log_sigmas.i(&high_index));
    let weight = ((&low - log_sigma) / (low - high)).clamp(0.0, 1.0);
    let below: Tensor = (1.0 - &weight) * low_index;
    below + weight * high_index
}

impl Schedule for EulerAncestral {
    fn steps(&self) -> usize {
        self.timesteps.len()
    }

    fn timestep(&self, step: usize) -> f64 {
        self.timesteps[step].into()
    }

    fn sigma(&self, step: usize) -> f32 {
        self.sigmas[step]
    }

    fn initial_scale(&self) -> f32 {
        self.sigmas[0]
    }

    /// One a step but the last.
    fn draws(&self) -> usize {
        self.steps() - 1
    }

    /// `c_in x`, with `c_in = 1 / sqrt(sigma^2 + 1)`.
    fn scale_input(&self, step: usize, latents: &Tensor) -> Tensor {
        let sigma = self.sigmas[step];
        latents * f64::from(1.0 / root(sigma * sigma + 1.0))
    }

    /// The denoised latents `x - sigma e`.
    fn prediction(&self, step: usize, latents: &Tensor, output: &Tensor) -> Tensor {
        latents + output * f64::from(-self.sigmas[step])
    }

    fn advance(
        &mut self,
        step: usize,
        prediction: &Tensor,
        latents: &Tensor,
        noise: &mut dyn FnMut() -> Tensor,
    ) -> Tensor {
        let (from, to) = (self.sigmas[step], self.sigmas[step + 1]);
        let (from2, to2) = (from * from, to * to);
        // sigma_up = min(sigma', sqrt(sigma'^2 (sigma^2 - sigma'^2) / sigma^2)), sigma_down^2 = sigma'^2 - sigma_up^2
        let up = to.min(root(to2 * (from2 - to2) / from2));
        let down = root(to2 - up * up);
        // d = (x - x0) / sigma, x' = x + d (sigma_down - sigma) + sigma_up z
        let slope = (latents - prediction) / f64::from(from);
        let stepped = latents + slope * f64::from(down - from);
        if to > 0.0 { stepped + noise() * f64::from(up) } else { stepped }
    }
}
