//! Proportions: Wilson's interval (Wilson 1927) and `McNemar`'s test of two classifiers on the same examples (`McNemar`
//! 1947; mid-p after Fagerland, Lydersen and Laake 2013).

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF as _, Discrete as _, DiscreteCDF as _};

use super::power::standard_normal;
use super::{Degenerate, Estimate, check_probability};

/// Two-sided p values of `McNemar`'s test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Binomial, exact and conservative.
    pub exact: f64,
    /// Exact less half of the observed point's probability.
    pub mid_p: f64,
    /// Chi-squared with continuity correction.
    pub corrected: f64,
}

/// `McNemar`'s test on the examples that just one of two classifiers gets right: `only_left` and `only_right` of them.
/// Without any such example nothing speaks against the null: all p are 1.
#[must_use]
pub fn mcnemar(only_left: u64, only_right: u64) -> McNemar {
    let discordant = only_left + only_right;
    if discordant == 0 {
        return McNemar { exact: 1.0, mid_p: 1.0, corrected: 1.0 };
    }
    let fewer = only_left.min(only_right);
    let binomial = Binomial::new(0.5, discordant).expect("one half is a probability");
    let doubled = 2.0 * binomial.cdf(fewer);
    let excess = (only_left.abs_diff(only_right) as f64 - 1.0).max(0.0);
    let chi2 = ChiSquared::new(1.0).expect("one degree of freedom is valid");
    McNemar {
        exact: doubled.min(1.0),
        mid_p: (doubled - binomial.pmf(fewer)).min(1.0),
        corrected: chi2.sf(excess * excess / discordant as f64),
    }
}

/// Share of successes with Wilson's score interval.
///
/// # Errors
/// If there are no trials, more successes than trials, or `level` is not within (0, 1).
pub fn wilson_interval(successes: u64, trials: u64, level: f64) -> Result<Estimate, Degenerate> {
    check_probability("level", level)?;
    if trials == 0 {
        return Err(Degenerate::TooFew { have: 0, need: 1 });
    }
    if successes > trials {
        return Err(Degenerate::OutOfRange { name: "successes", value: successes as f64 });
    }
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let z2 = standard_normal().inverse_cdf(f64::midpoint(1.0, level)).powi(2);
    let center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (p * (1.0 - p) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    Ok(Estimate { point: p, interval: ((center - half).max(0.0), (center + half).min(1.0)), level })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agreement_everywhere_gives_p_of_one() {
        assert_eq!(mcnemar(0, 0), McNemar { exact: 1.0, mid_p: 1.0, corrected: 1.0 });
    }

    #[test]
    fn a_share_of_nothing_is_refused() {
        assert_eq!(wilson_interval(0, 0, 0.95), Err(Degenerate::TooFew { have: 0, need: 1 }));
        assert!(wilson_interval(3, 2, 0.95).is_err());
    }

    proptest! {
        #[test]
        fn wilson_contains_its_point_and_stays_a_share(n in 1..2000_u64, share in 0.0..=1.0_f64) {
            let k = ((n as f64 * share) as u64).min(n);
            let e = wilson_interval(k, n, 0.95).unwrap();
            prop_assert!(e.interval.0 <= e.point + 1e-12 && e.point <= e.interval.1 + 1e-12);
            prop_assert!(e.interval.0 >= 0.0 && e.interval.1 <= 1.0);
        }

        #[test]
        fn mcnemar_is_symmetric_and_mid_p_is_the_smaller(b in 0..200_u64, c in 0..200_u64) {
            prop_assert_eq!(mcnemar(b, c), mcnemar(c, b));
            prop_assert!(mcnemar(b, c).mid_p <= mcnemar(b, c).exact + 1e-12);
        }
    }
}
