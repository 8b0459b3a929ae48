//! Looking early: how small a p value must be at each of several looks, so that all of them together find a difference that is
//! not there no more often than alpha says.
//!
//! Lan and `DeMets` (1983): a spending function says how much of alpha may be used up by a share of the data, and the looks need
//! not be equally far apart. Boundaries follow from the joint distribution of the test statistics, by the recursion of Armitage,
//! `McPherson` and Rowe (1969) over the statistic's value at the look before, here by Gauss-Legendre quadrature. They are those of
//! normal statistics; a t test with few pairs takes their two-sided p values as its own levels (Jennison and Turnbull 2000,
//! section 3.8). Each side spends half of alpha, so that both are equally strict.

use std::f64::consts::{E, PI};

use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous as _, ContinuousCDF as _, Normal};

use super::{Degenerate, check_probability};

/// Looks at most.
pub const MOST_LOOKS: usize = 50;

/// How alpha is spent as data come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spending {
    /// Little early, nearly all at the end, like the boundaries of O'Brien and Fleming (1979): `2 - 2 Φ(z / sqrt(t))` a side.
    #[default]
    ObrienFleming,
    /// About as much at each look, like those of Pocock (1977): `alpha ln(1 + (e - 1) t)`.
    Pocock,
}

/// Nodes of a quadrature at least, and further ones for each standard deviation of the step between two looks.
const LEAST_NODES: usize = 48;
const NODES_PER_STEP: f64 = 6.0;
/// Standard deviations beyond which a normal variable has no mass that a double adds to anything.
const FAR: f64 = 9.0;
/// Steps of a search at most: more than a double has bits.
const BISECTIONS: u32 = 70;
/// The highest boundary that is searched for. There the normal tail is near the smallest number that a double holds.
const HIGHEST: f64 = 37.0;
/// Error of a boundary, and relative error of an adjusted p.
const Z_TOLERANCE: f64 = 1e-11;
const P_TOLERANCE: f64 = 1e-9;

impl Spending {
    /// Alpha that may be used up, both sides together, by a share `t` of all data, 0 to 1.
    fn spent(self, alpha: f64, t: f64) -> f64 {
        let normal = standard();
        match self {
            Self::ObrienFleming => {
                let z = normal.inverse_cdf(1.0 - alpha / 4.0);
                4.0 * normal.sf(z / t.sqrt())
            }
            Self::Pocock => alpha * (1.0 + (E - 1.0) * t).ln(),
        }
    }
}

fn standard() -> Normal {
    Normal::standard()
}

/// Two-sided p values that a difference must stay below at each look, in the order of the looks, for a level `alpha` of all looks
/// together. `looks` are the numbers of pairs, rising; the last one has all data.
///
/// # Errors
/// If `alpha` is not within (0, 1), or looks are missing, too many, zero, or do not rise.
pub fn nominal_levels(spending: Spending, alpha: f64, looks: &[u32]) -> Result<Vec<f64>, Degenerate> {
    check_probability("alpha", alpha)?;
    let shares = shares(looks)?;
    let normal = standard();
    Ok(boundaries(spending, alpha, &shares).into_iter().map(|z| 2.0 * normal.sf(z)).collect())
}

/// The p value of a look, adjusted for all looks: the smallest level of all looks together at which `p` would be small enough at
/// look number `index`, from 0 (the repeated p value of Jennison and Turnbull 2000, section 9.3). With one look it is `p`.
///
/// # Errors
/// As [`nominal_levels`]; also if `p` is no probability or there is no such look.
pub fn look_adjusted_p(spending: Spending, looks: &[u32], index: usize, p: f64) -> Result<f64, Degenerate> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Degenerate::OutOfRange { name: "p", value: p });
    }
    let shares = shares(looks)?;
    if index >= shares.len() {
        return Err(Degenerate::OutOfRange { name: "look", value: index as f64 });
    }
    if shares.len() == 1 || p <= 0.0 || p >= 1.0 {
        return Ok(p);
    }
    let normal = standard();
    let shares = &shares[..=index];
    let reached = |alpha: f64| boundaries(spending, alpha, shares).last().is_some_and(|z| 2.0 * normal.sf(*z) >= p);
    // Whatever is found at a look is found at no smaller level than its own.
    let (mut low, mut high) = (p, 1.0 - 1e-12);
    if !reached(high) {
        return Ok(1.0);
    }
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
        if high - low <= P_TOLERANCE * high {
            break;
        }
    }
    Ok(high)
}

