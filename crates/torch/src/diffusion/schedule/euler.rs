//! Euler's method and its ancestral form (Karras et al. 2022, algorithm 1 without churn; k-diffusion), with the noise levels
//! of diffusers' `EulerDiscreteScheduler` and `EulerAncestralDiscreteScheduler`.

use tch::Tensor;

use super::Schedule;
use super::noise_levels::{karras, levels_at, root, sigmas_at, single_step_timesteps, times_of, training_sigmas};
use augtrial_augment::edit::{Diffusion, Spacing};

/// The levels that both methods visit.
struct Levels {
    timesteps: Vec<f64>,
    /// One more than timesteps: the last is 0.
    sigmas: Vec<f32>,
    spacing: Spacing,
}

impl Levels {
    fn new(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Self {
        let times = single_step_timesteps(spacing, steps, diffusion);
        let timesteps: Vec<f64> = times.into_iter().map(|time| f64::from(time as f32)).collect();
        Self { sigmas: sigmas_at(&timesteps, diffusion), timesteps, spacing }
    }

    /// Between the highest and the lowest level of the spacing; the times follow from the levels.
    fn karras(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Self {
        let levels = levels_at(&Self::new(spacing, steps, diffusion).timesteps, diffusion);
        let levels = karras(levels[0], levels[levels.len() - 1], steps);
        let times = times_of(&levels, &training_sigmas(diffusion));
        let timesteps = times.into_iter().map(|time| f64::from(time as f32)).collect();
        Self { timesteps, sigmas: levels.into_iter().map(|level| level as f32).chain([0.0]).collect(), spacing }
    }

    /// The highest level; where it is not that of the last training timestep, with the signal's variance.
    fn initial_scale(&self) -> f32 {
        let highest = self.sigmas.iter().copied().fold(0.0, f32::max);
        if self.spacing == Spacing::Leading { root(highest * highest + 1.0) } else { highest }
    }

    /// `x / sqrt(sigma^2 + 1)`.
    fn scale_input(&self, step: usize, latents: &Tensor) -> Tensor {
        let sigma = self.sigmas[step];
        latents / f64::from(root(sigma * sigma + 1.0))
    }

    /// The slope `d = (x - x0) / sigma` with `x0 = x - sigma e`.
    fn slope(&self, step: usize, noise: &Tensor, latents: &Tensor) -> Tensor {
        let sigma = f64::from(self.sigmas[step]);
        let x0 = latents - noise * sigma;
        (latents - x0) / sigma
    }
}

/// `x' = x + d (sigma' - sigma)`.
pub(super) struct Euler(Levels);

impl Euler {
    pub(super) fn new(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Self {
        let levels = if diffusion.use_karras_sigmas { Levels::karras } else { Levels::new };
        Self(levels(spacing, steps, diffusion))
    }
}

impl Schedule for Euler {
    fn steps(&self) -> usize {
        self.0.timesteps.len()
    }

    fn timestep(&self, step: usize) -> f64 {
        self.0.timesteps[step]
    }

    fn sigma(&self, step: usize) -> f32 {
        self.0.sigmas[step]
    }

    fn initial_scale(&self) -> f32 {
        self.0.initial_scale()
    }

    fn scale_input(&self, step: usize, latents: &Tensor) -> Tensor {
        self.0.scale_input(step, latents)
    }

    fn advance(&mut self, step: usize, prediction: &Tensor, latents: &Tensor, _: &mut dyn FnMut() -> Tensor) -> Tensor {
        let length = self.0.sigmas[step + 1] - self.0.sigmas[step];
        latents + self.0.slope(step, prediction, latents) * f64::from(length)
    }
}

/// Steps down further than Euler, to `sigma_down`, and adds noise of `sigma_up` back:
/// `sigma_up^2 = sigma'^2 (sigma^2 - sigma'^2) / sigma^2`, `sigma_down^2 = sigma'^2 - sigma_up^2`.
pub(super) struct EulerAncestral(Levels);

impl EulerAncestral {
    pub(super) fn new(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Self {
        Self(Levels::new(spacing, steps, diffusion))
    }
}

impl Schedule for EulerAncestral {
    fn steps(&self) -> usize {
        self.0.timesteps.len()
    }

    fn timestep(&self, step: usize) -> f64 {
        self.0.timesteps[step]
    }

    fn sigma(&self, step: usize) -> f32 {
        self.0.sigmas[step]
    }

    fn initial_scale(&self) -> f32 {
        self.0.initial_scale()
    }

    /// One a step; the last is multiplied by 0, but the reference draws it.
    fn draws(&self) -> usize {
        self.steps()
    }

    fn scale_input(&self, step: usize, latents: &Tensor) -> Tensor {
        self.0.scale_input(step, latents)
    }

    fn advance(
        &mut self,
        step: usize,
        prediction: &Tensor,
        latents: &Tensor,
        noise: &mut dyn FnMut() -> Tensor,
    ) -> Tensor {
        let (from, to) = (self.0.sigmas[step], self.0.sigmas[step + 1]);
        let (from2, to2) = (from * from, to * to);
        let up = root(to2 * (from2 - to2) / from2);
        let down = root(to2 - up * up);
        let stepped = latents + self.0.slope(step, prediction, latents) * f64::from(down - from);
        stepped + noise() * f64::from(up)
    }
}
