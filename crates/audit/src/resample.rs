//! Pillow's `Image.resize` of 8-bit pictures, in its own fixed-point arithmetic (libImaging/Resample.c): what is measured of the
//! result then equals what tools that use Pillow measure, to the bit. For measures only; pictures that are trained on are resized
//! by `augtrial_imaging::resize`.

use std::f64::consts::PI;

/// Bits of a weight behind the point: what an accumulator of 32 bits leaves.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The kernel that a picture is convolved with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Keys' cubic with a = -1/2.
    Bicubic,
    /// A sinc windowed by three lobes of another.
    Lanczos,
}

impl Kernel {
    /// Distance beyond which it is zero.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        match self {
            Self::Bicubic => match x.abs() {
                x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
                x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
                _ => 0.0,
            },
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// The pixels that one pixel is made of: the first of them, and their weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// The windows of a line of `from` pixels that becomes one of `to`.
fn windows(from: usize, to: usize, kernel: Kernel) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = kernel.support() * stretch;
    let window = |at: usize| {
        let center = (at as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let weight = |x: usize| kernel.weight((x as f64 - center + 0.5) * (1.0 / stretch));
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let total: f64 = weights.iter().sum();
        let fixed = |weight: f64| {
            let scaled = if total == 0.0 { weight } else { weight / total } * f64::from(1 << PRECISION_BITS);
            // Halves away from zero, by cutting off.
            (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i32
        };
        Window { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

/// A picture `[H, W, CHANNELS]` of `from` = (width, height) at the size `to`; first along the rows, then along the columns.
pub(crate) fn resampled<const CHANNELS: usize>(
    picture: &[u8],
    from: (usize, usize),
    to: (usize, usize),
    kernel: Kernel,
) -> Vec<u8> {
    let narrow = if from.0 == to.0 { picture.to_vec() } else { along_rows::<CHANNELS>(picture, from, to.0, kernel) };
    if from.1 == to.1 { narrow } else { along_columns(&narrow, to.0 * CHANNELS, from.1, to.1, kernel) }
}

fn along_rows<const CHANNELS: usize>(
    picture: &[u8],
    (width, height): (usize, usize),
    to: usize,
    kernel: Kernel,
) -> Vec<u8> {
    let windows = windows(width, to, kernel);
    let mut result = Vec::with_capacity(to * height * CHANNELS);
    for row in picture.chunks_exact(width * CHANNELS) {
        for Window { first, weights } in &windows {
            let mut sums = [1_i32 << (PRECISION_BITS - 1); CHANNELS];
            for (pixel, &weight) in row[first * CHANNELS..].chunks_exact(CHANNELS).zip(weights) {
                sums.iter_mut().zip(pixel).for_each(|(sum, &level)| *sum += i32::from(level) * weight);
            }
            result.extend(sums.map(level));
        }
    }
    result
}

/// `stride` values to a row.
fn along_columns(picture: &[u8], stride: usize, height: usize, to: usize, kernel: Kernel) -> Vec<u8> {
    let mut result = Vec::with_capacity(to * stride);
    let mut sums = vec![0_i32; stride];
    for Window { first, weights } in windows(height, to, kernel) {
        sums.fill(1 << (PRECISION_BITS - 1));
        for (row, weight) in picture[first * stride..].chunks_exact(stride).zip(weights) {
            sums.iter_mut().zip(row).for_each(|(sum, &level)| *sum += i32::from(level) * weight);
        }
        result.extend(sums.iter().copied().map(level));
    }
    result
}

fn level(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}