/// Shares of all data at each look.
fn shares(looks: &[u32]) -> Result<Vec<f64>, Degenerate> {
    if looks.len() > MOST_LOOKS {
        return Err(Degenerate::OutOfRange { name: "looks", value: looks.len() as f64 });
    }
    let Some(&all) = looks.last() else { return Err(Degenerate::TooFew { have: 0, need: 1 }) };
    if let Some(wrong) = looks.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(Degenerate::OutOfRange { name: "look", value: wrong[1].into() });
    }
    if looks[0] == 0 {
        return Err(Degenerate::OutOfRange { name: "look", value: 0.0 });
    }
    Ok(looks.iter().map(|&look| f64::from(look) / f64::from(all)).collect())
}

/// What has not stopped before a look: the distribution of `B(t) = Z(t) sqrt(t)`, as masses at nodes.
struct Going {
    share: f64,
    /// (value, weight of the quadrature times density).
    mass: Vec<(f64, f64)>,
}

impl Going {
    /// Probability that the step to a share `t` ends above `bound`.
    fn above(&self, t: f64, bound: f64) -> f64 {
        let (normal, sd) = (standard(), (t - self.share).sqrt());
        self.mass.iter().map(|(value, mass)| mass * normal.sf((bound - value) / sd)).sum()
    }

    /// Density at `b` of what goes on to a share `t`.
    fn density(&self, t: f64, b: f64) -> f64 {
        let (normal, sd) = (standard(), (t - self.share).sqrt());
        self.mass.iter().map(|(value, mass)| mass * normal.pdf((b - value) / sd) / sd).sum()
    }
}

/// Boundaries of |Z| at these shares of all data.
fn boundaries(spending: Spending, alpha: f64, shares: &[f64]) -> Vec<f64> {
    let mut found: Vec<f64> = Vec::new();
    // Before the first look all is at zero.
    let mut going = Going { share: 0.0, mass: vec![(0.0, 1.0)] };
    let mut before = 0.0;
    for (index, &t) in shares.iter().enumerate() {
        let spent = spending.spent(alpha, t);
        let z = solve(&going, t, (spent - before).max(0.0) / 2.0);
        before = spent;
        found.push(z);
        let Some(next) = shares.get(index + 1) else { break };
        let bound = z.min(FAR) * t.sqrt();
        let step = (next - t).min(t - going.share).sqrt();
        let nodes = LEAST_NODES + (NODES_PER_STEP * 2.0 * bound / step) as usize;
        let mass = legendre(nodes).into_iter().map(|(node, weight)| {
            let b = bound * node;
            (b, bound * weight * going.density(t, b))
        });
        going = Going { share: t, mass: mass.collect() };
    }
    found
}

/// The |Z| above which, at a share `t`, `wanted` of what goes on ends: Newton's method, kept within a bracket.
fn solve(going: &Going, t: f64, wanted: f64) -> f64 {
    let (mut low, mut high, mut z) = (0.0, HIGHEST, 2.0);
    for _ in 0..BISECTIONS {
        let bound = z * t.sqrt();
        let over = going.above(t, bound) - wanted;
        if over > 0.0 {
            low = z;
        } else {
            high = z;
        }
        let next = z + over / (going.density(t, bound) * t.sqrt());
        let next = if next > low && next < high { next } else { f64::midpoint(low, high) };
        if (next - z).abs() < Z_TOLERANCE {
            return next;
        }
        z = next;
    }
    z
}

