//! Paired differences: the t test (Student 1908), two one-sided tests of equivalence (Schuirmann 1987; Lakens 2017) and
//! the corrected resampled t test (Nadeau and Bengio 2003, section 3).

use serde::{Deserialize, Serialize};
use statrs::distribution::ContinuousCDF as _;

use super::describe::{mean, mean_interval, sd, standard_error, students_t, two_sided_t_p};
use super::{Degenerate, Estimate};

/// A t test of the mean difference against zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedT {
    pub t: f64,
    /// Degrees of freedom, the number of pairs less one.
    pub df: f64,
    /// Two-sided.
    pub p: f64,
    /// The mean difference.
    pub difference: Estimate,
}

/// `left[i] - right[i]`.
///
/// # Errors
/// If the lists differ in length.
pub fn differences(left: &[f64], right: &[f64]) -> Result<Vec<f64>, Degenerate> {
    if left.len() != right.len() {
        return Err(Degenerate::Unpaired { left: left.len(), right: right.len() });
    }
    Ok(left.iter().zip(right).map(|(a, b)| a - b).collect())
}

/// Paired t test on differences: `t = mean / (sd / sqrt(n))`, `n - 1` degrees of freedom.
///
/// # Errors
/// If there are fewer than two differences, one is not finite, or all are equal (t would be infinite or 0/0).
pub fn paired_t(differences: &[f64], level: f64) -> Result<PairedT, Degenerate> {
    let error = positive(standard_error(differences)?)?;
    let difference = mean_interval(differences, level)?;
    let df = (differences.len() - 1) as f64;
    let t = difference.point / error;
    Ok(PairedT { t, df, p: two_sided_t_p(t, df)?, difference })
}

/// p of equivalence within `±delta`: the larger of the two one-sided p values.
///
/// # Errors
/// As [`paired_t`]; also if `delta` is not positive and finite.
pub fn tost_p(differences: &[f64], delta: f64) -> Result<f64, Degenerate> {
    if !(delta.is_finite() && delta > 0.0) {
        return Err(Degenerate::OutOfRange { name: "delta", value: delta });
    }
    let error = positive(standard_error(differences)?)?;
    let center = mean(differences)?;
    let t = students_t((differences.len() - 1) as f64)?;
    let above_lower = t.sf((center + delta) / error);
    let below_upper = t.cdf((center - delta) / error);
    Ok(above_lower.max(below_upper))
}

/// The t test for splits that are redrawn per seed, whose test results are correlated: the variance factor `1/n` becomes
/// `1/n + n_test / n_train`. `test_share` is `n_test / n_train`. The interval is widened alike.
///
/// # Errors
/// As [`paired_t`]; also if `test_share` is negative or not finite.
pub fn corrected_t(differences: &[f64], test_share: f64, level: f64) -> Result<PairedT, Degenerate> {
    if !(test_share.is_finite() && test_share >= 0.0) {
        return Err(Degenerate::OutOfRange { name: "n_test / n_train", value: test_share });
    }
    let spread = positive(sd(differences)?)?;
    let plain = paired_t(differences, level)?;
    let n = differences.len() as f64;
    let error = spread * (1.0 / n + test_share).sqrt();
    let widening = error / (spread / n.sqrt());
    let center = plain.difference.point;
    let half = (plain.difference.interval.1 - center) * widening;
    let t = center / error;
    let difference = Estimate { point: center, interval: (center - half, center + half), level };
    Ok(PairedT { t, df: plain.df, p: two_sided_t_p(t, plain.df)?, difference })
}

/// p of equivalence within `±delta` by the corrected test: the larger of the two one-sided p values.
///
/// # Errors
/// As [`corrected_t`] and [`tost_p`].
pub fn corrected_tost_p(differences: &[f64], test_share: f64, delta: f64) -> Result<f64, Degenerate> {
    if !(delta.is_finite() && delta > 0.0) {
        return Err(Degenerate::OutOfRange { name: "delta", value: delta });
    }
    if !(test_share.is_finite() && test_share >= 0.0) {
        return Err(Degenerate::OutOfRange { name: "n_test / n_train", value: test_share });
    }
    let n = differences.len() as f64;
    let error = positive(sd(differences)?)? * (1.0 / n + test_share).sqrt();
    let center = mean(differences)?;
    let t = students_t(n - 1.0)?;
    Ok(t.sf((center + delta) / error).max(t.cdf((center - delta) / error)))
}

fn positive(spread: f64) -> Result<f64, Degenerate> {
    if spread > 0.0 { Ok(spread) } else { Err(Degenerate::ZeroVariance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_differences_have_no_t_test() {
        assert_eq!(paired_t(&[0.25; 4], 0.95), Err(Degenerate::ZeroVariance));
        assert_eq!(tost_p(&[0.0; 4], 0.01), Err(Degenerate::ZeroVariance));
        assert_eq!(corrected_t(&[0.1; 4], 0.25, 0.95), Err(Degenerate::ZeroVariance));
        // Equal gains that differ by the rounding of what was subtracted.
        let d = differences(&[0.7314, 0.7347, 0.7303], &[0.7312, 0.7345, 0.7301]).unwrap();
        assert!(d[0].to_bits() != d[1].to_bits() && paired_t(&d, 0.95) == Err(Degenerate::ZeroVariance), "{d:?}");
        assert_eq!(differences(&[1.0], &[]), Err(Degenerate::Unpaired { left: 1, right: 0 }));
    }

    #[test]
    fn the_corrected_test_is_never_the_more_certain_one() {
        let d = [0.01, 0.02, 0.015, 0.03];
        let (plain, corrected) = (paired_t(&d, 0.95).unwrap(), corrected_t(&d, 0.25, 0.95).unwrap());
        assert!(corrected.p > plain.p && corrected.difference.interval.0 < plain.difference.interval.0);
    }
}
