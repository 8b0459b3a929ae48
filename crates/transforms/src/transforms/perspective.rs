//! `perspective`: the four corners move. Reference: torchvision v2 `RandomPerspective` on uint8 tensors; exact with
//! `nearest`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{chance, up_to};
use crate::kernels::warp;
use crate::{Augmenter, Described, Fill, Interpolation, Sampling, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Moves every corner inwards by a random amount, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Perspective {
    /// Largest move of a corner, as a share of half of each side.
    pub distortion: f64,
    /// Probability.
    pub p: f64,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for Perspective {
    fn default() -> Self {
        Self { distortion: 0.5, p: 0.5, interpolation: Interpolation::Bilinear, fill: Fill::default() }
    }
}

impl Described for Perspective {
    const SOURCE: &str = "torchvision `RandomPerspective`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("distortion", self.distortion, 0.0, 1.0), Limit::number("p", self.p, 0.0, 1.0)]
    }

    fn example() -> Self {
        Self { p: 1.0, ..Self::default() }
    }
}

/// Columns and rows of the corners, from the top left one clockwise, px.
pub type Corners = [[u32; 2]; 4];

impl Augmenter for Perspective {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        if !chance(self.p, rng) {
            return image;
        }
        let (width, height) = image.dimensions();
        let corners = draw_corners(self.distortion, width, height, rng);
        trace::note(|| {
            let [[a, b], [c, d], [e, f], [g, h]] = corners;
            format!("perspective to\n{a} {b}, {c} {d}\n{g} {h}, {e} {f}")
        });
        let sampling = Sampling::new(self.interpolation, &self.fill);
        perspective(image, sampling, corners)
    }
}

/// Draws as torchvision's `RandomPerspective.make_params`.
fn draw_corners(distortion: f64, width: u32, height: u32, rng: &mut Stream) -> Corners {
    let bound = |side: u32| (distortion * f64::from(side / 2)) as u32;
    let (most_x, most_y) = (bound(width), bound(height));
    let (right, bottom) = (width - 1, height - 1);
    let top_left = [up_to(most_x, rng), up_to(most_y, rng)];
    let top_right = [right - up_to(most_x, rng), up_to(most_y, rng)];
    let bottom_right = [right - up_to(most_x, rng), bottom - up_to(most_y, rng)];
    let bottom_left = [up_to(most_x, rng), bottom - up_to(most_y, rng)];
    [top_left, top_right, bottom_right, bottom_left]
}

/// Moves the corners of the image to `to`. An image that is too small to have four corners stays.
#[must_use]
pub fn perspective(image: RgbImage, sampling: Sampling<'_>, to: Corners) -> RgbImage {
    let (width, height) = image.dimensions();
    let from = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]];
    let Some([a, b, c, d, e, f, g, h]) = coefficients(from, to) else { return image };
    let (half_x, half_y) = (0.5 * width as f32, 0.5 * height as f32);
    let across = [a, b, c].map(|term| term as f32 / half_x);
    let down = [d, e, f].map(|term| term as f32 / half_y);
    let depth = [g as f32, h as f32, 1.0];
    warp(image, sampling, |column, row| {
        let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
        let read = |[a, b, c]: [f32; 3]| (x * a + y * b) + c;
        (read(across) / read(depth) - 1.0, read(down) / read(depth) - 1.0)
    })
}

/// The eight numbers that map `to` onto `from`: `x' = (a x + b y + c) / (g x + h y + 1)`, and so for `y'`. Nothing if
/// three corners lie on a line.
fn coefficients(from: Corners, to: Corners) -> Option<[f64; 8]> {
    // Eight equations, each with its right side in the last column.
    let mut rows = [[0.0; 9]; 8];
    for (corner, ([from_x, from_y], [x, y])) in
        from.iter().zip(&to).map(|(a, b)| (a.map(f64::from), b.map(f64::from))).enumerate()
    {
        rows[2 * corner] = [x, y, 1.0, 0.0, 0.0, 0.0, -from_x * x, -from_x * y, from_x];
        rows[2 * corner + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -from_y * x, -from_y * y, from_y];
    }
    // Gauss and Jordan, with the largest pivot of each column.
    for column in 0..8 {
        let size = |row: &[f64; 9]| row[column].abs();
        let pivot = (column..8).max_by(|&a, &b| size(&rows[a]).total_cmp(&size(&rows[b])))?;
        rows.swap(column, pivot);
        if size(&rows[column]) < 1e-9 {
            return None;
        }
        let scale = rows[column][column];
        rows[column] = rows[column].map(|value| value / scale);
        let solved = rows[column];
        for (_, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != column) {
            let share = row[column];
            for (value, solved) in row.iter_mut().zip(&solved) {
                *value -= share * solved;
            }
        }
    }
    Some(rows.map(|row| row[8]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    #[test]
    fn corners_that_stay_move_nothing() {
        let solved = coefficients([[0, 0], [9, 0], [9, 5], [0, 5]], [[0, 0], [9, 0], [9, 5], [0, 5]]).unwrap();
        for (value, expected) in solved.iter().zip([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]) {
            assert!((value - expected).abs() < 1e-12, "{solved:?}");
        }
        assert_eq!(coefficients([[0, 0]; 4], [[0, 0]; 4]), None);
    }

    #[test]
    fn every_corner_moves_inwards_and_reaches_its_bound() {
        let mut seen = [[u32::MAX, u32::MIN]; 2];
        for index in 0..2000 {
            let corners = draw_corners(0.5, 21, 11, &mut StudySeed(1).stream(Purpose::Gallery, index));
            let [[left, top], [right, _], ..] = corners;
            assert!(left <= 5 && top <= 2 && (15..=20).contains(&right), "{corners:?}");
            seen[0] = [seen[0][0].min(left), seen[0][1].max(left)];
            seen[1] = [seen[1][0].min(right), seen[1][1].max(right)];
        }
        assert_eq!(seen, [[0, 5], [15, 20]]);
    }
}
