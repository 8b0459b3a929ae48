//! Exact tests on paired differences under the null of signs that are exchangeable: the sign-flip test on the mean
//! (Fisher 1935, section 21; Pitman 1937 gave its theory) and the signed-rank test (Wilcoxon 1945).
//!
//! Both are two-sided, and neither can give less than `2 / 2^n`.

use rand::RngExt as _;

use super::{Degenerate, check};
use augtrial_base::seed::Stream;

/// Most pairs for which all sign assignments are enumerated.
pub const MAX_SIGN_FLIP_PAIRS: usize = 24;

/// Most pairs for which the distribution of the rank sum is computed.
const MAX_WILCOXON_PAIRS: usize = 500;

/// Sums, and magnitudes, that differ by less than this share are equal: accuracies are counts over one denominator, so
/// that ties are real and only their last bits differ.
const TIE: f64 = 1e-12;

/// Smallest two-sided p that an exact test of `n` pairs can give, `2 / 2^n`.
#[must_use]
pub fn exact_floor(n: usize) -> f64 {
    (2.0 * 0.5_f64.powi(n.try_into().unwrap_or(i32::MAX))).min(1.0)
}

/// Two-sided exact sign-flip p: the share of the `2^n` sign assignments whose sum is at least as far from zero.
///
/// # Errors
/// If there is no difference, one is not finite, or there are more than [`MAX_SIGN_FLIP_PAIRS`].
pub fn sign_flip_p(differences: &[f64]) -> Result<f64, Degenerate> {
    check(differences, 1)?;
    let n = differences.len();
    if n > MAX_SIGN_FLIP_PAIRS {
        return Err(Degenerate::TooMany { have: n, limit: MAX_SIGN_FLIP_PAIRS });
    }
    let scale: f64 = differences.iter().map(|d| d.abs()).sum();
    let threshold = differences.iter().sum::<f64>().abs() - TIE * scale;
    // By symmetry the first sign may stay fixed.
    let extreme = count_extreme(&differences[1..], differences[0], threshold);
    Ok(extreme as f64 / 2.0_f64.powi(n as i32 - 1))
}

/// Two-sided sign-flip p from `draws` random sign assignments, for more pairs than can be enumerated:
/// `(1 + extreme) / (1 + draws)`, which is valid for any number of draws (Phipson and Smyth 2010).
///
/// # Errors
/// If there is no difference, one is not finite, or `draws` is zero.
pub fn sampled_sign_flip_p(differences: &[f64], draws: u32, rng: &mut Stream) -> Result<f64, Degenerate> {
    check(differences, 1)?;
    if draws == 0 {
        return Err(Degenerate::TooFew { have: 0, need: 1 });
    }
    let scale: f64 = differences.iter().map(|d| d.abs()).sum();
    let threshold = differences.iter().sum::<f64>().abs() - TIE * scale;
    // One random word gives the signs of as many differences as it has bits.
    let sum = |rng: &mut Stream| {
        let signed = |chunk: &[f64]| {
            let signs: u64 = rng.random();
            let flip = |(bit, d): (usize, &f64)| if signs >> bit & 1 == 1 { *d } else { -d };
            chunk.iter().enumerate().map(flip).sum::<f64>()
        };
        differences.chunks(64).map(signed).sum::<f64>()
    };
    let extreme = (0..draws).filter(|_| sum(rng).abs() >= threshold).count();
    Ok((1.0 + extreme as f64) / (1.0 + f64::from(draws)))
}

fn count_extreme(rest: &[f64], sum: f64, threshold: f64) -> u64 {
    match rest.split_first() {
        None => u64::from(sum.abs() >= threshold),
        Some((&d, rest)) => count_extreme(rest, sum + d, threshold) + count_extreme(rest, sum - d, threshold),
    }
}

/// Two-sided exact signed-rank p. Zeros are dropped and ties get their mean rank ("wilcox" in scipy); the null distribution
/// is the exact one of those ranks under all sign assignments. All zeros: nothing speaks against the null, p = 1.
///
/// # Errors
/// If there is no difference, one is not finite, or there are more than 500 that are not zero.
pub fn wilcoxon_p(differences: &[f64]) -> Result<f64, Degenerate> {
    check(differences, 1)?;
    let largest = differences.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
    let mut kept: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > TIE * largest).collect();
    if kept.is_empty() {
        return Ok(1.0);
    }
    if kept.len() > MAX_WILCOXON_PAIRS {
        return Err(Degenerate::TooMany { have: kept.len(), limit: MAX_WILCOXON_PAIRS });
    }
    kept.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let ranks = doubled_midranks(&kept, TIE * largest);
    let total: usize = ranks.iter().sum();
    let positive: usize = ranks.iter().zip(&kept).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let smaller = positive.min(total - positive);
    let tail: f64 = rank_sum_distribution(&ranks)[..=smaller].iter().sum();
    Ok((2.0 * tail).min(1.0))
}

