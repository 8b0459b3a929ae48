//! Images read at other places: affine and perspective maps, elastic deformation.
//!
//! Reference: torchvision v2 `_affine_grid`, `_perspective_grid` and `_apply_grid_transform`, which is torch's
//! `grid_sample` with zeros outside and `align_corners=False`. Places are computed in single precision and in torch's
//! order of operations: with [`Interpolation::Nearest`] every pixel is the same. With [`Interpolation::Bilinear`] torch
//! fuses multiplication and addition where the processor can, which changes a channel in some ten thousand by one.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vector::{Lanes, Work, vectorized};
use crate::Fill;
use crate::raster::{Rgb8, floor, remade, round_to_int, to_byte};

/// How an image is read between its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The nearest pixel.
    #[default]
    Nearest,
    /// The four nearest pixels, weighted by their distance.
    Bilinear,
}

/// How places between pixels and outside the image are read.
#[derive(Clone, Copy, Debug)]
pub struct Sampling<'a> {
    pub interpolation: Interpolation,
    pub fill: &'a Fill,
    /// At the edges the weighted sum stays as it is, with zeros outside. A fill, black too, is blended once more.
    zeros: bool,
}

impl<'a> Sampling<'a> {
    /// As torchvision's transforms with a `fill`.
    #[must_use]
    pub fn new(interpolation: Interpolation, fill: &'a Fill) -> Self {
        Self { interpolation, fill, zeros: false }
    }

    /// As torchvision's policies, for which black is no fill.
    #[must_use]
    pub fn of_policy(interpolation: Interpolation, fill: &'a Fill) -> Self {
        Self { interpolation, fill, zeros: *fill == Fill::Constant([0; 3]) }
    }
}

/// Pixels that are computed together.
const LANES: usize = 32;

/// Places further away than this are all the same: outside.
const FAR: f32 = 1e6;

/// Reads every pixel of the result at the place that `map` gives for its column and row. Places are those of torch's
/// grids: -1 and 1 are the outer edges of the image.
pub(crate) fn warp(image: RgbImage, sampling: Sampling<'_>, map: impl Fn(usize, usize) -> (f32, f32)) -> RgbImage {
    let (width, height) = (image.width() as f32, image.height() as f32);
    #[expect(clippy::manual_clamp, reason = "what is no number becomes a place outside, which `clamp` does not do")]
    let to_pixels = |place: f32, side: f32| (((place + 1.0) * side - 1.0) / 2.0).max(-FAR).min(FAR);
    read_at(image, sampling, |column, row| {
        let (across, down) = map(column, row);
        (to_pixels(across, width), to_pixels(down, height))
    })
}

/// Reads every pixel of the result at the place that `map` gives for its column and row, px from the middle of the first
/// pixel, below 2^22.
pub(crate) fn read_at(image: RgbImage, sampling: Sampling<'_>, map: impl Fn(usize, usize) -> (f32, f32)) -> RgbImage {
    let (width, height) = image.dimensions();
    remade(image, |pixels, made| {
        let sampler = Sampler { pixels, width: width as i32, height: height as i32 };
        vectorized(Reading { sampler, sampling, map, made });
    })
}

/// Work of [`read_at`].
struct Reading<'a, F> {
    sampler: Sampler<'a>,
    sampling: Sampling<'a>,
    map: F,
    made: &'a mut [Rgb8],
}

impl<F: Fn(usize, usize) -> (f32, f32)> Work for Reading<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, _: L) {
        let Self { sampler, sampling, map, made } = self;
        let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
        for (row, made) in made.chunks_exact_mut(sampler.width.max(1) as usize).enumerate() {
            for (block, made) in made.chunks_mut(LANES).enumerate() {
                for lane in 0..LANES {
                    (x[lane], y[lane]) = map(block * LANES + lane, row);
                }
                match sampling.interpolation {
                    Interpolation::Nearest => sampler.nearest_row(&x, &y, sampling.fill, made),
                    Interpolation::Bilinear => sampler.row_between(&x, &y, sampling, made),
                }
            }
        }
    }
}

/// A map of the plane onto itself: rows of `[x, y, 1]` to the place that is read.
pub(crate) type Affine = [[f64; 3]; 2];

