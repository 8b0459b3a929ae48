//! The Vendi score (Friedman and Dieng 2023, definition 3.1): how many images of a set are different ones, as `exp` of the entropy
//! of the eigenvalues of their similarities, by the cosine. It grows with the number of images, so that sets are compared at equal
//! numbers only.

use rayon::prelude::*;

use super::eigen::eigenvalues;
use crate::features::{Features, Unmeasurable, product};

/// From 1, all images alike, to the number of images or of features, whichever is smaller.
///
/// # Errors
/// If there is no image, or one whose features are all zero.
pub fn vendi(features: &Features) -> Result<f64, Unmeasurable> {
    let (n, width) = (features.len(), features.width());
    if n == 0 {
        return Err(Unmeasurable::TooFew { what: "images", have: 0, need: 1 });
    }
    let norms: Vec<f64> = (0..n).map(|image| product(features.row(image), features.row(image)).sqrt()).collect();
    if let Some(image) = norms.iter().position(|norm| *norm == 0.0) {
        return Err(Unmeasurable::NoDirection { image });
    }
    // X X' / n and X' X / n have the same eigenvalues beside zeros: the smaller one is taken.
    let side = n.min(width);
    let mut matrix = vec![0.0; side * side];
    if n <= width {
        matrix.par_chunks_exact_mut(side).enumerate().for_each(|(i, row)| {
            for (j, value) in row[..=i].iter_mut().enumerate() {
                *value = product(features.row(i), features.row(j)) / (norms[i] * norms[j] * n as f64);
            }
        });
    } else {
        matrix.par_chunks_exact_mut(side).enumerate().for_each(|(i, row)| {
            for (image, norm) in norms.iter().enumerate() {
                let of_image = features.row(image);
                let factor = f64::from(of_image[i]) / (norm * norm * n as f64);
                row[..=i].iter_mut().zip(of_image).for_each(|(value, &x)| *value += factor * f64::from(x));
            }
        });
    }
    // exp(-sum l ln l)
    let entropy: f64 = eigenvalues(matrix, side).into_iter().filter(|l| *l > 0.0).map(|l| -l * l.ln()).sum();
    Ok(entropy.exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    #[test]
    fn it_counts_what_is_different_and_no_length_of_features() {
        let score = |width, values: Vec<f32>| vendi(&Features::new(width, values).unwrap()).unwrap();
        assert!((score(2, [0.3, 0.4].repeat(7)) - 1.0).abs() < 1e-12, "one image");
        assert!((score(3, vec![5.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 2.0]) - 3.0).abs() < 1e-12, "three images");
        let pairs = [1.0, 0.0, 0.0, 1.0].repeat(4);
        assert!((score(2, pairs) - 2.0).abs() < 1e-12, "two, four times each");
        assert!((score(5, vec![1.0, 0.0, 2.0, 0.0, 0.0]) - 1.0).abs() < 1e-12, "a single image");
    }

    #[test]
    fn it_grows_with_the_number_of_images() {
        let all = normal(200, 64, 3, 0.0);
        let of = |n: usize| vendi(&all.select(&(0..n).collect::<Vec<_>>())).unwrap();
        assert!(of(20) < of(60) && of(60) < of(200) && of(200) < 64.0);
    }

    #[test]
    fn no_image_and_an_image_without_direction_are_told() {
        let empty = Features::new(4, Vec::new()).unwrap();
        assert_eq!(vendi(&empty).unwrap_err().to_string(), "needs at least 1 images, there are 0");
        let blank = Features::new(2, vec![1.0, 1.0, 0.0, 0.0]).unwrap();
        assert_eq!(vendi(&blank), Err(Unmeasurable::NoDirection { image: 1 }));
    }
}
