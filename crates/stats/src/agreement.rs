//! Several arms over the same seeds: Pearson's correlation, and the Friedman test (Friedman 1937; Demsar 2006).

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF as _};

use super::describe::{mean, sd};
use super::{Degenerate, check};

/// Pearson's r of paired values: how much the pairing by seed removes from the variance of the difference.
///
/// # Errors
/// If the lists differ in length, have fewer than two values, a value is not finite, or a list has no variance.
pub fn pearson_r(left: &[f64], right: &[f64]) -> Result<f64, Degenerate> {
    if left.len() != right.len() {
        return Err(Degenerate::Unpaired { left: left.len(), right: right.len() });
    }
    let spread = sd(left)? * sd(right)?;
    if spread == 0.0 {
        return Err(Degenerate::ZeroVariance);
    }
    let (mean_left, mean_right) = (mean(left)?, mean(right)?);
    let products: f64 = left.iter().zip(right).map(|(a, b)| (a - mean_left) * (b - mean_right)).sum();
    Ok((products / (left.len() - 1) as f64 / spread).clamp(-1.0, 1.0))
}

/// The Friedman test of equal ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Friedman {
    pub chi2: f64,
    /// From chi-squared with (arms - 1) degrees of freedom.
    pub p: f64,
    /// Mean rank of each arm over the seeds; rank 1 is the smallest value.
    pub mean_ranks: Vec<f64>,
}

/// Friedman's test with the correction for ties. `arms` is `[num_arms x num_seeds]`.
///
/// # Errors
/// If there are fewer than three arms or two seeds, lengths differ, a value is not finite, or every seed ties all arms.
pub fn friedman(arms: &[Vec<f64>]) -> Result<Friedman, Degenerate> {
    let k = arms.len();
    if k < 3 {
        return Err(Degenerate::TooFew { have: k, need: 3 });
    }
    let n = arms[0].len();
    for arm in arms {
        check(arm, 2)?;
        if arm.len() != n {
            return Err(Degenerate::Unpaired { left: n, right: arm.len() });
        }
    }
    let mut rank_sums = vec![0.0; k];
    let mut tie_term = 0.0;
    for seed in 0..n {
        let block: Vec<f64> = arms.iter().map(|arm| arm[seed]).collect();
        for (arm, value) in block.iter().enumerate() {
            let below = block.iter().filter(|other| *other < value).count() as f64;
            let tied = block.iter().filter(|other| *other == value).count() as f64;
            rank_sums[arm] += below + f64::midpoint(tied, 1.0);
            // Sum of t^3 - t over groups of ties, spread over their members.
            tie_term += tied * tied - 1.0;
        }
    }
    let (k, n) = (k as f64, n as f64);
    let correction = 1.0 - tie_term / (n * k * (k * k - 1.0));
    if correction <= 0.0 {
        return Err(Degenerate::ZeroVariance);
    }
    let squares: f64 = rank_sums.iter().map(|sum| sum * sum).sum();
    let chi2 = ((12.0 / (k * n * (k + 1.0)) * squares - 3.0 * n * (k + 1.0)) / correction).max(0.0);
    let p = ChiSquared::new(k - 1.0).expect("at least two degrees of freedom").sf(chi2);
    Ok(Friedman { chi2, p, mean_ranks: rank_sums.iter().map(|sum| sum / n).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_everywhere_and_constant_lists_have_no_answer() {
        assert_eq!(friedman(&vec![vec![0.5; 4]; 3]), Err(Degenerate::ZeroVariance));
        assert_eq!(friedman(&vec![vec![0.5; 4]; 2]), Err(Degenerate::TooFew { have: 2, need: 3 }));
        assert_eq!(pearson_r(&[1.0, 2.0], &[3.0, 3.0]), Err(Degenerate::ZeroVariance));
        assert!(pearson_r(&[1.0], &[1.0, 2.0]).is_err());
    }
}