/// Reads the image through an affine map of coordinates from the center, px.
pub(crate) fn warp_affine(image: RgbImage, sampling: Sampling<'_>, map: &Affine) -> RgbImage {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let scaled = |row: [f64; 3], side: f32| row.map(|term| term as f32 / (0.5 * side));
    let (across, down) = (scaled(map[0], width), scaled(map[1], height));
    let (middle_x, middle_y) = ((width - 1.0) * 0.5, (height - 1.0) * 0.5);
    warp(image, sampling, |column, row| {
        let (x, y) = (column as f32 - middle_x, row as f32 - middle_y);
        let read = |[a, b, c]: [f32; 3]| (x * a + y * b) + c;
        (read(across), read(down))
    })
}

/// Reading of an image at any place, px from the middle of its first pixel.
struct Sampler<'a> {
    pixels: &'a [Rgb8],
    width: i32,
    height: i32,
}

impl Sampler<'_> {
    /// The nearest pixels, ties to even.
    #[inline(always)]
    fn nearest_row(&self, x: &[f32; LANES], y: &[f32; LANES], fill: &Fill, made: &mut [Rgb8]) {
        let (mut columns, mut rows) = ([0; LANES], [0; LANES]);
        for lane in 0..LANES {
            (columns[lane], rows[lane]) = (round_to_int(x[lane]), round_to_int(y[lane]));
        }
        for ((made, &column), &row) in made.iter_mut().zip(&columns).zip(&rows) {
            let place = (column, row);
            *made = match fill {
                _ if self.contains(place) => self.pixels[(row * self.width + column) as usize],
                Fill::Constant(color) => *color,
                Fill::Edge => self.nearest(place),
            };
        }
    }

    /// [`Self::between`] for many places. What lies inside is computed together, which the compiler makes vector code of.
    #[inline(always)]
    fn row_between(&self, x: &[f32; LANES], y: &[f32; LANES], how: Sampling<'_>, made: &mut [Rgb8]) {
        let (mut lefts, mut tops) = ([0; LANES], [0; LANES]);
        let (mut rights, mut lowers) = ([0.0; LANES], [0.0; LANES]);
        let mut inside = [0_i32; LANES];
        let (last_column, last_row) = (self.width - 1, self.height - 1);
        for lane in 0..LANES {
            let ((left, x_left), (top, y_top)) = (floor_to_int(x[lane]), floor_to_int(y[lane]));
            (rights[lane], lowers[lane]) = (x[lane] - x_left, y[lane] - y_top);
            (lefts[lane], tops[lane]) = (left, top);
            inside[lane] =
                i32::from(left >= 0) & i32::from(top >= 0) & i32::from(left < last_column) & i32::from(top < last_row);
        }
        let mixed = mix(&self.corners(&lefts, &tops, &inside), &rights, &lowers);
        for (lane, made) in made.iter_mut().enumerate() {
            *made = if inside[lane] == 1 {
                let [red, green, blue, _] = mixed[lane].to_le_bytes();
                [red, green, blue]
            } else {
                self.between(x[lane], y[lane], how.fill, how.zeros)
            };
        }
    }

    /// The four pixels from every place on that is marked as inside: upper left, upper right, lower left, lower right. The
    /// lowest byte of each is red.
    #[inline(always)]
    fn corners(&self, lefts: &[i32; LANES], tops: &[i32; LANES], inside: &[i32; LANES]) -> [[u32; LANES]; 4] {
        let mut corners = [[0; LANES]; 4];
        let bytes = self.pixels.as_flattened();
        // Two pixels are read with two bytes of the next; those at the image's end, with bytes of the one before.
        let Some(last) = bytes.len().checked_sub(8) else { return corners };
        let pair = |at: usize| {
            let start = at.min(last);
            let word = bytes[start..].first_chunk().map_or(0, |&word| u64::from_le_bytes(word));
            let word = word >> (8 * (at - start));
            (word as u32, (word >> 24) as u32)
        };
        for lane in 0..LANES {
            // A place outside, however far, is read as the first.
            let at = (tops[lane] * inside[lane] * self.width + lefts[lane] * inside[lane]) * 3;
            (corners[0][lane], corners[1][lane]) = pair(at as usize);
            (corners[2][lane], corners[3][lane]) = pair((at + self.width * 3 * inside[lane]) as usize);
        }
        corners
    }

    /// Bilinear between the four pixels around, of which some lie outside.
    ///
    /// As in torchvision, a constant fill is blended by the share `m` of the four neighbors that is inside:
    /// `(sum - fill) m + fill`, where `sum` is already the weighted sum over the neighbors inside. An edge fill has no
    /// counterpart there: the neighbors outside are the nearest pixels inside.
    fn between(&self, x: f32, y: f32, fill: &Fill, zeros: bool) -> Rgb8 {
        let ((left, x_left), (top, y_top)) = (floor_to_int(x), floor_to_int(y));
        let weights = corner_weights(x - x_left, y - y_top);
        let places = [(left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)];
        let none_inside = left < -1 || top < -1 || left >= self.width || top >= self.height;
        match fill {
            Fill::Constant(color) if none_inside => {
                if zeros {
                    [0; 3]
                } else {
                    *color
                }
            }
            Fill::Edge => weighted_sum(places.map(|place| self.nearest(place)), weights).map(to_byte),
            Fill::Constant(color) => {
                let mut inside = 0.0;
                let mut shown = weights;
                for (weight, &place) in shown.iter_mut().zip(&places) {
                    *weight = if self.contains(place) { *weight } else { 0.0 };
                    inside += *weight;
                }
                let sum = weighted_sum(places.map(|place| self.nearest(place)), shown);
                if zeros {
                    return sum.map(to_byte);
                }
                std::array::from_fn(|channel| {
                    let fill = f32::from(color[channel]);
                    to_byte((sum[channel] - fill) * inside + fill)
                })
            }
        }
    }

    fn contains(&self, (x, y): (i32, i32)) -> bool {
        (0..self.width).contains(&x) && (0..self.height).contains(&y)
    }

    fn nearest(&self, (x, y): (i32, i32)) -> Rgb8 {
        self.pixels[(y.clamp(0, self.height - 1) * self.width + x.clamp(0, self.width - 1)) as usize]
    }
}

