//! Power of the paired t test, and what follows from it: sample size and minimum detectable effect (Cohen 1988, ch. 2).
//!
//! `statrs` has no noncentral t. Its distribution function is integrated from its definition, `T = (Z + ncp) / S` with
//! `S = sqrt(chi2(df) / df)` (Johnson, Kotz and Balakrishnan 1995, section 31.2):
//! `P(T <= t) = ∫ Φ(t s - ncp) f_S(s) ds`, by adaptive Simpson (Lyness 1969) to an absolute error near 1e-10.

use statrs::distribution::{ContinuousCDF as _, Normal};
use statrs::function::gamma::ln_gamma;

use super::describe::t_quantile;
use super::{Degenerate, check_probability};

/// Sample sizes beyond this are out of any study's reach.
const MAX_SAMPLE_SIZE: f64 = 1e6;

/// Largest effect, in standard deviations, that is searched for.
const MAX_EFFECT: f64 = 1e4;

/// Absolute error of one integral.
const TOLERANCE: f64 = 1e-11;

/// Halvings of the searched range: more than a double has bits.
const BISECTIONS: u32 = 80;

/// Power of the two-sided paired t test of level `alpha` for `n` pairs and a true effect `dz`. `n` may be fractional.
///
/// # Errors
/// If `n` is not above 1 by so much that t has a quantile that can be computed, `alpha` is not within (0, 1), or `dz` is not finite.
pub fn power_of_paired_t(dz: f64, n: f64, alpha: f64) -> Result<f64, Degenerate> {
    check_probability("alpha", alpha)?;
    if !dz.is_finite() {
        return Err(Degenerate::OutOfRange { name: "effect", value: dz });
    }
    if !(n.is_finite() && n > 1.0) {
        return Err(Degenerate::OutOfRange { name: "n", value: n });
    }
    let df = n - 1.0;
    let critical = t_quantile(1.0 - alpha / 2.0, df)?;
    let ncp = dz.abs() * n.sqrt();
    let upper = 1.0 - noncentral_t_cdf(critical, df, ncp);
    Ok((upper + noncentral_t_cdf(-critical, df, ncp)).clamp(0.0, 1.0))
}

/// Pairs needed for `power`, as a real number; round it up. Agrees with statsmodels' `TTestPower` to 1e-6.
///
/// # Errors
/// If `dz` is zero or not finite, a probability is not within (0, 1), or more than a million pairs would be needed.
pub fn sample_size(dz: f64, alpha: f64, power: f64) -> Result<f64, Degenerate> {
    check_probability("power", power)?;
    if power_of_paired_t(dz, MAX_SAMPLE_SIZE, alpha)? < power {
        return Err(Degenerate::OutOfReach { limit: MAX_SAMPLE_SIZE as u64 });
    }
    let (low, high) = (1.0 + 1e-6, MAX_SAMPLE_SIZE);
    bisect(low, high, |n| match power_of_paired_t(dz, n, alpha) {
        // So near to one pair that t has no quantile: no effect is found there.
        Err(Degenerate::OutOfRange { name: "degrees of freedom", .. }) => Ok(false),
        found => Ok(found? >= power),
    })
}

/// Smallest `d_z` that `n` pairs find with `power`; times the sd of the differences, the minimum detectable effect.
///
/// # Errors
/// If `n < 2`, or a probability is not within (0, 1), or no effect is large enough.
pub fn minimum_detectable_dz(n: usize, alpha: f64, power: f64) -> Result<f64, Degenerate> {
    check_probability("power", power)?;
    if n < 2 {
        return Err(Degenerate::TooFew { have: n, need: 2 });
    }
    if power_of_paired_t(MAX_EFFECT, n as f64, alpha)? < power {
        return Err(Degenerate::OutOfReach { limit: MAX_SAMPLE_SIZE as u64 });
    }
    bisect(0.0, MAX_EFFECT, |dz| Ok(power_of_paired_t(dz, n as f64, alpha)? >= power))
}

/// Pairs needed to find a probability of superiority `p_superior` with error rates `alpha` (one-sided) and `beta`
/// (Noether 1987, eq. 2): `(z_alpha + z_beta)^2 / (6 (p - 1/2)^2)`, rounded up.
///
/// # Errors
/// If a probability is not within (0, 1), or `p_superior` is one half.
pub fn noether_n(p_superior: f64, alpha: f64, beta: f64) -> Result<u64, Degenerate> {
    check_probability("alpha", alpha)?;
    check_probability("beta", beta)?;
    check_probability("p superior", p_superior)?;
    if p_superior == 0.5 {
        return Err(Degenerate::OutOfRange { name: "p superior", value: p_superior });
    }
    let z = standard_normal().inverse_cdf(1.0 - alpha) + standard_normal().inverse_cdf(1.0 - beta);
    Ok((z.powi(2) / (6.0 * (p_superior - 0.5).powi(2))).ceil() as u64)
}

/// Quantile of the standard normal distribution.
///
/// # Errors
/// If `probability` is not within (0, 1).
pub fn normal_quantile(probability: f64) -> Result<f64, Degenerate> {
    check_probability("probability", probability)?;
    Ok(standard_normal().inverse_cdf(probability))
}

