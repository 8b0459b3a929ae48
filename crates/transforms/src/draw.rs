//! Draws of parameters that several transforms share.
//!
//! Distributions are torchvision's; the numbers are this crate's own streams.

use rand::RngExt as _;

use crate::Range;
use augtrial_base::seed::Stream;

/// Attempts at a rectangle that fits before giving up, as in torchvision's `RandomResizedCrop` and `RandomErasing`.
pub(crate) const ATTEMPTS: usize = 10;

/// Uniform in `[low, high)`; `low` if the interval is a point.
pub(crate) fn uniform([low, high]: Range, rng: &mut Stream) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// The logarithm is uniform in the interval's logarithms.
pub(crate) fn log_uniform([low, high]: Range, rng: &mut Stream) -> f64 {
    uniform([low.ln(), high.ln()], rng).exp()
}

/// True with probability `p`.
pub(crate) fn chance(p: f64, rng: &mut Stream) -> bool {
    rng.random::<f64>() < p
}

/// Uniform over `0..=last`.
pub(crate) fn up_to(last: u32, rng: &mut Stream) -> u32 {
    rng.random_range(0..=last)
}

/// Rounds as Python's `round` does, ties to even: the rule behind every rounded parameter of torchvision.
pub(crate) fn round(value: f64) -> f64 {
    value.round_ties_even()
}
