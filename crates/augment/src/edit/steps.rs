//! Which numbers of denoising steps each sampling method has.

use augtrial_plan::scheduler::{Scheduler, Steps};

use super::manifest::{Diffusion, Spacing};

/// A method cannot run with that number of steps.
#[derive(Debug, thiserror::Error)]
#[error("{scheduler:?} cannot run {steps} steps: {reason}")]
pub struct ScheduleError {
    pub scheduler: Scheduler,
    pub steps: usize,
    pub reason: String,
}

/// Whether the method has a run of `steps` steps on this diffusion.
///
/// # Errors
/// [`ScheduleError`] with the reason.
pub fn check_steps(scheduler: Scheduler, steps: usize, diffusion: &Diffusion) -> Result<(), ScheduleError> {
    let refuse = |reason: String| Err(ScheduleError { scheduler, steps, reason });
    let trained = diffusion.train_timesteps as usize;
    if !(1..=trained).contains(&steps) {
        return refuse(format!("the number of steps must lie between 1 and {trained}"));
    }
    if let Steps::Distilled(most) = scheduler.steps()
        && (steps > most as usize || trained < most as usize)
    {
        return refuse(format!("it was distilled from {most} steps and cannot take more"));
    }
    match spacing_of(scheduler, diffusion) {
        Some(Spacing::Leading) => {
            let points = leading_points(scheduler, steps);
            let first = (points - 1) * (trained / points) + diffusion.steps_offset as usize;
            if first >= trained {
                return refuse(format!("its first timestep would be {first}, beyond the last one, {}", trained - 1));
            }
            if trained / points == 0 {
                return refuse(format!("`timestep_spacing = \"leading\"` has at most {} steps", trained - 1));
            }
            Ok(())
        }
        Some(Spacing::Trailing) if trailing_times(steps, trained).len() != steps => refuse(
            "`timestep_spacing = \"trailing\"` rounds this number of steps to another: choose one more or less"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// How the method's times are spread; none for methods that have their own times.
#[must_use]
pub fn spacing_of(scheduler: Scheduler, diffusion: &Diffusion) -> Option<Spacing> {
    let usual = match scheduler.steps() {
        // It has the times of the original repository.
        Steps::Trained if scheduler == Scheduler::KEulerAncestral => return None,
        Steps::Trained => Spacing::Linspace,
        Steps::Leading => Spacing::Leading,
        Steps::Distilled(_) => return None,
    };
    Some(diffusion.timestep_spacing.unwrap_or(usual))
}

/// Points that "leading" divides the training timesteps by: the multistep solvers leave out the lowest one.
fn leading_points(scheduler: Scheduler, steps: usize) -> usize {
    match scheduler {
        Scheduler::DpmSolverPp2m | Scheduler::Unipc => steps + 1,
        _ => steps,
    }
}

/// `numpy.arange(T, 0, -T / steps).round() - 1`, from high to low. Rounding of `T / steps` may add a time.
#[must_use]
pub fn trailing_times(steps: usize, trained: usize) -> Vec<f64> {
    let last = trained as f64;
    let stride = last / steps as f64;
    let count = (last / stride).ceil() as usize;
    // As numpy fills a range: from its first two values.
    let second = last - stride;
    let delta = second - last;
    let value = |index: usize| match index {
        0 => last,
        1 => second,
        _ => last + index as f64 * delta,
    };
    (0..count).map(|index| value(index).round_ties_even() - 1.0).collect()
}
