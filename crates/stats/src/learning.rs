//! A learning curve: a metric, higher is better, against the number of training images `n`.
//!
//! The curve is `a - b n^-c` with `b, c > 0`, by least squares (an inverse power law; Cortes et al. 1994, Figueroa et al. 2012).
//! For a given `c` it is linear in `a` and `b`, so that one number is searched (variable projection; Golub and Pereyra 1973).
//! Where no such curve fits better than the ends of the search, the points are made monotone (isotonic regression) and joined by
//! straight lines over `ln n`, which says nothing beyond the points.

use super::{Degenerate, check};

/// Exponents that are searched. Below, the curve is a logarithm without a limit; above, a step.
const EXPONENTS: (f64, f64) = (0.02, 8.0);
/// Exponents of the first, coarse search; evenly spaced on the log scale.
const COARSE: usize = 240;
/// Steps of the golden section, each of which leaves 0.62 of the interval.
const REFINED: usize = 120;
/// Sizes that the three parameters need.
const LEAST_SIZES: usize = 3;

/// A fitted curve.
#[derive(Clone, Debug, PartialEq)]
pub enum LearningCurve {
    Power(PowerLaw),
    /// The monotone interpolation, where no power law fits.
    Joined(Joined),
}

/// `a - b n^-c`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    pub a: f64,
    pub b: f64,
    pub c: f64,
    /// Smallest and largest `n` that it was fitted to.
    pub sizes: (f64, f64),
}

/// Points that never fall, by `n`, joined by straight lines over `ln n`.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined(Vec<(f64, f64)>);

/// The number of training images at which a curve has a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// Among the sizes that were measured.
    Within(f64),
    /// Fewer or more than were measured: extrapolated.
    Beyond(f64),
    /// The curve never comes so low, or says nothing of where.
    Below,
    /// The curve never comes so high, or says nothing of where.
    Above,
}

/// Fits a learning curve to a metric that is better when higher. `sizes[i]` training images gave `values[i]`; a size may repeat.
///
/// # Errors
/// Lists of unequal length, fewer than two different sizes, a size that is not above zero, or a value that is not finite.
pub fn learning_curve(sizes: &[f64], values: &[f64]) -> Result<LearningCurve, Degenerate> {
    if sizes.len() != values.len() {
        return Err(Degenerate::Unpaired { left: sizes.len(), right: values.len() });
    }
    check(sizes, 2)?;
    check(values, 2)?;
    if let Some(&value) = sizes.iter().find(|size| **size <= 0.0) {
        return Err(Degenerate::OutOfRange { name: "size", value });
    }
    let mut points: Vec<(f64, f64)> = sizes.iter().copied().zip(values.iter().copied()).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut distinct: Vec<f64> = points.iter().map(|point| point.0).collect();
    distinct.dedup();
    if distinct.len() < 2 {
        return Err(Degenerate::TooFew { have: distinct.len(), need: 2 });
    }
    let law = if distinct.len() < LEAST_SIZES { None } else { power_law(&points) };
    Ok(law.map_or_else(|| LearningCurve::Joined(joined(&points)), LearningCurve::Power))
}

/// The least squares power law, unless the best is at an end of the search or does not rise.
fn power_law(points: &[(f64, f64)]) -> Option<PowerLaw> {
    let (smallest, largest) = (points[0].0, points[points.len() - 1].0);
    let (low, high) = (EXPONENTS.0.ln(), EXPONENTS.1.ln());
    let step = (high - low) / (COARSE - 1) as f64;
    let at = |index: usize| low + index as f64 * step;
    let loss = |ln_c: f64| line(points, smallest, ln_c.exp()).2;
    let best = (0..COARSE).min_by(|&a, &b| loss(at(a)).total_cmp(&loss(at(b))))?;
    if best == 0 || best + 1 == COARSE {
        return None;
    }
    let ln_c = golden(loss, at(best - 1), at(best + 1));
    let c = ln_c.exp();
    let (a, b, _) = line(points, smallest, c);
    // In units of the smallest size the numbers stay small; here they are in images.
    let b = b * smallest.powf(c);
    (b > 0.0 && b.is_finite()).then_some(PowerLaw { a, b, c, sizes: (smallest, largest) })
}

