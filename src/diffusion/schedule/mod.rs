//! Sampling methods: which noise levels a run visits, and how it steps from one to the next.

mod ddim;
mod dpm_solver;
mod euler;
mod k_diffusion;
mod lcm;
mod noise_levels;
mod unipc;

use tch::Tensor;

use super::manifest::Diffusion;
use crate::plan::arm::Scheduler;

/// One run of a sampling method.
///
/// Latents are `f32 [B, C, h, w]`. Scalars are `f32`, as they are in the references: their last bits decide ours.
pub trait Schedule: Send {
    /// Number of denoising steps.
    fn steps(&self) -> usize;

    /// The time that the U-Net is told at `step`, in training timesteps.
    fn timestep(&self, step: usize) -> f64;

    /// Noise level at `step`: standard deviation of the noise over that of the signal.
    fn sigma(&self, step: usize) -> f32;

    /// What unit noise is multiplied with to become the first latents.
    fn initial_scale(&self) -> f32 {
        1.0
    }

    /// Standard normal draws of latents' size that [`Self::advance`] takes over the whole run.
    fn draws(&self) -> usize {
        0
    }

    /// The latents as the U-Net wants them at `step`: as they are, where they keep unit variance.
    fn scale_input(&self, step: usize, latents: &Tensor) -> Tensor {
        let _ = step;
        latents.shallow_clone()
    }

    /// What guidance combines: the U-Net's output itself, or something made of it.
    fn prediction(&self, step: usize, latents: &Tensor, output: &Tensor) -> Tensor {
        let _ = (step, latents);
        output.shallow_clone()
    }

    /// The latents after `step`, from the guided prediction at it. Steps are taken in order, each once.
    fn advance(
        &mut self,
        step: usize,
        prediction: &Tensor,
        latents: &Tensor,
        noise: &mut dyn FnMut() -> Tensor,
    ) -> Tensor;
}

/// A method cannot run with that number of steps.
#[derive(Debug, thiserror::Error)]
#[error("{scheduler:?} cannot run {steps} steps: {reason}")]
pub struct ScheduleError {
    scheduler: Scheduler,
    steps: usize,
    reason: String,
}

/// The table of methods.
///
/// # Errors
/// If the method has no run of `steps` steps on this diffusion.
pub fn schedule(scheduler: Scheduler, steps: usize, diffusion: &Diffusion) -> Result<Box<dyn Schedule>, ScheduleError> {
    let refuse = |reason: String| ScheduleError { scheduler, steps, reason };
    let most = diffusion.train_timesteps as usize;
    if !(1..=most).contains(&steps) {
        return Err(refuse(format!("the number of steps must lie between 1 and {most}")));
    }
    Ok(match scheduler {
        Scheduler::Euler => Box::new(euler::Euler::new(steps, diffusion)),
        Scheduler::EulerAncestral => Box::new(euler::EulerAncestral::new(steps, diffusion)),
        Scheduler::Ddim => Box::new(ddim::Ddim::new(steps, diffusion).map_err(refuse)?),
        Scheduler::DpmSolverPp2m => Box::new(dpm_solver::DpmSolverPp2m::new(steps, diffusion)),
        Scheduler::Unipc => Box::new(unipc::UniPc::new(steps, diffusion)),
        Scheduler::Lcm => Box::new(lcm::Lcm::new(steps, diffusion).map_err(refuse)?),
        Scheduler::KEulerAncestral => Box::new(k_diffusion::EulerAncestral::new(steps, diffusion)),
    })
}
