//! DPM-Solver++ 2M (Lu et al. 2022b, algorithm 2), as diffusers' `DPMSolverMultistepScheduler`: midpoint form, first order
//! on the first step and on the last, which ends at sigma 0.

use tch::Tensor;

use super::Schedule;
use super::noise_levels::{Level, by_torch, multistep_levels};
use augtrial_augment::edit::{Diffusion, Spacing};

pub(super) struct DpmSolverPp2m {
    timesteps: Vec<f64>,
    sigmas: Vec<f32>,
    /// The predicted `x0` of the step before.
    previous: Option<Tensor>,
}

impl DpmSolverPp2m {
    pub(super) fn new(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Self {
        let (timesteps, sigmas) = multistep_levels(spacing, steps, diffusion);
        Self { timesteps, sigmas, previous: None }
    }
}

impl Schedule for DpmSolverPp2m {
    fn steps(&self) -> usize {
        self.timesteps.len()
    }

    fn timestep(&self, step: usize) -> f64 {
        self.timesteps[step]
    }

    fn sigma(&self, step: usize) -> f32 {
        self.sigmas[step]
    }

    fn advance(&mut self, step: usize, prediction: &Tensor, latents: &Tensor, _: &mut dyn FnMut() -> Tensor) -> Tensor {
        let (from, to) = (Level::of(self.sigmas[step]), Level::of(self.sigmas[step + 1]));
        // x0 = (x - sigma_t e) / alpha_t
        let x0 = (latents - prediction * f64::from(from.noise)) / f64::from(from.alpha);
        let h = to.lambda - from.lambda;
        let decay = to.alpha * (by_torch(-h, Tensor::exp) - 1.0);
        // x' = (sigma_t' / sigma_t) x - alpha_t' (e^-h - 1) x0
        let first_order = latents * f64::from(to.noise / from.noise) - &x0 * f64::from(decay);
        let last = step + 1 == self.steps();
        let next = match &self.previous {
            Some(previous) if !last => {
                // ... - alpha_t' (e^-h - 1) / 2 * D1,  D1 = (x0 - x0_before) / r,  r = h_before / h
                let before = Level::of(self.sigmas[step - 1]);
                let ratio = (from.lambda - before.lambda) / h;
                let slope = (&x0 - previous) * f64::from(1.0 / ratio);
                first_order - slope * f64::from(0.5 * decay)
            }
            _ => first_order,
        };
        self.previous = Some(x0);
        next
    }
}