/// For one exponent: `a`, `b` with sizes in units of `unit`, and the sum of squares. A curve that falls is a flat one.
fn line(points: &[(f64, f64)], unit: f64, c: f64) -> (f64, f64, f64) {
    let count = points.len() as f64;
    let x = |size: f64| -(size / unit).powf(-c);
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(sx, sy), &(n, y)| (sx + x(n) / count, sy + y / count));
    let (mut xx, mut xy) = (0.0, 0.0);
    for &(n, y) in points {
        xx += (x(n) - mean_x).powi(2);
        xy += (x(n) - mean_x) * (y - mean_y);
    }
    let b = if xx > 0.0 { (xy / xx).max(0.0) } else { 0.0 };
    let a = mean_y - b * mean_x;
    (a, b, points.iter().map(|&(n, y)| (y - a - b * x(n)).powi(2)).sum())
}

/// The minimum of a function with one valley between two ends.
fn golden(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let share = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..REFINED {
        let (left, right) = (high - share * (high - low), low + share * (high - low));
        if f(left) <= f(right) { high = right } else { low = left }
    }
    f64::midpoint(low, high)
}

/// Pools neighbors that fall until nothing falls (isotonic regression; Ayer et al. 1955), then one point for each size.
fn joined(points: &[(f64, f64)]) -> Joined {
    // Values of one size are one block from the beginning.
    let mut blocks: Vec<(f64, f64, Vec<f64>)> = Vec::new(); // sum, weight, sizes
    for &(n, y) in points {
        match blocks.last_mut() {
            Some((sum, weight, sizes)) if sizes == &[n] => {
                *sum += y;
                *weight += 1.0;
            }
            _ => blocks.push((y, 1.0, vec![n])),
        }
    }
    let mut pooled: Vec<(f64, f64, Vec<f64>)> = Vec::new();
    for block in blocks {
        pooled.push(block);
        while let [.., before, last] = pooled.as_slice()
            && before.0 / before.1 > last.0 / last.1
        {
            let (sum, weight, sizes) = pooled.pop().expect("there are two");
            let before = pooled.last_mut().expect("there is one left");
            before.0 += sum;
            before.1 += weight;
            before.2.extend(sizes);
        }
    }
    Joined(
        pooled.into_iter().flat_map(|(sum, weight, sizes)| sizes.into_iter().map(move |n| (n, sum / weight))).collect(),
    )
}

impl LearningCurve {
    /// The curve's value at `n` training images; at the ends of a joined curve, the value of the end.
    #[must_use]
    pub fn at(&self, n: f64) -> f64 {
        match self {
            Self::Power(law) => law.a - law.b * n.powf(-law.c),
            Self::Joined(Joined(points)) => {
                let next = points.partition_point(|point| point.0 < n);
                match (next.checked_sub(1).map(|before| points[before]), points.get(next)) {
                    (None, Some(&(_, y))) | (Some((_, y)), None) => y,
                    (Some((n0, y0)), Some(&(n1, y1))) => y0 + (y1 - y0) * (n / n0).ln() / (n1 / n0).ln(),
                    (None, None) => f64::NAN, // a curve has two points
                }
            }
        }
    }

