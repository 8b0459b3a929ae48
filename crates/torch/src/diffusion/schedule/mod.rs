//! Sampling methods: which noise levels a run visits, and how it steps from one to the next.

mod ddim;
mod dpm_solver;
mod euler;
mod k_diffusion;
mod lcm;
mod noise_levels;
mod unipc;

use tch::Tensor;

use augtrial_augment::edit::{Diffusion, ScheduleError, Spacing, check_steps, spacing_of};
use augtrial_plan::arm::Scheduler;

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

/// The method of each row of [`Scheduler::ROWS`].
///
/// # Errors
/// If the method has no run of `steps` steps on this diffusion.
pub fn schedule(scheduler: Scheduler, steps: usize, diffusion: &Diffusion) -> Result<Box<dyn Schedule>, ScheduleError> {
    check_steps(scheduler, steps, diffusion)?;
    // Methods without a spacing have times of their own.
    let spacing = spacing_of(scheduler, diffusion).unwrap_or(Spacing::Linspace);
    Ok(match scheduler {
        Scheduler::Euler => Box::new(euler::Euler::new(spacing, steps, diffusion)),
        Scheduler::EulerAncestral => Box::new(euler::EulerAncestral::new(spacing, steps, diffusion)),
        Scheduler::Ddim => Box::new(ddim::Ddim::new(spacing, steps, diffusion)),
        Scheduler::DpmSolverPp2m => Box::new(dpm_solver::DpmSolverPp2m::new(spacing, steps, diffusion)),
        Scheduler::Unipc => Box::new(unipc::UniPc::new(spacing, steps, diffusion)),
        Scheduler::Lcm => Box::new(lcm::Lcm::new(steps, diffusion)),
        Scheduler::KEulerAncestral => Box::new(k_diffusion::EulerAncestral::new(steps, diffusion)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_plan::scheduler::Steps;

    /// Adding a method takes its file, its row in `augtrial_plan::scheduler`, and its line in [`schedule`].
    #[test]
    fn every_row_has_a_method_that_keeps_to_the_steps_of_its_row() {
        let diffusion = noise_levels::tests::SD15;
        for &scheduler in Scheduler::ALL {
            let made = schedule(scheduler, 4, &diffusion).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(made.steps(), 4, "{}", scheduler.name());
            let least_sigma = (0..4).map(|step| made.sigma(step)).fold(f32::INFINITY, f32::min);
            assert!(least_sigma > 0.0 && least_sigma < made.sigma(0), "{}", scheduler.name());
            let too_many = match scheduler.steps() {
                Steps::Trained | Steps::Leading => diffusion.train_timesteps + 1,
                Steps::Distilled(most) => most + 1,
            };
            assert!(schedule(scheduler, too_many as usize, &diffusion).is_err(), "{}", scheduler.name());
            assert!(schedule(scheduler, 0, &diffusion).is_err(), "{}", scheduler.name());
        }
        // "Leading" times of 1,000 steps begin at 999 plus the offset of 1, beyond the last timestep.
        assert!(schedule(Scheduler::Ddim, 1000, &diffusion).is_err());
    }
}
