//! Kernel distance: the squared maximum mean discrepancy of two sets of features under the kernel `(x.y / d + 1)^3` of
//! Binkowski, Sutherland, Arbel and Gretton 2018 ("Demystifying MMD GANs"), by the unbiased estimate of Gretton et al. 2012
//! (equation 3) on all images. The p value is by permutation (Gretton et al. 2012, section 5; Phipson and Smyth 2010).

use rand::seq::SliceRandom as _;
use rayon::prelude::*;

use augtrial_base::seed::{Fork, Stream};

use crate::features::{Features, Unmeasurable, product};

const WHAT: [&str; 2] = ["real images", "images of the set"];

/// The squared distance of two distributions, each known by at least 2 images. The estimate is unbiased: where they are the same it
/// is as often below 0 as above.
///
/// # Errors
/// If a side has fewer than 2 images, or the features are of two networks.
pub fn kernel_distance(real: &Features, set: &Features) -> Result<f64, Unmeasurable> {
    Ok(Pooled::new(real, set)?.distance())
}

/// The kernel of all pairs of two sets of images, of which one division after the other can be asked.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// Images of the first set; those of the second come after them.
    first: usize,
    all: usize,
    /// `[all, all]`.
    kernel: Vec<f64>,
    /// Sum of each row without its diagonal.
    rows: Vec<f64>,
    /// Sum over all pairs, each once.
    pairs: f64,
}

impl Pooled {
    /// # Errors
    /// As [`kernel_distance`].
    pub fn new(real: &Features, set: &Features) -> Result<Self, Unmeasurable> {
        real.check_with(set, 2, WHAT)?;
        let (first, all) = (real.len(), real.len() + set.len());
        let row = |image: usize| if image < first { real.row(image) } else { set.row(image - first) };
        let mut kernel = vec![0.0; all * all];
        kernel.par_chunks_exact_mut(all).enumerate().for_each(|(i, values)| {
            for (j, value) in values.iter_mut().enumerate() {
                // k(x, y) = (x.y / d + 1)^3
                *value = (product(row(i), row(j)) / real.width() as f64 + 1.0).powi(3);
            }
        });
        let rows: Vec<f64> =
            kernel.chunks_exact(all).enumerate().map(|(i, row)| row.iter().sum::<f64>() - row[i]).collect();
        let pairs = rows.iter().sum::<f64>() / 2.0;
        Ok(Self { first, all, kernel, rows, pairs })
    }

    /// The squared distance of the two sets.
    #[must_use]
    pub fn distance(&self) -> f64 {
        self.divided(&(0..self.first).collect::<Vec<_>>())
    }

    /// The same, if the images at these places were the first set.
    fn divided(&self, chosen: &[usize]) -> f64 {
        let within: f64 = chosen
            .iter()
            .enumerate()
            .map(|(place, &i)| {
                let row = &self.kernel[i * self.all..][..self.all];
                chosen[..place].iter().map(|&j| row[j]).sum::<f64>()
            })
            .sum();
        let across = chosen.iter().map(|&i| self.rows[i]).sum::<f64>() - 2.0 * within;
        let others = self.pairs - within - across;
        let (m, n) = (chosen.len() as f64, (self.all - chosen.len()) as f64);
        // sum k(x, x') / m(m - 1) + sum k(y, y') / n(n - 1) - 2 sum k(x, y) / mn, over ordered pairs
        2.0 * within / (m * (m - 1.0)) + 2.0 * others / (n * (n - 1.0)) - 2.0 * across / (m * n)
    }

    /// The squared distance after the images of both sets were shuffled.
    fn shuffled(&self, rng: &mut Stream) -> f64 {
        let mut places: Vec<usize> = (0..self.all).collect();
        places.shuffle(rng);
        self.divided(&places[..self.first])
    }
}

