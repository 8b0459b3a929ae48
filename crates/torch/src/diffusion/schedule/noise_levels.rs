//! Noise levels of the training diffusion and of a run over it, with diffusers' arithmetic (0.42.1): products in `f32`,
//! interpolation in `f64`, the result in `f32`.

use tch::{Device, Kind, Tensor};

use augtrial_augment::edit::{Diffusion, Spacing, trailing_times};

/// Cumulative products of `1 - beta_t`, `f32`, one a training timestep.
///
/// `beta_t = (linspace(sqrt(beta_start), sqrt(beta_end), T)_t)^2`, `alpha_t = prod_{s <= t} (1 - beta_s)`.
pub(super) fn alphas(diffusion: &Diffusion) -> Vec<f32> {
    let (first, last) = (diffusion.beta_start.sqrt(), diffusion.beta_end.sqrt());
    let roots = Tensor::linspace(first, last, diffusion.train_timesteps.into(), (Kind::Float, Device::Cpu));
    let one_minus_beta: Tensor = 1.0 - roots.square();
    floats(&one_minus_beta.cumprod(0, Kind::Float))
}

/// `sigma = sqrt((1 - alpha) / alpha)`.
pub(super) fn sigma_of(alpha: f32) -> f32 {
    root((1.0 - alpha) / alpha)
}

/// The square root as LibTorch rounds it.
pub(super) fn root(value: f32) -> f32 {
    by_torch(value, Tensor::sqrt)
}

/// `sigma` at each of `timesteps`, interpolated linearly between training timesteps, and the final 0.
pub(super) fn sigmas_at(timesteps: &[f64], diffusion: &Diffusion) -> Vec<f32> {
    levels_at(timesteps, diffusion).into_iter().map(|level| level as f32).chain([0.0]).collect()
}

/// As [`sigmas_at`], in `f64` and without the final 0.
pub(super) fn levels_at(timesteps: &[f64], diffusion: &Diffusion) -> Vec<f64> {
    let training = training_sigmas(diffusion);
    timesteps.iter().map(|&time| interpolate(time, &training)).collect()
}

/// `numpy.interp(x, arange(len), values)`.
fn interpolate(x: f64, values: &[f64]) -> f64 {
    let last = values.len() - 1;
    let x = x.max(0.0);
    let below = (x.floor() as usize).min(last);
    if below == last {
        return values[last];
    }
    (values[below + 1] - values[below]) * (x - below as f64) + values[below]
}

/// `numpy.linspace(0, last, count)`.
pub(super) fn linspace(last: f64, count: usize) -> Vec<f64> {
    if count == 1 {
        return vec![0.0];
    }
    let step = last / (count - 1) as f64;
    (0..count).map(|i| if i == count - 1 { last } else { i as f64 * step }).collect()
}

