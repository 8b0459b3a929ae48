//! Precision and recall (Kynkäänniemi et al. 2019, section 2), density and coverage (Naeem et al. 2020, section 3): how two sets
//! of images cover each other, where an image covers the ball around it that reaches to its k-th nearest neighbor.
//!
//! As the package prdc 0.2: an image is not its own neighbor, and lies in a ball if it is nearer than the radius, not if it is as
//! near. Real and set are not exchangeable: precision, density and coverage use the balls of the real images, recall those of the
//! set's.

use rayon::prelude::*;

use crate::features::{Features, Unmeasurable, squared_distance};

/// What the neighborhoods of two sets say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manifold {
    /// Share of the set's images in the ball of a real image.
    pub precision: f64,
    /// Share of the real images in the ball of an image of the set.
    pub recall: f64,
    /// Balls of real images that an image of the set lies in, on average, over k: about 1 for the same distribution; no upper bound.
    pub density: f64,
    /// Share of the real images with an image of the set in their ball.
    pub coverage: f64,
}

/// Compares the images of a set with real ones by the `k` nearest neighbors.
///
/// # Errors
/// If `k` is 0, a side has at most `k` images, the features are of two networks, or all images of a side are alike: then no ball
/// has a size.
pub fn manifold(real: &Features, set: &Features, k: usize) -> Result<Manifold, Unmeasurable> {
    const WHAT: [&str; 2] = ["real images", "images of the set"];
    if k == 0 {
        return Err(Unmeasurable::NoNeighbor { k });
    }
    real.check_with(set, k + 1, WHAT)?;
    let (balls_of_real, balls_of_set) = (radii(real, k), radii(set, k));
    for (features, what) in [real, set].into_iter().zip(WHAT) {
        if (1..features.len()).all(|image| features.row(image) == features.row(0)) {
            return Err(Unmeasurable::AllAlike { what });
        }
    }
    // One row per real image; all in squares, which order as distances do.
    let rows: Vec<Row> = (0..real.len())
        .into_par_iter()
        .map(|image| {
            let distances = (0..set.len()).map(|other| squared_distance(real.row(image), set.row(other)));
            let mut row = Row { in_ball_of_real: vec![false; set.len()], in_ball_of_set: false };
            for (other, distance) in distances.enumerate() {
                row.in_ball_of_real[other] = distance < balls_of_real[image];
                row.in_ball_of_set |= distance < balls_of_set[other];
            }
            row
        })
        .collect();
    let (reals, images) = (real.len() as f64, set.len() as f64);
    let of_set = |other: usize| rows.iter().filter(|row| row.in_ball_of_real[other]).count();
    let balls: Vec<usize> = (0..set.len()).map(of_set).collect();
    let share = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count() as f64 / reals;
    Ok(Manifold {
        precision: balls.iter().filter(|balls| **balls > 0).count() as f64 / images,
        recall: share(&|row| row.in_ball_of_set),
        density: balls.iter().sum::<usize>() as f64 / (k as f64 * images),
        coverage: share(&|row| row.in_ball_of_real.contains(&true)),
    })
}

/// What holds of one real image.
struct Row {
    /// Of every image of the set, whether it lies in this image's ball.
    in_ball_of_real: Vec<bool>,
    in_ball_of_set: bool,
}

/// The squared distance of every image to its k-th nearest other one.
fn radii(features: &Features, k: usize) -> Vec<f64> {
    let radius = |image: usize| {
        let others = (0..features.len()).filter(|&other| other != image);
        let mut distances: Vec<f64> =
            others.map(|other| squared_distance(features.row(image), features.row(other))).collect();
        *distances.select_nth_unstable_by(k - 1, f64::total_cmp).1
    };
    (0..features.len()).into_par_iter().map(radius).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    #[test]
    fn a_set_of_one_mode_is_precise_and_covers_little() {
        let narrow = Features::new(4, normal(60, 4, 2, 0.0).rows().flatten().map(|value| value * 0.1).collect());
        let found = manifold(&normal(60, 4, 1, 0.0), &narrow.unwrap(), 3).unwrap();
        assert!(found.precision > 0.9 && found.recall < 0.3, "{found:?}");
        assert!(found.density > 1.0 && found.coverage < 0.7, "{found:?}");
    }

    #[test]
    fn far_away_nothing_is_covered() {
        let found = manifold(&normal(20, 4, 1, 0.0), &normal(20, 4, 2, 100.0), 5).unwrap();
        assert_eq!(found, Manifold { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 });
    }

    #[test]
    fn an_image_on_the_rim_of_a_ball_lies_outside_it() {
        // Two real images a distance of 1 apart have balls of radius 1; the set's images lie on both rims.
        let real = Features::new(1, vec![0.0, 1.0]).unwrap();
        let set = Features::new(1, vec![2.0, -1.0]).unwrap();
        let found = manifold(&real, &set, 1).unwrap();
        assert_eq!((found.precision, found.density, found.coverage), (0.0, 0.0, 0.0));
        assert_eq!(found.recall, 1.0, "the balls of the set have radius 3");
    }

    #[test]
    fn what_cannot_be_measured_is_told_in_words() {
        let some = normal(6, 4, 1, 0.0);
        let told = |real: &Features, set: &Features, k| manifold(real, set, k).unwrap_err().to_string();
        assert_eq!(told(&some, &normal(5, 4, 2, 0.0), 5), "needs at least 6 images of the set, there are 5");
        assert_eq!(told(&some, &some, 0), "k is 0: count at least 1 neighbor");
        let one = Features::new(4, [1.0, 0.5, 0.0, 2.0].repeat(9)).unwrap();
        assert_eq!(
            told(&one, &some, 3),
            "all real images have equal features, so that no distance tells them apart: look whether they are one image"
        );
        assert!(told(&some, &one, 3).starts_with("all images of the set have equal features"));
    }
}
