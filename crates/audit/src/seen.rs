//! What a network sees in the pictures of a data set: which stand apart from all others, and which pairs with near hashes it takes
//! for one thing though their structure differs. Distances are 1 less the cosine of features.

use rayon::prelude::*;
use serde::Serialize;

use augtrial_data::manifest::Manifest;

use crate::findings::straddle;
use crate::near::{TooManyPairs, pairs_within};
use crate::survey::Survey;

/// Neighbors whose mean distance says how far a picture stands apart.
const NEIGHBORS: usize = 10;
/// Interquartile ranges beyond the upper quartile from which on a distance is an outlier's: cleanvision's rule for odd sizes.
const RANGES: f64 = 3.0;
/// Pictures that are compared with as many others at a time: both stay in the second cache of a core.
const BLOCK: usize = 64;
/// Partial sums of a product: as many as two wide registers hold, so that they are added side by side.
const LANES: usize = 16;
/// Cosine of features from which on two pictures with near hashes look alike to a network.
pub const LEAST_COSINE: f64 = 0.95;

/// Features of every picture of a data set, `[N, width]`, in the order of its manifest, each of length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureFeatures {
    width: usize,
    values: Vec<f32>,
}

/// Features that cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    #[error(
        "{values} values are no rows of {width} features for {images} pictures: they are of another data set or network"
    )]
    Shape { values: usize, width: usize, images: usize },
    #[error("the features of picture {image} have no direction, or are not finite: use another network")]
    NoDirection { image: usize },
}

/// A picture that stands apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outlier {
    pub image: usize,
    /// Mean distance to its ten nearest others, 0 to 2.
    pub distance: f64,
    /// From which distance on a picture of this data set stands apart.
    pub threshold: f64,
}

/// Two pictures with near hashes that a network takes for one thing and whose structure differs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Alike {
    pub a: usize,
    pub b: usize,
    /// Bits of the hash that differ.
    pub distance: u32,
    pub cosine: f64,
    /// Whether their classes differ.
    pub contradicting: bool,
    /// Whether the data set puts them into two parts.
    pub straddling: bool,
}

impl PictureFeatures {
    /// Rows of `width` values for each of `images` pictures.
    ///
    /// # Errors
    /// [`FeatureError`]: not as many, or a row of no direction.
    pub fn new(images: usize, width: usize, mut values: Vec<f32>) -> Result<Self, FeatureError> {
        if width == 0 || values.len() != images * width {
            return Err(FeatureError::Shape { values: values.len(), width, images });
        }
        for (image, row) in values.chunks_exact_mut(width).enumerate() {
            let length = row.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
            if !length.is_finite() || length <= 0.0 {
                return Err(FeatureError::NoDirection { image });
            }
            for value in row {
                *value = (f64::from(*value) / length) as f32;
            }
        }
        Ok(Self { width, values })
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no picture.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn row(&self, image: usize) -> &[f32] {
        &self.values[image * self.width..][..self.width]
    }

    /// Cosine of two pictures' features, -1 to 1.
    #[must_use]
    pub fn cosine(&self, a: usize, b: usize) -> f64 {
        f64::from(product(self.row(a), self.row(b)))
    }

    /// The pictures that stand apart, the furthest first. Every two are compared, block by block.
    #[must_use]
    pub fn outliers(&self) -> Vec<Outlier> {
        let distances = self.distances();
        let Some(threshold) = threshold(&distances) else { return Vec::new() };
        let mut found: Vec<Outlier> = distances
            .into_iter()
            .enumerate()
            .filter(|&(_, distance)| distance > threshold)
            .map(|(image, distance)| Outlier { image, distance, threshold })
            .collect();
        found.sort_by(|a, b| b.distance.total_cmp(&a.distance).then(a.image.cmp(&b.image)));
        found
    }

    /// Mean distance of every picture to its nearest others.
    fn distances(&self) -> Vec<f64> {
        let (images, neighbors) = (self.len(), NEIGHBORS.min(self.len().saturating_sub(1)));
        let of_block = |first: usize| {
            let rows = first..(first + BLOCK).min(images);
            let mut nearest = vec![vec![f32::NEG_INFINITY; neighbors]; rows.len()];
            for second in (0..images).step_by(BLOCK) {
                let columns = second..(second + BLOCK).min(images);
                for (row, nearest) in rows.clone().zip(&mut nearest) {
                    for column in columns.clone().filter(|&column| column != row) {
                        insert(nearest, product(self.row(row), self.row(column)));
                    }
                }
            }
            let mean = |nearest: Vec<f32>| {
                let sum: f64 = nearest.iter().map(|&cosine| 1.0 - f64::from(cosine).min(1.0)).sum();
                sum / neighbors.max(1) as f64
            };
            nearest.into_iter().map(mean).collect::<Vec<f64>>()
        };
        (0..images.div_ceil(BLOCK)).into_par_iter().flat_map(|block| of_block(block * BLOCK)).collect()
    }
}

impl Survey {
    /// Pairs with near hashes that these features find alike, and whose structure was not; those that contradict or straddle parts
    /// first, then the most alike.
    ///
    /// # Errors
    /// [`TooManyPairs`], as the survey itself.
    pub fn alike(&self, features: &PictureFeatures, manifest: &Manifest) -> Result<Vec<Alike>, TooManyPairs> {
        let repeated: std::collections::BTreeSet<usize> =
            self.same_pixels.iter().flat_map(|same| same[1..].iter().copied()).collect();
        let firsts: Vec<usize> = (0..self.signatures.len()).filter(|at| !repeated.contains(at)).collect();
        let hashes: Vec<_> = firsts.iter().map(|&at| self.signatures[at].hash).collect();
        let confirmed: std::collections::BTreeSet<(usize, usize)> =
            self.near.iter().map(|pair| (pair.a, pair.b)).collect();
        let mut found: Vec<Alike> = pairs_within(&hashes, self.reach.radius)?
            .into_iter()
            .map(|pair| (firsts[pair.a as usize], firsts[pair.b as usize], pair.distance))
            .filter(|&(a, b, _)| !confirmed.contains(&(a, b)))
            .filter_map(|(a, b, distance)| {
                let cosine = features.cosine(a, b);
                let (first, second) = (&manifest.images[a], &manifest.images[b]);
                let (contradicting, straddling) = (first.class != second.class, straddle(first, second));
                (cosine >= LEAST_COSINE).then_some(Alike { a, b, distance, cosine, contradicting, straddling })
            })
            .collect();
        found.sort_by(|x, y| y.cosine.total_cmp(&x.cosine).then((x.a, x.b).cmp(&(y.a, y.b))));
        found.sort_by_key(|pair| (!pair.contradicting, !pair.straddling));
        Ok(found)
    }
}

/// Keeps the largest cosines, sorted from the largest on.
fn insert(nearest: &mut [f32], cosine: f32) {
    let Some(last) = nearest.last() else { return };
    if cosine <= *last {
        return;
    }
    let at = nearest.partition_point(|&kept| kept >= cosine);
    nearest[at..].rotate_right(1);
    nearest[at] = cosine;
}

/// `x . y`, in f32: features have length 1, and a distance is told to three digits.
fn product(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (left, right) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += x * y);
    }
    sums.iter().sum::<f32>() + rest
}