/// Weights of the four pixels around, from the shares of the right and of the lower ones.
#[inline(always)]
fn corner_weights(right: f32, lower: f32) -> [f32; 4] {
    let (left, upper) = (1.0 - right, 1.0 - lower);
    [left * upper, right * upper, left * lower, right * lower]
}

fn weighted_sum([a, b, c, d]: [Rgb8; 4], weights: [f32; 4]) -> [f32; 3] {
    std::array::from_fn(|channel| {
        let term = |pixel: Rgb8, weight: f32| f32::from(pixel[channel]) * weight;
        term(a, weights[0]) + term(b, weights[1]) + term(c, weights[2]) + term(d, weights[3])
    })
}

/// [`weighted_sum`] of the four pixels around, and [`to_byte`], for many places.
#[inline(always)]
fn mix(corners: &[[u32; LANES]; 4], rights: &[f32; LANES], lowers: &[f32; LANES]) -> [u32; LANES] {
    let mut mixed = [0; LANES];
    for lane in 0..LANES {
        let weights = corner_weights(rights[lane], lowers[lane]);
        for shift in [0, 8, 16] {
            let mut sum = ((corners[0][lane] >> shift) & 255) as i32 as f32 * weights[0];
            for corner in 1..4 {
                sum += ((corners[corner][lane] >> shift) & 255) as i32 as f32 * weights[corner];
            }
            mixed[lane] |= u32::from(to_byte(sum)) << shift;
        }
    }
    mixed
}

/// The largest whole number that is not above a number of size below 2^22, twice.
#[inline(always)]
fn floor_to_int(value: f32) -> (i32, f32) {
    let whole = floor(value);
    (round_to_int(whole), whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_part_is_the_floor() {
        for quarter in -4000..4000_i32 {
            let value = quarter as f32 / 4.0;
            assert_eq!(floor_to_int(value), (value.floor() as i32, value.floor()), "{value}");
        }
        assert_eq!((round_to_int(-FAR), round_to_int(FAR)), (-1_000_000, 1_000_000));
    }

    #[test]
    fn places_far_outside_a_wide_image_show_the_fill() {
        let fill = Fill::Constant([1, 2, 3]);
        let image = RgbImage::from_pixel(8192, 2, image::Rgb([9; 3]));
        for far in [-1e9, 1e9] {
            let warped = warp(image.clone(), Sampling::new(Interpolation::Bilinear, &fill), |_, _| (far, far));
            assert!(warped.pixels().all(|pixel| pixel.0 == [1, 2, 3]), "{far}");
        }
    }

    #[test]
    fn places_that_are_no_numbers_show_the_fill() {
        let image = RgbImage::from_pixel(40, 3, image::Rgb([9; 3]));
        let fill = Fill::Constant([1, 2, 3]);
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            for place in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
                let warped = warp(image.clone(), Sampling::new(interpolation, &fill), |_, _| (place, 0.0));
                assert!(warped.pixels().all(|pixel| pixel.0 == [1, 2, 3]), "{place}");
            }
        }
    }
}
