//! Latent consistency sampling (Luo et al. 2023a, algorithm 3), as diffusers' `LCMScheduler`. The U-Net must have been
//! distilled for it (an LCM `LoRA`, folded in at export); 4 steps are usual.

use tch::Tensor;

use super::Schedule;
use super::noise_levels::{alphas, clipped, root, sigma_of};
use augtrial_augment::edit::Diffusion;
use augtrial_plan::scheduler;

/// Steps of the solver that it was distilled from.
const DISTILLED_STEPS: usize = scheduler::DISTILLED_STEPS as usize;
/// diffusers' `timestep_scaling`.
const TIMESTEP_SCALING: f32 = 10.0;
/// Standard deviation of the data, in the boundary condition of the consistency function.
const SIGMA_DATA: f32 = 0.5;

pub(super) struct Lcm {
    timesteps: Vec<usize>,
    alphas: Vec<f32>,
    /// The predicted `x0` is clipped to this on either side of 0.
    clip: Option<f64>,
}

impl Lcm {
    pub(super) fn new(steps: usize, diffusion: &Diffusion) -> Self {
        let training = alphas(diffusion);
        // The distilled times are stride - 1, 2 stride - 1, ...; of these, from the highest on, `steps` evenly spread ones.
        let stride = training.len() / DISTILLED_STEPS;
        let chosen = |step: usize| (step as f64 * (DISTILLED_STEPS as f64 / steps as f64)).floor() as usize;
        let timesteps: Vec<_> = (0..steps).map(|step| (DISTILLED_STEPS - chosen(step)) * stride - 1).collect();
        let alphas = timesteps.iter().map(|&time| training[time]).collect();
        Self { timesteps, alphas, clip: diffusion.clip_sample_range }
    }
}

impl Schedule for Lcm {
    fn steps(&self) -> usize {
        self.timesteps.len()
    }

    fn timestep(&self, step: usize) -> f64 {
        self.timesteps[step] as f64
    }

    fn sigma(&self, step: usize) -> f32 {
        sigma_of(self.alphas[step])
    }

    /// One a step but the last.
    fn draws(&self) -> usize {
        self.steps() - 1
    }

    fn advance(
        &mut self,
        step: usize,
        prediction: &Tensor,
        latents: &Tensor,
        noise: &mut dyn FnMut() -> Tensor,
    ) -> Tensor {
        let alpha = self.alphas[step];
        // x0 = (x - sqrt(1 - a) e) / sqrt(a)
        let x0 = (latents - prediction * f64::from(root(1.0 - alpha))) / f64::from(root(alpha));
        let x0 = clipped(x0, self.clip);
        // f = c_out x0 + c_skip x,  c_skip = s^2 / (t^2 + s^2),  c_out = t / sqrt(t^2 + s^2)
        let time = self.timesteps[step] as f32 * TIMESTEP_SCALING;
        let spread = time * time + SIGMA_DATA * SIGMA_DATA;
        let denoised = x0 * f64::from(time / root(spread)) + latents * f64::from(SIGMA_DATA * SIGMA_DATA / spread);
        match self.alphas.get(step + 1) {
            // x' = sqrt(a') f + sqrt(1 - a') z
            Some(next) => denoised * f64::from(root(*next)) + noise() * f64::from(root(1.0 - next)),
            None => denoised,
        }
    }
}