/// Three interquartile ranges beyond the upper quartile; nothing of fewer than four distances.
fn threshold(distances: &[f64]) -> Option<f64> {
    if distances.len() < 4 {
        return None;
    }
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Linear between ranks, as numpy's `quantile` does.
    let quantile = |share: f64| {
        let rank = share * (sorted.len() - 1) as f64;
        let below = rank.floor() as usize;
        let above = (below + 1).min(sorted.len() - 1);
        sorted[below] + (sorted[above] - sorted[below]) * (rank - below as f64)
    };
    let (lower, upper) = (quantile(0.25), quantile(0.75));
    Some(upper + RANGES * (upper - lower))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stands_apart_is_found_and_one_picture_or_equal_ones_stand_apart_from_nothing() {
        let mut values: Vec<f32> = (0..40).flat_map(|i| [1.0, 0.02 * (i % 2) as f32, 0.0]).collect();
        values.extend([0.0, 0.0, 5.0]);
        let found = PictureFeatures::new(41, 3, values).unwrap().outliers();
        assert_eq!(found.iter().map(|outlier| outlier.image).collect::<Vec<_>>(), [40]);
        assert!(found[0].distance > 0.9 && found[0].threshold < 0.1, "{found:?}");
        let alike = |images: usize| PictureFeatures::new(images, 2, [3.0, 4.0].repeat(images)).unwrap().outliers();
        assert!(alike(1).is_empty() && alike(50).is_empty() && alike(0).is_empty());
    }

    #[test]
    fn features_of_another_data_set_and_rows_without_direction_are_refused() {
        assert_eq!(
            PictureFeatures::new(3, 2, vec![1.0; 4]),
            Err(FeatureError::Shape { values: 4, width: 2, images: 3 })
        );
        for bad in [vec![1.0, 0.0, 0.0, 0.0], vec![1.0, 0.0, f32::NAN, 1.0], vec![1.0, 0.0, f32::INFINITY, 1.0]] {
            assert_eq!(PictureFeatures::new(2, 2, bad), Err(FeatureError::NoDirection { image: 1 }));
        }
    }

    /// Drawn in double precision: once in 10 million, proptest 1.12 draws an f32 outside of its range, and panics.
    fn value() -> impl Strategy<Value = f32> {
        (0.1_f64..1.0).prop_map(|value| value as f32)
    }

    proptest! {
        #[test]
        fn distances_are_those_of_a_plain_search(rows in prop::collection::vec(prop::array::uniform3(value()), 0..150)) {
            let features = PictureFeatures::new(rows.len(), 3, rows.iter().flatten().copied().collect()).unwrap();
            for (image, &found) in features.distances().iter().enumerate() {
                let mut others: Vec<f64> = (0..rows.len())
                    .filter(|&other| other != image)
                    .map(|other| 1.0 - features.cosine(image, other).min(1.0))
                    .collect();
                others.sort_by(f64::total_cmp);
                let nearest = &others[..others.len().min(NEIGHBORS)];
                let expected = nearest.iter().sum::<f64>() / nearest.len().max(1) as f64;
                prop_assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }
}
