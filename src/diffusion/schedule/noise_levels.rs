//! Noise levels of the training diffusion and of a run over it, with diffusers' arithmetic (0.42.1): products in `f32`,
//! interpolation in `f64`, the result in `f32`.

use tch::{Device, Kind, Tensor};

use crate::diffusion::manifest::Diffusion;

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
    let training: Vec<f64> = alphas(diffusion).into_iter().map(|alpha| sigma_of(alpha).into()).collect();
    timesteps.iter().map(|&time| interpolate(time, &training) as f32).chain([0.0]).collect()
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

/// Times of the multistep solvers: `round(linspace(0, T - 1, steps + 1))` from high to low, without the last.
pub(super) fn multistep_timesteps(steps: usize, diffusion: &Diffusion) -> Vec<f64> {
    let times = linspace(f64::from(diffusion.train_timesteps - 1), steps + 1);
    times.into_iter().skip(1).rev().map(f64::round_ties_even).collect()
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
mod tests {
    use super::*;

    const SD15: Diffusion = Diffusion {
        train_timesteps: 1000,
        beta_start: 0.000_85,
        beta_end: 0.012,
        steps_offset: 1,
        set_alpha_to_one: false,
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