/// `steps` times from high to low, `linspace` not rounded.
pub(super) fn single_step_timesteps(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Vec<f64> {
    match spacing {
        Spacing::Linspace => linspace(f64::from(diffusion.train_timesteps - 1), steps).into_iter().rev().collect(),
        Spacing::Leading => leading(steps, diffusion).collect(),
        Spacing::Trailing => trailing_times(steps, diffusion.train_timesteps as usize),
    }
}

/// Times of the multistep solvers, from high to low: those of one step more, without the lowest. `trailing` ends above 0 and
/// needs no step more.
pub(super) fn multistep_timesteps(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> Vec<f64> {
    match spacing {
        Spacing::Linspace => {
            let times = linspace(f64::from(diffusion.train_timesteps - 1), steps + 1);
            times.into_iter().skip(1).rev().map(f64::round_ties_even).collect()
        }
        Spacing::Leading => leading(steps + 1, diffusion).take(steps).collect(),
        Spacing::Trailing => trailing_times(steps, diffusion.train_timesteps as usize),
    }
}

/// Multiples of the whole stride `T / points`, plus the offset.
fn leading(points: usize, diffusion: &Diffusion) -> impl Iterator<Item = f64> + use<> {
    let (stride, offset) = (diffusion.train_timesteps as usize / points, diffusion.steps_offset as usize);
    (0..points).rev().map(move |point| (point * stride + offset) as f64)
}

/// Times and noise levels of a multistep solver, with the final 0.
pub(super) fn multistep_levels(spacing: Spacing, steps: usize, diffusion: &Diffusion) -> (Vec<f64>, Vec<f32>) {
    if !diffusion.use_karras_sigmas {
        let timesteps = multistep_timesteps(spacing, steps, diffusion);
        let sigmas = sigmas_at(&timesteps, diffusion);
        return (timesteps, sigmas);
    }
    let training = training_sigmas(diffusion);
    let levels = karras(training[training.len() - 1], training[0], steps);
    let timesteps = times_of(&levels, &training).into_iter().map(f64::round_ties_even).collect();
    (timesteps, levels.into_iter().map(|level| level as f32).chain([0.0]).collect())
}

/// Noise levels spread evenly in their seventh root (Karras et al. 2022, equation 5): `steps` from `highest` to `lowest`.
pub(super) fn karras(highest: f64, lowest: f64, steps: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (from, to) = (highest.powf(1.0 / RHO), lowest.powf(1.0 / RHO));
    linspace(1.0, steps).into_iter().map(|share| (from + share * (to - from)).powf(RHO)).collect()
}

/// The times at which the logarithm of the training noise level, linear between timesteps, is that of `levels`.
pub(super) fn times_of(levels: &[f64], training: &[f64]) -> Vec<f64> {
    let logs: Vec<f64> = training.iter().map(|&sigma| by_torch(sigma as f32, Tensor::log).into()).collect();
    let time = |&level: &f64| {
        let log = level.max(1e-10).ln();
        let below = logs.iter().filter(|&&other| log - other >= 0.0).count();
        let low = below.saturating_sub(1).min(logs.len() - 2);
        let weight = ((logs[low] - log) / (logs[low] - logs[low + 1])).clamp(0.0, 1.0);
        (1.0 - weight) * low as f64 + weight * (low + 1) as f64
    };
    levels.iter().map(time).collect()
}

/// `sigma` at every training timestep.
pub(super) fn training_sigmas(diffusion: &Diffusion) -> Vec<f64> {
    alphas(diffusion).into_iter().map(|alpha| sigma_of(alpha).into()).collect()
}

/// A prediction of the clean latents, held to `range` on either side of 0 if there is one.
pub(super) fn clipped(x0: Tensor, range: Option<f64>) -> Tensor {
    match range {
        Some(range) => x0.clamp(-range, range),
        None => x0,
    }
}

/// A level of the variance-preserving diffusion, from its `sigma`: `alpha^2 + (alpha sigma)^2 = 1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// `alpha = 1 / sqrt(sigma^2 + 1)`.
    pub(super) alpha: f32,
    /// `sigma alpha`: the noise's share.
    pub(super) noise: f32,
    /// `lambda = ln alpha - ln (sigma alpha)`: half the logarithm of the signal-to-noise ratio; infinite at sigma 0.
    pub(super) lambda: f32,
}

impl Level {
    pub(super) fn of(sigma: f32) -> Self {
        let alpha = 1.0 / root(sigma * sigma + 1.0);
        let noise = sigma * alpha;
        Self { alpha, noise, lambda: by_torch(alpha, Tensor::log) - by_torch(noise, Tensor::log) }
    }
}

/// A function of one `f32` as LibTorch rounds it: its logarithms, exponentials and even square roots (a fifth of them, by
/// MKL's vector mathematics) differ from the C library's in the last bit. Sums, products and quotients are IEEE 754's, and so
/// the same everywhere.
pub(super) fn by_torch(value: f32, function: impl Fn(&Tensor) -> Tensor) -> f32 {
    function(&Tensor::from(value)).double_value(&[]) as f32
}

/// A 1-D CPU tensor's content.
pub(super) fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor).expect("a 1-D tensor of f32")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const SD15: Diffusion = Diffusion {
        train_timesteps: 1000,
        beta_start: 0.000_85,
        beta_end: 0.012,
        steps_offset: 1,
        set_alpha_to_one: false,
        timestep_spacing: None,
        use_karras_sigmas: false,
        clip_sample_range: None,
    };

    #[test]
    fn no_alpha_is_zero_and_they_only_fall() {
        let alphas = alphas(&SD15);
        assert_eq!(alphas.len(), 1000);
        assert!(alphas.windows(2).all(|pair| 0.0 < pair[1] && pair[1] < pair[0] && pair[0] < 1.0));
    }

    #[test]
    fn interpolation_meets_the_grid_and_stays_inside() {
        let values = [1.0, 3.0, 7.0];
        let at = [-1.0, 0.0, 0.25, 1.0, 1.5, 2.0, 9.0].map(|x| interpolate(x, &values));
        assert_eq!(at, [1.0, 1.0, 1.5, 3.0, 5.0, 7.0, 7.0]);
    }

    #[test]
    fn a_level_preserves_variance() {
        for sigma in [0.03, 1.0, 14.6] {
            let level = Level::of(sigma);
            assert!((level.alpha.powi(2) + level.noise.powi(2) - 1.0).abs() < 1e-6);
            assert!((level.lambda + sigma.ln()).abs() < 1e-5);
        }
        assert_eq!(Level::of(0.0).lambda, f32::INFINITY);
    }
}
