//! PIL's Lanczos resampling of 8-bit images, to the byte (Pillow, `src/libImaging/Resample.c`): the references resize with
//! it, and a level more or less in the picture is a level more or less in the edit.
//!
//! Always across first, then down. Pillow 13 turns the passes round for some sizes (measured: wider than the source and lower
//! than it, for instance); there the bytes in between round otherwise, and results differ by up to 3 levels.

use std::f64::consts::PI;

use image::RgbImage;

/// Lobes of the kernel on each side.
const SUPPORT: f64 = 3.0;
/// Fraction bits of PIL's fixed-point weights.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// A part of a picture along one axis, px, in single precision as PIL has it, and the number of pixels that it becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) start: f32,
    pub(super) end: f32,
    pub(super) to_px: u32,
}

impl Axis {
    /// All of `from_px` pixels.
    pub(super) fn whole(from_px: u32, to_px: u32) -> Self {
        Self { start: 0.0, end: from_px as f32, to_px }
    }

    fn is_identity(self, from_px: u32) -> bool {
        self == Self::whole(from_px, from_px)
    }
}

/// The part of `source` that the axes name, resampled; first across, then down, with bytes in between.
pub(super) fn resize(source: &RgbImage, x: Axis, y: Axis) -> RgbImage {
    let across = if x.is_identity(source.width()) { source.clone() } else { resample_rows(source, x) };
    if y.is_identity(source.height()) { across } else { resample_columns(&across, y) }
}

fn resample_rows(source: &RgbImage, axis: Axis) -> RgbImage {
    let taps = taps(source.width(), axis);
    RgbImage::from_fn(axis.to_px, source.height(), |x, y| {
        taps[x as usize].apply(|offset| source.get_pixel(offset, y).0)
    })
}

fn resample_columns(source: &RgbImage, axis: Axis) -> RgbImage {
    let taps = taps(source.height(), axis);
    RgbImage::from_fn(source.width(), axis.to_px, |x, y| taps[y as usize].apply(|offset| source.get_pixel(x, offset).0))
}

/// The source pixels from `first` on that make one result, with their weights.
struct Taps {
    first: u32,
    weights: Vec<i32>,
}

impl Taps {
    fn apply(&self, pixel: impl Fn(u32) -> [u8; 3]) -> image::Rgb<u8> {
        let mut sums = [1_i32 << (PRECISION_BITS - 1); 3];
        for (offset, weight) in (self.first..).zip(&self.weights) {
            for (sum, level) in sums.iter_mut().zip(pixel(offset)) {
                *sum += i32::from(level) * weight;
            }
        }
        image::Rgb(sums.map(|sum| (sum >> PRECISION_BITS).clamp(0, 255) as u8))
    }
}

/// `precompute_coeffs` and `normalize_coeffs_8bpc`.
fn taps(from_px: u32, axis: Axis) -> Vec<Taps> {
    let scale = f64::from(axis.end - axis.start) / f64::from(axis.to_px);
    let stretch = scale.max(1.0);
    let support = SUPPORT * stretch;
    let one = |index: u32| {
        let center = f64::from(axis.start) + (f64::from(index) + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as u32;
        let end = ((center + support + 0.5) as u32).min(from_px);
        let weight = |x: u32| lanczos((f64::from(x) - center + 0.5) * (1.0 / stretch));
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let total: f64 = weights.iter().sum();
        let fixed = |weight: f64| (weight / total * f64::from(1_u32 << PRECISION_BITS)).round() as i32;
        Taps { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..axis.to_px).map(one).collect()
}

/// `sinc(x) sinc(x / 3)` on `[-3, 3)`.
fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
    if (-SUPPORT..SUPPORT).contains(&x) { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}
