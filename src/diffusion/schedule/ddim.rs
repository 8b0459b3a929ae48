//! DDIM (Song et al. 2021, equation 12 with eta = 0), with the times of diffusers' `DDIMScheduler`.

use tch::Tensor;

use super::Schedule;
use super::noise_levels::{alphas, root, sigma_of};
use crate::diffusion::manifest::Diffusion;

pub(super) struct Ddim {
    timesteps: Vec<usize>,
    /// Alpha at each step, and the one that the last step ends at.
    alphas: Vec<f32>,
}

impl Ddim {
    /// "Leading" spacing: multiples of `T / steps`, plus the offset.
    pub(super) fn new(steps: usize, diffusion: &Diffusion) -> Result<Self, String> {
        let training = alphas(diffusion);
        let stride = training.len() / steps;
        let timesteps: Vec<_> = (0..steps).rev().map(|i| i * stride + diffusion.steps_offset as usize).collect();
        if timesteps[0] >= training.len() {
            let last = training.len() - 1;
            return Err(format!("its first timestep would be {}, beyond the last one, {last}", timesteps[0]));
        }
        // A step ends `stride` below its time, and below 0 at the final alpha.
        let last = if diffusion.set_alpha_to_one { 1.0 } else { training[0] };
        let end = timesteps.last().and_then(|time| time.checked_sub(stride)).map_or(last, |time| training[time]);
        let alphas = timesteps.iter().map(|&time| training[time]).chain([end]).collect();
        Ok(Self { timesteps, alphas })
    }
}

impl Schedule for Ddim {
    fn steps(&self) -> usize {
        self.timesteps.len()
    }

    fn timestep(&self, step: usize) -> f64 {
        self.timesteps[step] as f64
    }

    fn sigma(&self, step: usize) -> f32 {
        sigma_of(self.alphas[step])
    }

    fn advance(&mut self, step: usize, prediction: &Tensor, latents: &Tensor, _: &mut dyn FnMut() -> Tensor) -> Tensor {
        let (alpha, next) = (self.alphas[step], self.alphas[step + 1]);
        // x0 = (x - sqrt(1 - a) e) / sqrt(a)
        let x0 = (latents - prediction * f64::from(root(1.0 - alpha))) / f64::from(root(alpha));
        // x' = sqrt(a') x0 + sqrt(1 - a') e
        x0 * f64::from(root(next)) + prediction * f64::from(root(1.0 - next))
    }
}
