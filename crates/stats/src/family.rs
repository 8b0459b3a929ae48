//! Several contrasts at once: Holm's step-down adjustment (Holm 1979), and what a design can reach before it is run.

use super::exact::exact_floor;
use super::{Degenerate, check};

/// Holm-adjusted p values, in the order given: `max over j <= i of (m - j) p(j)`, at most 1.
///
/// # Errors
/// If a value is not finite or lies outside 0 to 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Degenerate> {
    check(p_values, 0)?;
    if let Some(&value) = p_values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Degenerate::OutOfRange { name: "p", value });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut running = 0.0_f64;
    for (step, &index) in order.iter().enumerate() {
        running = running.max((p_values.len() - step) as f64 * p_values[index]).min(1.0);
        adjusted[index] = running;
    }
    Ok(adjusted)
}

/// Smallest Holm-adjusted p that an exact paired test of `pairs` pairs can give the best of `contrasts` contrasts.
#[must_use]
pub fn smallest_reachable_p(pairs: usize, contrasts: usize) -> f64 {
    (exact_floor(pairs) * contrasts.max(1) as f64).min(1.0)
}

/// Fewest pairs with which an exact paired test can reach `alpha` in a family of `contrasts`.
///
/// # Errors
/// If `alpha` is not within (0, 1).
pub fn pairs_to_reach(alpha: f64, contrasts: usize) -> Result<usize, Degenerate> {
    super::check_probability("alpha", alpha)?;
    let mut pairs = 1;
    while smallest_reachable_p(pairs, contrasts) > alpha {
        pairs += 1;
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_design_knows_what_it_can_reach() {
        assert_eq!(smallest_reachable_p(6, 3), 0.09375);
        assert_eq!(pairs_to_reach(0.05, 3), Ok(7));
        assert_eq!(pairs_to_reach(0.05, 1), Ok(6));
        assert!(pairs_to_reach(0.0, 1).is_err());
    }

    #[test]
    fn values_that_are_no_probabilities_are_refused() {
        assert!(holm(&[0.5, f64::NAN]).is_err());
        assert!(holm(&[1.5]).is_err());
        assert_eq!(holm(&[]), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn holm_lies_between_no_correction_and_bonferroni(p in proptest::collection::vec(0.0..=1.0_f64, 1..8)) {
            let adjusted = holm(&p).unwrap();
            for (raw, holm) in p.iter().zip(&adjusted) {
                prop_assert!(*holm >= *raw && *holm <= (raw * p.len() as f64).min(1.0) + 1e-15);
            }
        }
    }
}