/// Twice the mean rank of each magnitude, so that ranks stay whole; `sorted` ascends by magnitude.
fn doubled_midranks(sorted: &[f64], tolerance: f64) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(sorted.len());
    while ranks.len() < sorted.len() {
        let first = ranks.len();
        let tied = sorted[first..].iter().take_while(|d| d.abs() - sorted[first].abs() <= tolerance).count();
        // The mean of first + 1 ..= first + tied, doubled.
        ranks.resize(first + tied, 2 * first + tied + 1);
    }
    ranks
}

/// Probability of every sum of a random half of the ranks.
fn rank_sum_distribution(ranks: &[usize]) -> Vec<f64> {
    let mut probability = vec![0.0; ranks.iter().sum::<usize>() + 1];
    probability[0] = 1.0;
    let mut reach = 0;
    for &rank in ranks {
        reach += rank;
        for sum in (0..=reach).rev() {
            let with = if sum >= rank { probability[sum - rank] } else { 0.0 };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    probability
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_floor_is_reached_by_differences_of_one_sign() {
        for n in 1..=10 {
            let d: Vec<f64> = (1..=n).map(|i| i as f64 * 0.1).collect();
            assert_eq!(sign_flip_p(&d), Ok(exact_floor(n)));
            assert!((wilcoxon_p(&d).unwrap() - exact_floor(n)).abs() < 1e-12);
        }
        assert_eq!(exact_floor(5), 0.0625);
        assert_eq!(exact_floor(0), 1.0);
    }

    #[test]
    fn zeros_everywhere_speak_for_nothing() {
        assert_eq!(sign_flip_p(&[0.0; 6]), Ok(1.0));
        assert_eq!(wilcoxon_p(&[0.0; 6]), Ok(1.0));
    }

    #[test]
    fn ties_hold_although_their_last_bits_differ() {
        let (a, b) = (0.3_f64 - 0.2, 0.8_f64 - 0.7);
        assert_ne!(a, b);
        assert_eq!(wilcoxon_p(&[a, -b, 0.5]), wilcoxon_p(&[0.1, -0.1, 0.5]));
    }

    #[test]
    fn a_sample_of_signs_comes_near_their_enumeration_and_its_stream_decides_it() {
        use augtrial_base::seed::{Purpose, StudySeed};
        let stream = |seed: u64| StudySeed(seed).stream(Purpose::SignFlip { contrast: "a-b" }, 0);
        let d: Vec<f64> = (0..16).map(|i| f64::from(i % 5) - 1.2).collect();
        let (exact, sampled) = (sign_flip_p(&d).unwrap(), sampled_sign_flip_p(&d, 20_000, &mut stream(1)).unwrap());
        // Four standard errors of a share of 20,000 draws.
        assert!((exact - sampled).abs() < 4.0 * (exact * (1.0 - exact) / 20_000.0).sqrt(), "{exact}, {sampled}");
        assert_eq!(sampled_sign_flip_p(&d, 500, &mut stream(1)), sampled_sign_flip_p(&d, 500, &mut stream(1)));
        assert_eq!(sampled_sign_flip_p(&[1.0; 40], 999, &mut stream(1)), Ok(0.001), "never zero");
        assert!(sampled_sign_flip_p(&d, 0, &mut stream(1)).is_err());
    }

    #[test]
    fn more_pairs_than_can_be_enumerated_are_refused() {
        assert_eq!(sign_flip_p(&[1.0; 25]), Err(Degenerate::TooMany { have: 25, limit: 24 }));
    }

    proptest! {
        #[test]
        fn exact_p_values_ignore_order_sign_and_unit(d in proptest::collection::vec(-1.0..1.0_f64, 2..10)) {
            let flipped: Vec<f64> = d.iter().rev().map(|x| -4.0 * x).collect();
            for test in [sign_flip_p, wilcoxon_p] {
                let p = test(&d).unwrap();
                prop_assert!(p >= exact_floor(d.len()) - 1e-12 && p <= 1.0);
                prop_assert!((p - test(&flipped).unwrap()).abs() < 1e-12);
            }
        }
    }
}