pub(super) fn standard_normal() -> Normal {
    Normal::new(0.0, 1.0).expect("a unit normal is valid")
}

/// `P(T <= t)` for the noncentral t.
fn noncentral_t_cdf(t: f64, df: f64, ncp: f64) -> f64 {
    let normal = standard_normal();
    // ln of 2 (df/2)^(df/2) / Γ(df/2), the constant of the density of S.
    let ln_constant = std::f64::consts::LN_2 + df / 2.0 * (df / 2.0).ln() - ln_gamma(df / 2.0);
    let integrand = |s: f64| {
        let ln_density = ln_constant + (df - 1.0) * s.ln() - df * s * s / 2.0;
        if s > 0.0 { normal.cdf(t * s - ncp) * ln_density.exp() } else { 0.0 }
    };
    if df < 1.0 {
        // The density has a pole at zero; with s = v^(1/df) the integral has none.
        let substituted = |v: f64| {
            let s = v.powf(1.0 / df);
            normal.cdf(t * s - ncp) * (ln_constant - df * s * s / 2.0).exp() / df
        };
        return integrate(&substituted, 0.0, 40.0_f64.powf(df)).clamp(0.0, 1.0);
    }
    let reach = 12.0 / (2.0 * df).sqrt();
    let (low, high) = ((1.0 - reach).max(0.0), 1.0 + reach);
    // Φ steps from 0 to 1 around ncp / t, within a few 1 / t; its own panels see to it that a steep step is not missed.
    let breaks = [-9.0, 0.0, 9.0].map(|z| ((ncp + z) / t).clamp(low, high));
    let mut ends = [low, breaks[0], breaks[1], breaks[2], high];
    ends.sort_by(f64::total_cmp);
    ends.windows(2).map(|pair| integrate(&integrand, pair[0], pair[1])).sum::<f64>().clamp(0.0, 1.0)
}

/// Adaptive Simpson over 32 panels.
fn integrate(f: &impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const PANELS: u32 = 32;
    let width = (high - low) / f64::from(PANELS);
    (0..PANELS)
        .map(|panel| {
            let a = low + width * f64::from(panel);
            let b = a + width;
            let ends = [f(a), f(f64::midpoint(a, b)), f(b)];
            simpson(f, (a, b), ends, TOLERANCE / f64::from(PANELS), 30)
        })
        .sum()
}

/// One panel with its values at both ends and the middle; halves until the error estimate is below `tolerance`.
fn simpson(f: &impl Fn(f64) -> f64, (a, b): (f64, f64), [fa, fm, fb]: [f64; 3], tolerance: f64, depth: u32) -> f64 {
    let middle = f64::midpoint(a, b);
    let (fl, fr) = (f(f64::midpoint(a, middle)), f(f64::midpoint(middle, b)));
    let whole = (b - a) / 6.0 * (fa + 4.0 * fm + fb);
    let halves = (b - a) / 12.0 * (fa + 4.0 * fl + 2.0 * fm + 4.0 * fr + fb);
    let error = (halves - whole) / 15.0;
    if depth == 0 || error.abs() <= tolerance {
        return halves + error;
    }
    simpson(f, (a, middle), [fa, fl, fm], tolerance / 2.0, depth - 1)
        + simpson(f, (middle, b), [fm, fr, fb], tolerance / 2.0, depth - 1)
}

/// Smallest point of the range at which a monotone condition holds; it holds at `high`.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> Result<bool, Degenerate>) -> Result<f64, Degenerate> {
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if high - low <= 1e-11 * high {
            break;
        }
        if holds(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_effect_the_power_is_the_level() {
        for n in [2.0, 5.0, 40.0, 1000.0] {
            assert!((power_of_paired_t(0.0, n, 0.05).unwrap() - 0.05).abs() < 1e-9, "n = {n}");
        }
    }

    #[test]
    fn just_above_one_pair_the_power_is_a_probability_or_refused() {
        for n in [1.0 + 1e-9, 1.0005, 1.003, 1.01, 1.03, 1.1, 1.2] {
            for dz in [0.0, 0.5, 20.0] {
                match power_of_paired_t(dz, n, 0.05) {
                    Ok(power) => assert!((0.0499..0.11).contains(&power), "n = {n}, dz = {dz}: {power}"),
                    Err(reason) => assert!(n < 1.02, "n = {n}: {reason}"),
                }
            }
        }
    }

    #[test]
    fn sample_size_and_detectable_effect_invert_each_other() {
        let dz = minimum_detectable_dz(7, 0.05, 0.8).unwrap();
        assert!((sample_size(dz, 0.05, 0.8).unwrap() - 7.0).abs() < 1e-6);
    }

    #[test]
    fn an_effect_of_zero_is_out_of_reach() {
        assert!(matches!(sample_size(0.0, 0.05, 0.8), Err(Degenerate::OutOfReach { .. })));
        assert!(sample_size(f64::NAN, 0.05, 0.8).is_err());
        assert!(minimum_detectable_dz(1, 0.05, 0.8).is_err());
    }

    #[test]
    fn noether_asks_for_29_pairs_at_three_wins_in_four() {
        assert_eq!(noether_n(0.75, 0.05, 0.05), Ok(29));
        assert!(noether_n(0.5, 0.05, 0.05).is_err());
    }
}
