//! The mean of a table whose rows and columns are both random: seeds and images.
//!
//! All seeds see the same images, so that the differences of one image, and of one seed, hang together. With rows `s`, columns
//! `i` and one value a cell, `d = mean + seed + image + rest`, and from the mean squares of the two-way layout
//! `n m Var(mean) = MS_seed + MS_image - MS_rest` (Searle, Casella and `McCulloch` 1992, section 4.4). Its degrees of freedom
//! are Satterthwaite's (1946). The ratio is the quasi-F of Clark (1973), who first asked for items to be random. A variance
//! component estimated below zero counts as zero.
//!
//! docs/scope.md compares its coverage with a bootstrap's, by simulation.

use serde::{Deserialize, Serialize};
use statrs::distribution::ContinuousCDF as _;

use super::describe::{students_t, t_quantile, two_sided_t_p};
use super::{Degenerate, Estimate, check};

/// The mean of a `[num_seeds x num_images]` table and what its uncertainty consists of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossed {
    pub mean: f64,
    /// Of the mean, for new seeds and new images.
    pub standard_error: f64,
    /// Satterthwaite's.
    pub df: f64,
    /// Variance between seeds, beyond what single answers make of it.
    pub seed_variance: f64,
    /// Variance between images, likewise.
    pub image_variance: f64,
    /// Variance of single answers.
    pub rest_variance: f64,
    pub seeds: usize,
    pub images: usize,
}

/// The two-way analysis of `table`, `[num_seeds x num_images]`.
///
/// # Errors
/// If there are fewer than two seeds or images, rows differ in length, a value is not finite, or all are equal.
pub fn crossed(table: &[Vec<f64>]) -> Result<Crossed, Degenerate> {
    let n = table.len();
    if n < 2 {
        return Err(Degenerate::TooFew { have: n, need: 2 });
    }
    let m = table[0].len();
    for row in table {
        check(row, 2)?;
        if row.len() != m {
            return Err(Degenerate::Unpaired { left: m, right: row.len() });
        }
    }
    let (rows_n, columns_n) = (n as f64, m as f64);
    let rows: Vec<f64> = table.iter().map(|row| row.iter().sum::<f64>() / columns_n).collect();
    let mut columns = vec![0.0; m];
    for row in table {
        columns.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / rows_n);
    }
    let mean = rows.iter().sum::<f64>() / rows_n;
    let square_sum = |values: &[f64]| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let residual = |(row, of_row): (&Vec<f64>, &f64)| {
        row.iter().zip(&columns).map(|(value, column)| (value - of_row - column + mean).powi(2)).sum::<f64>()
    };
    let rest_df = (rows_n - 1.0) * (columns_n - 1.0);
    let seed = columns_n * square_sum(&rows) / (rows_n - 1.0);
    let image = rows_n * square_sum(&columns) / (columns_n - 1.0);
    let rest = table.iter().zip(&rows).map(residual).sum::<f64>() / rest_df;

    // (coefficient, mean square, degrees of freedom) of what n m Var(mean) is made of.
    let kept = [(seed, rows_n - 1.0), (image, columns_n - 1.0)].into_iter().filter(|(square, _)| *square > rest);
    let mut terms: Vec<(f64, f64, f64)> = kept.map(|(square, df)| (1.0, square, df)).collect();
    terms.push((1.0 - terms.len() as f64, rest, rest_df));
    let total: f64 = terms.iter().map(|(coefficient, square, _)| coefficient * square).sum();
    let scale = table.iter().flatten().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if total <= f64::EPSILON * scale * scale {
        return Err(Degenerate::ZeroVariance);
    }
    let spread: f64 = terms.iter().map(|(coefficient, square, df)| (coefficient * square).powi(2) / df).sum();
    Ok(Crossed {
        mean,
        standard_error: (total / (rows_n * columns_n)).sqrt(),
        df: total * total / spread,
        seed_variance: ((seed - rest) / columns_n).max(0.0),
        image_variance: ((image - rest) / rows_n).max(0.0),
        rest_variance: rest,
        seeds: n,
        images: m,
    })
}

