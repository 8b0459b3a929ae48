//! Contrasts of a factorial design, and the division of a difference among factors.
//!
//! Every main effect and every interaction is a weighted sum of the cells' values, computed for each seed by itself; the paired
//! t test of those sums is the test of the effect. In a design of two levels per factor its square is the F of the
//! repeated-measures analysis of variance (Maxwell and Delaney 2004, ch. 12).
//!
//! The division is Shapley's (1953): a factor's share is what switching it adds, averaged over all orders in which the factors
//! can be switched. The shares add up to the difference.

use std::ops::Range;

/// Factors that a difference can be divided among at most: all subsets are walked.
pub const MOST_SHARES: usize = 16;

/// A full factorial: how many levels each factor has. Cells are in the order of their levels, the last factor changing fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factorial {
    levels: Vec<usize>,
}

/// A level set against another one of the same factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    pub factor: usize,
    pub from: usize,
    pub to: usize,
}

impl Factorial {
    /// Of factors with so many levels each.
    #[must_use]
    pub fn new(levels: Vec<usize>) -> Self {
        Self { levels }
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.levels.iter().product()
    }

    /// The levels of a cell.
    #[must_use]
    pub fn levels_of(&self, mut cell: usize) -> Vec<usize> {
        let mut levels = vec![0; self.levels.len()];
        for (level, &count) in levels.iter_mut().zip(&self.levels).rev() {
            *level = cell % count;
            cell /= count;
        }
        levels
    }

    /// The cell of these levels.
    #[must_use]
    pub fn cell_of(&self, levels: &[usize]) -> usize {
        self.levels.iter().zip(levels).fold(0, |cell, (&count, &level)| cell * count + level)
    }

    /// Weights of the cells, `[cells]`, of the effect of all `switches` together, averaged over the levels of the other factors:
    /// one switch is a main effect, two are an interaction (the difference of differences), and so on.
    #[must_use]
    pub fn weights(&self, switches: &[Switch]) -> Vec<f64> {
        let switched = |factor: usize| switches.iter().find(|switch| switch.factor == factor);
        let others = (0..self.levels.len()).filter(|&factor| switched(factor).is_none());
        let averaged: usize = others.map(|factor| self.levels[factor]).product();
        let weight = |cell: usize| {
            let levels = self.levels_of(cell);
            let signs = switches.iter().map(|switch| match levels[switch.factor] {
                level if level == switch.to => 1.0,
                level if level == switch.from => -1.0,
                _ => 0.0,
            });
            signs.product::<f64>() / averaged as f64
        };
        self.indices().map(weight).collect()
    }

    fn indices(&self) -> Range<usize> {
        0..self.cells()
    }
}

/// Divides `value(all) - value(none)` among `factors` factors: each one's share, in their order. `value` is of a set of switched
/// factors, whose bit `1 << factor` is set.
///
/// # Panics
/// If there are more factors than [`MOST_SHARES`].
#[must_use]
pub fn shapley(factors: usize, value: impl Fn(u32) -> f64) -> Vec<f64> {
    assert!(factors <= MOST_SHARES, "{factors} factors are more than can be walked");
    let values: Vec<f64> = (0..1_u32 << factors).map(value).collect();
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let all = factors as u32;
    let share = |factor: usize| {
        let bit = 1_u32 << factor;
        let without = (0..1_u32 << factors).filter(|set| set & bit == 0);
        without
            .map(|set| {
                let switched = set.count_ones();
                let weight = factorial(switched) * factorial(all - switched - 1) / factorial(all);
                weight * (values[(set | bit) as usize] - values[set as usize])
            })
            .sum()
    };
    (0..factors).map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_and_levels_are_each_others_inverse() {
        let design = Factorial::new(vec![2, 3, 2]);
        assert_eq!(design.levels_of(7), [1, 0, 1]);
        assert!((0..design.cells()).all(|cell| design.cell_of(&design.levels_of(cell)) == cell));
    }

    #[test]
    fn effects_of_known_tables_are_exact() {
        let design = Factorial::new(vec![2, 3]);
        let values = [1.0, 2.0, 3.0, 5.0, 7.0, 12.0];
        let effect = |switches: &[Switch]| -> f64 {
            design.weights(switches).iter().zip(values).map(|(weight, value)| weight * value).sum()
        };
        let (rows, columns) = (Switch { factor: 0, from: 0, to: 1 }, Switch { factor: 1, from: 0, to: 2 });
        assert_eq!(effect(&[rows]), 8.0 - 2.0);
        assert_eq!(effect(&[columns]), 7.5 - 3.0);
        assert_eq!(effect(&[rows, columns]), (12.0 - 5.0) - (3.0 - 1.0));
    }

    #[test]
    fn a_factor_that_changes_nothing_has_no_share_and_equal_ones_have_equal_shares() {
        // The first two matter together alone; the third never does.
        let shares = shapley(3, |set| if set & 0b11 == 0b11 { 12.0 } else { 0.0 });
        assert_eq!(shares, [6.0, 6.0, 0.0]);
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_difference(values in prop::collection::vec(-1.0..1.0_f64, 32)) {
            let shares = shapley(5, |set| values[set as usize]);
            prop_assert!((shares.iter().sum::<f64>() - (values[31] - values[0])).abs() < 1e-12);
        }

        #[test]
        fn without_interactions_a_share_is_the_factors_own_effect(effects in prop::collection::vec(-1.0..1.0_f64, 4)) {
            let sum = |set: u32| (0..4).filter(|factor| set >> factor & 1 == 1).map(|factor| effects[factor]).sum::<f64>();
            for (share, effect) in shapley(4, sum).iter().zip(&effects) {
                prop_assert!((share - effect).abs() < 1e-12);
            }
        }
    }
}