/// One-sided p of no difference, by permutation within every stratum: the share of shuffles whose weighted mean distance is at
/// least the one that was found, that one included, `(1 + extreme) / (1 + permutations)`. `strata` are classes with their weights.
#[must_use]
pub fn permutation_p(strata: &[(f64, Pooled)], permutations: u32, fork: &Fork) -> f64 {
    let mean =
        |of: &mut dyn FnMut(&Pooled) -> f64| strata.iter().map(|(weight, pooled)| weight * of(pooled)).sum::<f64>();
    let found = mean(&mut Pooled::distance);
    // Sums in another order differ in their last bits.
    let tie = 1e-12 * strata.iter().map(|(weight, pooled)| weight * pooled.pairs.abs()).sum::<f64>();
    let is_extreme = |number: u32| {
        let mut rng = fork.stream("permutation", number.into());
        mean(&mut |pooled| pooled.shuffled(&mut rng)) >= found - tie
    };
    let extreme = (0..permutations).into_par_iter().filter(|&number| is_extreme(number)).count();
    (1.0 + extreme as f64) / (1.0 + f64::from(permutations))
}

#[cfg(test)]
mod tests {
    use augtrial_base::seed::{Purpose, StudySeed};

    use super::*;
    use crate::testing::normal;

    fn fork(seed: u64) -> Fork {
        Fork::new(&mut StudySeed(seed).stream(Purpose::Gallery, 0))
    }

    #[test]
    fn the_same_distribution_has_p_values_all_over_and_another_a_small_one() {
        let p = |seed: u64, shift: f32| {
            let (a, b) = (normal(30, 4, seed, 0.0), normal(20, 4, seed + 1000, shift));
            permutation_p(&[(1.0, Pooled::new(&a, &b).unwrap())], 99, &fork(seed))
        };
        let same: Vec<f64> = (0..60).map(|seed| p(seed, 0.0)).collect();
        let below = |level: f64| same.iter().filter(|p| **p <= level).count();
        // Uniform: 60 draws leave these ranges in 1 of 500 cases, and the seeds are fixed.
        assert!((2..=15).contains(&below(0.1)) && (18..=42).contains(&below(0.5)), "{same:?}");
        assert!((0..10).all(|seed| p(seed, 1.0) == 0.01), "the smallest p of 99 permutations");
    }

    #[test]
    fn a_seed_is_obeyed_and_permutations_within_strata_see_no_difference_between_them() {
        let strata = |shift: f32| {
            let far = normal(20, 3, 5, 9.0);
            let halves = (far.select(&(0..10).collect::<Vec<_>>()), far.select(&(10..20).collect::<Vec<_>>()));
            let near = (normal(10, 3, 6, 0.0), normal(10, 3, 7, shift));
            [halves, near].map(|(a, b)| (0.5, Pooled::new(&a, &b).unwrap()))
        };
        let p = |seed| permutation_p(&strata(0.0), 199, &fork(seed));
        assert_eq!(p(1), p(1));
        assert!((2..8).any(|seed| p(seed) != p(1)));
        assert!(p(1) > 0.02, "classes lie apart, but not their halves: {}", p(1));
    }

    #[test]
    fn too_few_images_and_two_networks_are_told() {
        let (one, some) = (normal(1, 4, 1, 0.0), normal(5, 4, 2, 0.0));
        let error = kernel_distance(&some, &one).unwrap_err().to_string();
        assert_eq!(error, "needs at least 2 images of the set, there is 1");
        let error = kernel_distance(&some, &normal(5, 3, 2, 0.0)).unwrap_err().to_string();
        assert_eq!(error, "features of 4 and of 3 values cannot be compared: use one network for both");
    }

    #[test]
    fn images_that_are_all_one_have_no_distance_and_p_one() {
        let one = Features::new(2, [1.0, 0.5].repeat(6)).unwrap();
        let pooled = Pooled::new(&one, &one).unwrap();
        assert!(pooled.distance().abs() < 1e-12);
        assert_eq!(permutation_p(&[(1.0, pooled)], 99, &fork(1)), 1.0);
    }
}