impl Crossed {
    /// The mean with its two-sided t interval.
    ///
    /// # Errors
    /// If `level` is not within (0, 1).
    pub fn estimate(&self, level: f64) -> Result<Estimate, Degenerate> {
        let half = t_quantile(f64::midpoint(1.0, level), self.df)? * self.standard_error;
        Ok(Estimate { point: self.mean, interval: (self.mean - half, self.mean + half), level })
    }

    /// Two-sided p of a mean of zero.
    ///
    /// # Errors
    /// None for what [`crossed`] gives.
    pub fn p(&self) -> Result<f64, Degenerate> {
        two_sided_t_p(self.mean / self.standard_error, self.df)
    }

    /// p of equivalence within `±delta`: the larger of the two one-sided p values.
    ///
    /// # Errors
    /// If `delta` is not positive and finite.
    pub fn equivalence_p(&self, delta: f64) -> Result<f64, Degenerate> {
        if !(delta.is_finite() && delta > 0.0) {
            return Err(Degenerate::OutOfRange { name: "delta", value: delta });
        }
        let t = students_t(self.df)?;
        let above_lower = t.sf((self.mean + delta) / self.standard_error);
        let below_upper = t.cdf((self.mean - delta) / self.standard_error);
        Ok(above_lower.max(below_upper))
    }

    /// Variance of the mean of a study with `seeds` seeds and `images` images like these.
    #[must_use]
    pub fn variance_of_mean(&self, seeds: f64, images: f64) -> f64 {
        self.seed_variance / seeds + self.image_variance / images + self.rest_variance / (seeds * images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_any_spread_has_no_error_to_judge_by() {
        assert_eq!(crossed(&vec![vec![0.0; 5]; 3]), Err(Degenerate::ZeroVariance));
        assert_eq!(crossed(&vec![vec![0.1; 5]; 3]), Err(Degenerate::ZeroVariance));
        assert_eq!(crossed(&[vec![0.0, 1.0]]), Err(Degenerate::TooFew { have: 1, need: 2 }));
        assert_eq!(crossed(&[vec![0.0; 3], vec![0.0, 1.0]]), Err(Degenerate::Unpaired { left: 3, right: 2 }));
        assert_eq!(crossed(&[vec![0.0, f64::NAN], vec![0.0, 1.0]]), Err(Degenerate::NotFinite { index: 1 }));
    }

    #[test]
    fn rows_that_are_alike_leave_the_images_alone_to_judge_by() {
        // Every seed gives the same answers: the error is that of one row, however many seeds there are.
        let row: Vec<f64> = (0..40).map(|i| f64::from(i % 4 == 0)).collect();
        let two = crossed(&vec![row.clone(); 2]).unwrap();
        let ten = crossed(&vec![row.clone(); 10]).unwrap();
        assert!((two.standard_error - ten.standard_error).abs() < 1e-12);
        let plain = crate::standard_error(&row).unwrap();
        assert!((two.standard_error - plain).abs() < 1e-12 && (two.df - 39.0).abs() < 1e-9, "{two:?}");
    }

    #[test]
    fn more_seeds_and_more_images_make_the_mean_of_a_plan_more_certain() {
        let table: Vec<Vec<f64>> =
            (0..5).map(|s| (0..60).map(|i| f64::from((i * 7 + s * s * 11) % 10 < 3 + s % 2)).collect()).collect();
        let found = crossed(&table).unwrap();
        let now = found.variance_of_mean(5.0, 60.0);
        assert!(found.variance_of_mean(10.0, 60.0) < now && found.variance_of_mean(5.0, 120.0) < now);
        assert!(
            (now - found.standard_error.powi(2)).abs() < 1e-12 || found.seed_variance * found.image_variance == 0.0
        );
    }
}
