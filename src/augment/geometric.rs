//! Flips, rotation and quarter turns.
//!
//! Reference: torchvision v2 `functional` on uint8 tensors (`horizontal_flip`, `vertical_flip`, `rotate` with
//! `InterpolationMode.BILINEAR`) and `torch.rot90`. Flips and turns move pixels and are exact; rotation interpolates.

use image::{RgbImage, imageops};
use rand::seq::IndexedRandom as _;

use super::augmenter::Augmenter;
use super::crop::resize;
use super::draw::{chance, uniform};
use super::raster::{Rgb8, from_pixels, pixels, pixels_mut, to_byte};
use crate::plan::transform::{Fill, Flip, QuarterTurns, Rotation};
use crate::seed::Stream;

/// `horizontal_flip` of a recipe.
pub(super) struct HorizontalFlip(pub(super) Flip);

/// `vertical_flip` of a recipe.
pub(super) struct VerticalFlip(pub(super) Flip);

impl Augmenter for HorizontalFlip {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.0.p, rng) {
            flip_horizontally(&mut image);
        }
        image
    }
}

impl Augmenter for VerticalFlip {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.0.p, rng) {
            flip_vertically(&mut image);
        }
        image
    }
}

impl Augmenter for Rotation {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let degrees = uniform([-self.degrees, self.degrees], rng);
        rotate(&image, degrees, &self.fill)
    }
}

impl Augmenter for QuarterTurns {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        let turns = self.turns.choose(rng).copied().unwrap_or(0);
        let turned = quarter_turns(image, turns);
        if turned.dimensions() == (width_px, height_px) { turned } else { resize(&turned, width_px, height_px) }
    }
}

/// Mirrors left and right.
pub fn flip_horizontally(image: &mut RgbImage) {
    let width = image.width() as usize;
    if width > 0 {
        pixels_mut(image).chunks_exact_mut(width).for_each(<[Rgb8]>::reverse);
    }
}

/// Mirrors top and bottom.
pub fn flip_vertically(image: &mut RgbImage) {
    let width = image.width() as usize;
    let mut rest = pixels_mut(image);
    while rest.len() > width {
        let (top, below) = rest.split_at_mut(width);
        let (middle, bottom) = below.split_at_mut(below.len() - width);
        top.swap_with_slice(bottom);
        rest = middle;
    }
}

/// Rotates by `turns` right angles counter-clockwise; the sides swap if `turns` is odd (`torch.rot90`).
#[must_use]
pub fn quarter_turns(mut image: RgbImage, turns: u8) -> RgbImage {
    match turns % 4 {
        1 => imageops::rotate270(&image),
        2 => {
            pixels_mut(&mut image).reverse();
            image
        }
        3 => imageops::rotate90(&image),
        _ => image,
    }
}

/// Rotates about the centre, counter-clockwise for a positive angle, bilinear; the size is kept.
///
/// A pixel of the result at `(x, y)` from the centre is read at `(x cos - y sin, x sin + y cos)`. As in torchvision, a
/// constant fill is blended by the share `m` of the four neighbours that is inside: `(sum - fill) m + fill`, where
/// `sum` is already the weighted sum over the neighbours inside. An edge fill has no counterpart there: the neighbours
/// outside are the nearest pixels inside.
#[must_use]
pub fn rotate(image: &RgbImage, degrees: f64, fill: &Fill) -> RgbImage {
    let (width, height) = image.dimensions();
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (centre_x, centre_y) = ((f64::from(width) - 1.0) / 2.0, (f64::from(height) - 1.0) / 2.0);
    let sampler = Sampler { pixels: pixels(image), width: width as i32, height: height as i32 };
    let mut rotated = Vec::with_capacity(sampler.pixels.len());
    for row in 0..height {
        let y = f64::from(row) - centre_y;
        // The first pixel of the row, and from there one step per pixel.
        let first_x = centre_x - centre_x * cos - y * sin;
        let first_y = centre_y - centre_x * sin + y * cos;
        rotated.extend((0..width).map(|column| {
            let along = f64::from(column);
            sampler.at((along * cos + first_x) as f32, (along * sin + first_y) as f32, fill)
        }));
    }
    from_pixels(width, height, rotated)
}

/// Bilinear reading between pixels.
struct Sampler<'a> {
    pixels: &'a [Rgb8],
    width: i32,
    height: i32,
}

impl Sampler<'_> {
    fn at(&self, x: f32, y: f32, fill: &Fill) -> Rgb8 {
        let (left, top) = (x.floor(), y.floor());
        let (right_share, bottom_share) = (x - left, y - top);
        let (left_share, top_share) = (1.0 - right_share, 1.0 - bottom_share);
        let (left, top) = (left as i32, top as i32);
        let weights =
            [left_share * top_share, right_share * top_share, left_share * bottom_share, right_share * bottom_share];
        if left >= 0 && top >= 0 && left + 1 < self.width && top + 1 < self.height {
            let first = (top * self.width + left) as usize;
            let below = first + self.width as usize;
            let taps = [self.pixels[first], self.pixels[first + 1], self.pixels[below], self.pixels[below + 1]];
            return weighted_sum(taps, weights).map(to_byte);
        }
        let places = [(left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)];
        match fill {
            Fill::Edge => weighted_sum(places.map(|place| self.nearest(place)), weights).map(to_byte),
            Fill::Constant(colour) => {
                let mut inside = 0.0;
                let mut shown = weights;
                for (weight, &place) in shown.iter_mut().zip(&places) {
                    *weight = if self.contains(place) { *weight } else { 0.0 };
                    inside += *weight;
                }
                let sum = weighted_sum(places.map(|place| self.nearest(place)), shown);
                std::array::from_fn(|channel| {
                    let fill = f32::from(colour[channel]);
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

fn weighted_sum(taps: [Rgb8; 4], weights: [f32; 4]) -> [f32; 3] {
    std::array::from_fn(|channel| taps.iter().zip(weights).map(|(tap, weight)| f32::from(tap[channel]) * weight).sum())
}