    /// The fewest training images at which the curve has this value.
    #[must_use]
    pub fn reach(&self, value: f64) -> Reach {
        match self {
            Self::Power(law) => {
                if value >= law.a {
                    return Reach::Above;
                }
                let n = (law.b / (law.a - value)).powf(1.0 / law.c);
                if n == 0.0 {
                    Reach::Below
                } else if !n.is_finite() {
                    Reach::Above
                } else if n < law.sizes.0 || n > law.sizes.1 {
                    Reach::Beyond(n)
                } else {
                    Reach::Within(n)
                }
            }
            Self::Joined(Joined(points)) => {
                let (first, last) = (points[0], points[points.len() - 1]);
                if value < first.1 {
                    return Reach::Below;
                }
                if value > last.1 {
                    return Reach::Above;
                }
                let next = points.partition_point(|point| point.1 < value);
                let (n1, y1) = points[next];
                if next == 0 || y1 == value {
                    return Reach::Within(n1);
                }
                let (n0, y0) = points[next - 1];
                Reach::Within(n0 * ((value - y0) / (y1 - y0) * (n1 / n0).ln()).exp())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined_of(values: &[f64]) -> LearningCurve {
        let sizes: Vec<f64> = (0..values.len()).map(|i| 10.0 * 2.0_f64.powi(i as i32)).collect();
        learning_curve(&sizes, values).unwrap()
    }

    #[test]
    fn what_falls_or_has_two_sizes_is_joined_and_says_nothing_beyond_its_points() {
        let curve = joined_of(&[0.5, 0.7]);
        assert!(matches!(curve, LearningCurve::Joined(_)));
        // Half way on the log scale.
        let Reach::Within(n) = curve.reach(0.6) else { panic!() };
        assert!((n - 10.0 * 2.0_f64.sqrt()).abs() < 1e-9 && (curve.at(n) - 0.6).abs() < 1e-12);
        assert_eq!((curve.reach(0.49), curve.reach(0.71)), (Reach::Below, Reach::Above));
        assert_eq!((curve.at(1.0), curve.at(1e6)), (0.5, 0.7));
        let falling = joined_of(&[0.7, 0.6, 0.5]);
        assert_eq!(falling.at(20.0), 0.6, "what falls is pooled to its mean");
        assert_eq!(falling.reach(0.6), Reach::Within(10.0), "the fewest images");
    }

    #[test]
    fn a_power_law_that_made_the_points_is_found_and_never_comes_to_its_limit() {
        let sizes: [f64; 4] = [25.0, 50.0, 100.0, 200.0];
        let values = sizes.map(|n| 0.9 - 2.0 * n.powf(-0.6));
        let curve = learning_curve(&sizes, &values).unwrap();
        let LearningCurve::Power(law) = &curve else { panic!("{curve:?}") };
        assert!((law.a - 0.9).abs() < 1e-6 && (law.b - 2.0).abs() < 1e-4 && (law.c - 0.6).abs() < 1e-5, "{law:?}");
        let Reach::Beyond(n) = curve.reach(0.9 - 2.0 * 400.0_f64.powf(-0.6)) else { panic!() };
        assert!((n / 400.0 - 1.0).abs() < 1e-4);
        assert_eq!(curve.reach(0.95), Reach::Above);
    }

    #[test]
    fn input_without_a_curve_says_why() {
        assert_eq!(learning_curve(&[1.0], &[1.0, 2.0]), Err(Degenerate::Unpaired { left: 1, right: 2 }));
        assert_eq!(learning_curve(&[5.0, 5.0], &[0.1, 0.2]), Err(Degenerate::TooFew { have: 1, need: 2 }));
        assert!(matches!(learning_curve(&[0.0, 5.0], &[0.1, 0.2]), Err(Degenerate::OutOfRange { .. })));
        assert!(matches!(learning_curve(&[1.0, 5.0], &[0.1, f64::NAN]), Err(Degenerate::NotFinite { index: 1 })));
    }

    proptest! {
        #[test]
        fn every_curve_rises_and_reach_undoes_at(values in proptest::collection::vec(0.0..1.0_f64, 2..7), n in 10.0..300.0_f64) {
            let curve = joined_of(&values);
            let sizes: Vec<f64> = (0..60).map(|i| 10.0 * 1.08_f64.powi(i)).collect();
            prop_assert!(sizes.windows(2).all(|pair| curve.at(pair[0]) <= curve.at(pair[1]) + 1e-12));
            if let Reach::Within(found) | Reach::Beyond(found) = curve.reach(curve.at(n)) {
                prop_assert!((curve.at(found) - curve.at(n)).abs() < 1e-7);
            }
        }
    }
}