/// Nodes and weights of Gauss-Legendre quadrature over -1 to 1, by Newton's method.
fn legendre(count: usize) -> Vec<(f64, f64)> {
    let n = count as f64;
    let node = |index: usize| {
        let mut x = (PI * (index as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut last, mut value) = (0.0, 1.0);
            for k in 0..count {
                let k = k as f64;
                (last, value) = (value, ((2.0 * k + 1.0) * x * value - k * last) / (k + 1.0));
            }
            slope = n * (x * value - last) / (x * x - 1.0);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(node).collect()
}

#[cfg(test)]
mod tests {
    use augtrial_base::seed::{Purpose, StudySeed, unit};

    use super::*;

    fn z(spending: Spending, looks: &[u32]) -> Vec<f64> {
        boundaries(spending, 0.05, &shares(looks).unwrap())
    }

    fn assert_near(got: &[f64], want: &[f64], tolerance: f64) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < tolerance, "{got} and {want}");
        }
    }

    /// Five equal looks at a two-sided 5 %: the example of Reboussin, `DeMets`, Kim and Lan (2000), and what R's `gsDesign` prints. More
    /// digits are compared with scipy, in tests/reference.rs.
    #[test]
    fn five_equal_looks_have_the_published_boundaries() {
        let looks = [1, 2, 3, 4, 5];
        assert_near(&z(Spending::ObrienFleming, &looks), &[4.877, 3.357, 2.680, 2.290, 2.031], 6e-4);
        assert_near(&z(Spending::Pocock, &looks), &[2.438, 2.427, 2.410, 2.397, 2.386], 6e-4);
    }

    #[test]
    fn one_look_is_the_ordinary_test_and_all_looks_spend_alpha() {
        for spending in [Spending::ObrienFleming, Spending::Pocock] {
            assert!((nominal_levels(spending, 0.05, &[9]).unwrap()[0] - 0.05).abs() < 1e-11);
            assert!((look_adjusted_p(spending, &[9], 0, 0.03).unwrap() - 0.03).abs() < 1e-12);
            assert!((spending.spent(0.05, 1.0) - 0.05).abs() < 1e-11);
        }
    }

    #[test]
    fn an_adjusted_p_is_alpha_where_p_is_the_nominal_level_and_never_below_p() {
        let looks = [4, 7, 10];
        for spending in [Spending::ObrienFleming, Spending::Pocock] {
            let levels = nominal_levels(spending, 0.05, &looks).unwrap();
            for (index, &level) in levels.iter().enumerate() {
                let adjusted = look_adjusted_p(spending, &looks, index, level).unwrap();
                assert!((adjusted - 0.05).abs() < 1e-7, "{spending:?}, look {index}: {adjusted}");
                let larger = look_adjusted_p(spending, &looks, index, 2.0 * level).unwrap();
                assert!(larger > adjusted && larger >= 2.0 * level, "{larger}");
            }
        }
    }

    /// Under no effect, with looks at 4, 7 and 10 pairs: normal statistics keep alpha. The t test at the same levels, with as few as
    /// three degrees of freedom, found a difference in 5.3 % (O'Brien-Fleming) and 5.4 % (Pocock) of 400,000 studies by numpy.
    #[test]
    fn normal_statistics_keep_alpha_over_three_looks_and_t_tests_of_few_pairs_nearly() {
        const STUDIES: u64 = 40_000;
        // Three standard errors of a count.
        const ERROR: f64 = 0.0034;
        let looks = [4_u32, 7, 10];
        for (spending, of_t) in [(Spending::ObrienFleming, 0.0527), (Spending::Pocock, 0.0538)] {
            let levels = nominal_levels(spending, 0.05, &looks).unwrap();
            let (mut normal, mut t) = (0_u32, 0_u32);
            for study in 0..STUDIES {
                let mut stream = StudySeed(3).stream(Purpose::Bootstrap { contrast: "looks" }, study);
                let mut draw = || (-2.0 * (1.0 - unit(&mut stream)).ln()).sqrt() * (2.0 * PI * unit(&mut stream)).cos();
                let values: Vec<f64> = (0..10).map(|_| draw()).collect();
                let at_some = |p: &dyn Fn(&[f64]) -> f64| {
                    looks.iter().zip(&levels).any(|(&look, level)| p(&values[..look as usize]) <= *level)
                };
                let of_sum = |x: &[f64]| 2.0 * standard().sf((x.iter().sum::<f64>() / (x.len() as f64).sqrt()).abs());
                normal += u32::from(at_some(&of_sum));
                t += u32::from(at_some(&|x| crate::paired_t(x, 0.95).map_or(1.0, |t| t.p)));
            }
            let share = |count: u32| f64::from(count) / STUDIES as f64;
            assert!((share(normal) - 0.05).abs() < ERROR, "{spending:?}: {}", share(normal));
            assert!((share(t) - of_t).abs() < ERROR, "{spending:?}: {}", share(t));
        }
    }

    #[test]
    fn looks_that_make_no_sense_are_refused() {
        for looks in [&[][..], &[0, 2], &[2, 2], &[3, 2]] {
            assert!(nominal_levels(Spending::Pocock, 0.05, looks).is_err(), "{looks:?}");
        }
        assert!(nominal_levels(Spending::Pocock, 1.0, &[1]).is_err());
        assert!(look_adjusted_p(Spending::Pocock, &[1, 2], 2, 0.1).is_err());
        assert!(look_adjusted_p(Spending::Pocock, &[1, 2], 0, f64::NAN).is_err());
    }
}
