//! DDIM (Song et al. 2021, equation 12 with eta = 0), with the times of diffusers' `DDIMScheduler`.

use tch::Tensor;

use super::Schedule;
use super::noise_levels::{alphas, clipped, root, sigma_of, single_step_timesteps};
use augtrial_augment::edit::{Diffusion, Spacing};

pub(super) struct Ddim {
    timesteps: Vec<usize>,
    /// Alpha at each step, and the one that the step ends at.
    alphas: Vec<[f32; 2]>,
    /// The predicted `x0` is clipped to this on either side of 0.
    clip: Option<f64>,
}

impl Ddim {
    pub(super) fn new(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Self {
        let training = alphas(diffusion);
        let times = single_step_timesteps(spacing, steps, diffusion);
        let timesteps: Vec<_> = times.into_iter().map(|time| time.round_ties_even() as usize).collect();
        // A step ends a whole stride below its time, wherever the next step begins, and below 0 at the final alpha.
        let stride = training.len() / steps;
        let last = if diffusion.set_alpha_to_one { 1.0 } else { training[0] };
        let end = |time: usize| time.checked_sub(stride).map_or(last, |time| training[time]);
        let alphas = timesteps.iter().map(|&time| [training[time], end(time)]).collect();
        Self { timesteps, alphas, clip: diffusion.clip_sample_range }
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
        sigma_of(self.alphas[step][0])
    }

    fn advance(&mut self, step: usize, prediction: &Tensor, latents: &Tensor, _: &mut dyn FnMut() -> Tensor) -> Tensor {
        let [alpha, next] = self.alphas[step];
        // x0 = (x - sqrt(1 - a) e) / sqrt(a)
        let x0 = (latents - prediction * f64::from(root(1.0 - alpha))) / f64::from(root(alpha));
        let x0 = clipped(x0, self.clip);
        // x' = sqrt(a') x0 + sqrt(1 - a') e
        x0 * f64::from(root(next)) + prediction * f64::from(root(1.0 - next))
    }
}
