//! Sizes of effects for paired samples: `d_z` (Cohen 1988), `g_z` (Hedges 1981, with the approximate correction), and the
//! probability of superiority `A12` (Vargha and Delaney 2000).

use super::describe::{mean, sd};
use super::{Degenerate, check};

/// `d_z = mean / sd` of the differences.
///
/// # Errors
/// If there are fewer than two differences, one is not finite, or all are equal.
pub fn cohen_dz(differences: &[f64]) -> Result<f64, Degenerate> {
    let spread = sd(differences)?;
    if spread > 0.0 { Ok(mean(differences)? / spread) } else { Err(Degenerate::ZeroVariance) }
}

/// `g_z = d_z (1 - 3 / (4 df - 1))` with `df = n - 1`: `d_z` without its bias in small samples.
///
/// # Errors
/// As [`cohen_dz`].
pub fn hedges_gz(differences: &[f64]) -> Result<f64, Degenerate> {
    let df = (differences.len() as f64) - 1.0;
    Ok(cohen_dz(differences)? * (1.0 - 3.0 / (4.0 * df - 1.0)))
}

/// `P(A > B) + P(A = B) / 2` over all pairs of a value of `left` and a value of `right`, ignoring the pairing.
///
/// # Errors
/// If a list is empty or holds a value that is not finite.
pub fn a12(left: &[f64], right: &[f64]) -> Result<f64, Degenerate> {
    check(left, 1)?;
    check(right, 1)?;
    let mut doubled_wins = 0_u64;
    for a in left {
        for b in right {
            doubled_wins += if a > b { 2 } else { u64::from(a == b) };
        }
    }
    Ok(doubled_wins as f64 / (2 * left.len() * right.len()) as f64)
}

/// Number of differences above zero.
#[must_use]
pub fn paired_wins(differences: &[f64]) -> usize {
    differences.iter().filter(|d| **d > 0.0).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn effect_sizes_need_variance() {
        assert_eq!(cohen_dz(&[0.2; 3]), Err(Degenerate::ZeroVariance));
        assert_eq!(hedges_gz(&[0.2]), Err(Degenerate::TooFew { have: 1, need: 2 }));
        assert_eq!(a12(&[], &[1.0]), Err(Degenerate::TooFew { have: 0, need: 1 }));
        assert_eq!(a12(&[1.0; 3], &[1.0; 3]), Ok(0.5));
    }

    proptest! {
        #[test]
        fn superiority_and_inferiority_sum_to_one(
            a in proptest::collection::vec(0..5_u8, 1..8),
            b in proptest::collection::vec(0..5_u8, 1..8),
        ) {
            let a: Vec<f64> = a.into_iter().map(f64::from).collect();
            let b: Vec<f64> = b.into_iter().map(f64::from).collect();
            prop_assert!((a12(&a, &b).unwrap() + a12(&b, &a).unwrap() - 1.0).abs() < 1e-12);
        }
    }
}
