//! `UniPC` (Zhao et al. 2023): predictor of order 2 and corrector with `B(h) = e^h - 1`, as diffusers'
//! `UniPCMultistepScheduler` (`bh2`, corrector from the second step, order 1 on the first step and on the last).

use tch::Tensor;

use super::Schedule;
use super::noise_levels::{Level, by_torch, multistep_levels};
use augtrial_augment::edit::{Diffusion, Spacing};

pub(super) struct UniPc {
    timesteps: Vec<f64>,
    sigmas: Vec<f32>,
    /// Predictions of `x0` at the two steps before, the nearer one last.
    history: [Option<Tensor>; 2],
    /// Latents that the last predictor started from, and its order.
    predicted_from: Option<(Tensor, usize)>,
}

/// What predictor and corrector share over one interval, from `from` to `to`.
struct Interval {
    /// `sigma_to / sigma_from`.
    shrink: f32,
    /// `alpha_to (e^-h - 1)`, which is also `alpha_to B(h)`.
    decay: f32,
    /// `h_before / h`, negative; absent at order 1.
    ratio: Option<f32>,
    /// `-h`.
    minus_h: f32,
}

impl Interval {
    fn new(before: Option<Level>, from: Level, to: Level) -> Self {
        let h = to.lambda - from.lambda;
        Self {
            shrink: to.noise / from.noise,
            decay: to.alpha * by_torch(-h, Tensor::expm1),
            ratio: before.map(|before| (before.lambda - from.lambda) / h),
            minus_h: -h,
        }
    }

    /// `(sigma_to / sigma_from) x - alpha_to (e^-h - 1) x0`.
    fn first_order(&self, latents: &Tensor, x0: &Tensor) -> Tensor {
        latents * f64::from(self.shrink) - x0 * f64::from(self.decay)
    }

    /// The corrector's weights: `R rho = b` with `R_kj = r_j^(k-1)`, `r = (ratio, 1)`, and
    /// `b_k = k! phi_{k+1}(-h) / B(h)`, where `phi_{k+1}(z) = phi_k(z) / z - 1 / k!`.
    fn corrector_weights(&self, ratio: f32) -> [f64; 2] {
        let base = by_torch(self.minus_h, Tensor::expm1);
        let phi_2 = base / self.minus_h - 1.0;
        let phi_3 = phi_2 / self.minus_h - 0.5;
        let matrix = Tensor::from_slice(&[1.0, 1.0, ratio, 1.0]).view([2, 2]);
        let right = Tensor::from_slice(&[phi_2 / base, phi_3 * 2.0 / base]);
        let weights = Tensor::linalg_solve(&matrix, &right, true);
        [0, 1].map(|i| weights.double_value(&[i]))
    }
}

impl UniPc {
    pub(super) fn new(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Self {
        let (timesteps, sigmas) = multistep_levels(spacing, steps, diffusion);
        Self { timesteps, sigmas, history: [None, None], predicted_from: None }
    }

    /// The interval that starts at `step`, with the level before it if the order asks for one.
    fn interval(&self, step: usize, order: usize) -> Interval {
        let level = |step: usize| Level::of(self.sigmas[step]);
        let before = (order == 2).then(|| level(step - 1));
        Interval::new(before, level(step), level(step + 1))
    }

    /// Redoes the last step, now that the prediction at its end, `x0`, is known.
    fn correct(&self, step: usize, x0: &Tensor, latents: &Tensor) -> Tensor {
        let (Some((start, order)), [older, Some(at_start)]) = (&self.predicted_from, &self.history) else {
            return latents.shallow_clone();
        };
        let interval = self.interval(step - 1, *order);
        let plain = interval.first_order(start, at_start);
        let ahead = x0 - at_start;
        let correction = match (interval.ratio, older) {
            (Some(ratio), Some(older)) => {
                let [behind_weight, ahead_weight] = interval.corrector_weights(ratio);
                (older - at_start) / f64::from(ratio) * behind_weight + ahead * ahead_weight
            }
            _ => ahead * 0.5,
        };
        plain - correction * f64::from(interval.decay)
    }

    fn predict(&self, step: usize, order: usize, latents: &Tensor) -> Tensor {
        let [older, Some(x0)] = &self.history else { unreachable!("the caller has just put it there") };
        let interval = self.interval(step, order);
        let plain = interval.first_order(latents, x0);
        match (interval.ratio, older) {
            (Some(ratio), Some(older)) => {
                // D1 = (x0_before - x0) / r, with weight 1/2 at order 2
                let slope = (older - x0) / f64::from(ratio);
                plain - slope * 0.5 * f64::from(interval.decay)
            }
            _ => plain,
        }
    }
}

impl Schedule for UniPc {
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
        let here = Level::of(self.sigmas[step]);
        // x0 = (x - sigma_t e) / alpha_t
        let x0 = (latents - prediction * f64::from(here.noise)) / f64::from(here.alpha);
        let corrected = self.correct(step, &x0, latents);
        self.history.swap(0, 1);
        self.history[1] = Some(x0);
        let order = if step == 0 || step + 1 == self.steps() { 1 } else { 2 };
        let next = self.predict(step, order, &corrected);
        self.predicted_from = Some((corrected, order));
        next
    }
}
