//! The best of k tries: what a search of k tries would have found, from the n tries that were made.

use super::{Degenerate, check};

/// Expected highest of `k` of these values, for every `k` from 1 to their number, in that order.
///
/// Without bias: the mean over all subsets of `k` values (Tang et al. 2020, arXiv:2004.13705),
/// `V(k) = sum over i of C(i - 1, k - 1) / C(n, k) v(i)` with the values sorted, `v(1)` the lowest. The estimator of
/// Dodge et al. (2019), which draws the `k` values with replacement, is biased downward for `k > 1`.
///
/// # Errors
/// If there is no value, or one that is not finite.
pub fn expected_best(values: &[f64]) -> Result<Vec<f64>, Degenerate> {
    check(values, 1)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let best_of = |k: usize| {
        // The share of subsets of which the i-th value is the highest: C(i - 1, k - 1) / C(n, k), from i = n downward.
        let mut share = k as f64 / n as f64;
        let mut sum = 0.0;
        for i in (k..=n).rev() {
            sum += share * sorted[i - 1];
            if i > k {
                share *= (i - k) as f64 / (i - 1) as f64;
            }
        }
        sum
    };
    Ok((1..=n).map(best_of).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The mean over all subsets of `k` values of the highest of each.
    fn by_enumeration(values: &[f64], k: usize) -> f64 {
        let subsets = (0_u32..1 << values.len()).filter(|subset| subset.count_ones() as usize == k);
        let best = subsets.map(|subset| {
            let inside = values.iter().enumerate().filter(|(index, _)| subset >> index & 1 == 1);
            inside.map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max)
        });
        let best: Vec<f64> = best.collect();
        best.iter().sum::<f64>() / best.len() as f64
    }

    #[test]
    fn the_ends_are_the_mean_and_the_highest() {
        let curve = expected_best(&[0.5, 0.9, 0.7, 0.7]).unwrap();
        assert!((curve[0] - 0.7).abs() < 1e-15 && (curve[3] - 0.9).abs() < 1e-15, "{curve:?}");
        assert!(expected_best(&[]).is_err() && expected_best(&[f64::NAN]).is_err());
    }

    #[test]
    fn a_thousand_values_neither_overflow_nor_vanish() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let curve = expected_best(&values).unwrap();
        // The expected highest of k of 1..n is k (n + 1) / (k + 1).
        for k in [1_usize, 2, 500, 999, 1000] {
            let exact = k as f64 * 1001.0 / (k + 1) as f64;
            assert!((curve[k - 1] - exact).abs() < 1e-9 * exact, "{k}: {} and {exact}", curve[k - 1]);
        }
    }

    proptest! {
        #[test]
        fn it_is_the_mean_over_all_subsets(values in proptest::collection::vec(-1.0..1.0_f64, 1..10)) {
            let curve = expected_best(&values).unwrap();
            for (index, got) in curve.iter().enumerate() {
                let want = by_enumeration(&values, index + 1);
                prop_assert!((got - want).abs() < 1e-12, "best of {}: {got} and {want}", index + 1);
            }
            prop_assert!(curve.windows(2).all(|pair| pair[1] >= pair[0] - 1e-12));
        }
    }
}
