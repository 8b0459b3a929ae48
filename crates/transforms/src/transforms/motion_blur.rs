//! `motion_blur`: the mean along a line. Reference: albumentations 2.0.8 `MotionBlur` without shift; `OpenCV` reflects at the
//! edges without repeating the edge pixel.

use std::collections::BTreeSet;

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gaussian_blur::reflect;
use crate::draw::{round, uniform, up_to};
use crate::parameters::too_long;
use crate::raster::{Rgb8, remade};
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Blurs along a line of random length and angle, as a camera or an object that moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MotionBlur {
    /// Shortest and longest line, px; odd lengths are drawn.
    pub length_px: [u32; 2],
    /// Angle, degrees.
    pub degrees: Range,
    /// How much of the line lies ahead: 0 is half of it, 1 all, -1 none.
    pub direction: Range,
}

impl Default for MotionBlur {
    fn default() -> Self {
        Self { length_px: [3, 7], degrees: [0.0, 360.0], direction: [-1.0, 1.0] }
    }
}

impl Described for MotionBlur {
    const SOURCE: &str = "albumentations `MotionBlur`";

    fn limits(&self) -> Vec<Limit> {
        let [least, most] = self.length_px;
        let fits = least % 2 == 1 && most % 2 == 1 && (3..=most).contains(&least) && most <= 255;
        let message = || format!("`length_px` must be two odd numbers from 3 to 255, in order, not [{least}, {most}]");
        vec![
            Limit::rule("length_px", "odd, 3 to 255, in order", fits, message).unit("px"),
            Limit::interval("degrees", self.degrees, -360.0, 360.0).unit("degrees"),
            Limit::interval("direction", self.direction, -1.0, 1.0),
        ]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let what = "`motion_blur` draws lines of up to";
        let advice = "choose a smaller `length_px`";
        too_long(what, f64::from(self.length_px[1]), width_px.min(height_px), 0.3, advice).into_iter().collect()
    }
}

impl Augmenter for MotionBlur {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let [least, most] = self.length_px;
        let length = least + 2 * up_to((most - least) / 2, rng);
        let (degrees, direction) = (uniform(self.degrees, rng), uniform(self.direction, rng));
        trace::note(|| format!("motion {length} px, {degrees:.0}°, direction {direction:.1}"));
        motion_blur(image, length, degrees, direction)
    }
}

/// The mean of the pixels on a line of `length_px` (odd) about each.
#[must_use]
pub fn motion_blur(image: RgbImage, length_px: u32, degrees: f64, direction: f64) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let line = line(length_px, degrees, direction);
    let share = 1.0 / line.len() as f32;
    remade(image, |pixels, made| {
        let mut sums = vec![[0_u32; 3]; width];
        for (row, made) in made.chunks_exact_mut(width.max(1)).enumerate() {
            sums.fill([0; 3]);
            for &(across, down) in &line {
                let source = &pixels[reflect(row as i64 + down, height) * width..][..width];
                add_shifted(&mut sums, source, across);
            }
            for (made, sum) in made.iter_mut().zip(&sums) {
                *made = sum.map(|sum| crate::raster::to_byte(sum as f32 * share));
            }
        }
    })
}

/// Adds to every pixel of a row the one that lies `across` pixels to the right.
fn add_shifted(sums: &mut [[u32; 3]], source: &[Rgb8], across: i64) {
    let width = source.len() as i64;
    let add = |sum: &mut [u32; 3], pixel: &Rgb8| {
        for (sum, &value) in sum.iter_mut().zip(pixel) {
            *sum += u32::from(value);
        }
    };
    // Columns whose neighbor lies in the row need no reflection.
    let (first, last) = ((-across).clamp(0, width), (width - across).clamp(0, width));
    for (column, sum) in sums.iter_mut().enumerate() {
        let column = column as i64;
        if column < first || column >= last {
            add(sum, &source[reflect(column + across, source.len())]);
        }
    }
    if first < last {
        let inside = &source[(first + across) as usize..(last + across) as usize];
        for (sum, pixel) in sums[first as usize..last as usize].iter_mut().zip(inside) {
            add(sum, pixel);
        }
    }
}

/// Columns and rows of the line's pixels, from the middle.
fn line(length_px: u32, degrees: f64, direction: f64) -> BTreeSet<(i64, i64)> {
    let half = f64::from(length_px / 2);
    let start = -half * (1.0 - direction.max(0.0));
    let end = half * (1.0 + direction.min(0.0));
    let step = (end - start) / f64::from(length_px - 1);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let place = |at: f64| (round(half + at).clamp(0.0, 2.0 * half) - half) as i64;
    let point = |index| {
        let along = start + step * f64::from(index);
        (place(cos * along), place(sin * along))
    };
    (0..length_px).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_line_is_a_row_of_its_length_and_a_directed_one_lies_ahead() {
        let level: Vec<_> = line(5, 0.0, 0.0).into_iter().collect();
        assert_eq!(level, [(-2, 0), (-1, 0), (0, 0), (1, 0), (2, 0)]);
        assert_eq!(line(5, 0.0, 1.0), [(0, 0), (1, 0), (2, 0)].into());
        assert_eq!(line(3, 90.0, 0.0), [(0, -1), (0, 0), (0, 1)].into());
    }
}
