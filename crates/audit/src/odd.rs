//! Pictures that are odd by themselves: dark, light, of an unusual shape or size, with little in them, blurry.
//!
//! Scores lie in 0 to 1, lower is odder, and scores and thresholds are those of cleanvision 0.3.7
//! (`issue_managers/image_property.py`) for the picture in RGB.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::gray::Gray;
use crate::resample::{Kernel, resampled};

/// Longest side of the picture whose edges tell whether it is blurry, px.
const EDGES_PX: u32 = 64;
/// Factor of the exponent in the score of blur.
const BLUR_FACTOR: f64 = 0.01;
/// A gray histogram that is spread more evenly than this says nothing of blur.
const LEAST_SPREAD: f64 = 0.18;
/// Score of one bit of entropy.
const PER_BIT: f64 = 0.1;
/// Interquartile ranges beyond the quartiles at which a size is odd.
const SIZE_RANGES: f64 = 3.0;

/// A way in which a picture can be odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    Dark,
    Light,
    Shape,
    LowInformation,
    Blurry,
    Size,
}

impl Oddity {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 6] = [Self::Dark, Self::Light, Self::Shape, Self::LowInformation, Self::Blurry, Self::Size];

    /// The word for tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Shape => "odd shape",
            Self::LowInformation => "low information",
            Self::Blurry => "blurry",
            Self::Size => "odd size",
        }
    }

    /// What the score measures.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Dark => "even its lightest pixels are dark: 99th percentile of brightness",
            Self::Light => "even its darkest pixels are light: 1 less the 5th percentile of brightness",
            Self::Shape => "far longer than wide, or wider than long: the shorter side over the longer one",
            Self::LowInformation => "few gray levels and colors: entropy of its histogram",
            Self::Blurry => "few sharp edges at 64 px",
            Self::Size => "far larger or smaller than the others: distance from the quartiles of the sizes",
        }
    }

    /// A picture with a lower score is odd.
    #[must_use]
    pub fn threshold(self) -> f64 {
        match self {
            Self::Dark => 0.32,
            Self::Light => 0.05,
            Self::Shape => 0.35,
            Self::LowInformation => 0.3,
            Self::Blurry => 0.29,
            // The scores are scaled so that the bounds lie here.
            Self::Size => 0.5,
        }
    }
}

/// The scores of one picture that need no other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    pub dark: f64,
    pub light: f64,
    pub shape: f64,
    pub low_information: f64,
    pub blurry: f64,
}

impl Scores {
    /// Of a picture with at least one pixel.
    #[must_use]
    pub fn of(image: &RgbImage) -> Self {
        let (dark, light) = brightness(image);
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        Self {
            dark,
            light,
            shape: (width / height).min(height / width),
            low_information: (PER_BIT * entropy_bits(image)).min(1.0),
            blurry: sharpness(image),
        }
    }

    /// The score of one oddity; nothing for the size, which only the other pictures' sizes can make odd.
    #[must_use]
    pub fn get(&self, oddity: Oddity) -> Option<f64> {
        match oddity {
            Oddity::Dark => Some(self.dark),
            Oddity::Light => Some(self.light),
            Oddity::Shape => Some(self.shape),
            Oddity::LowInformation => Some(self.low_information),
            Oddity::Blurry => Some(self.blurry),
            Oddity::Size => None,
        }
    }
}

/// Scores of dark and light: the 99th percentile of the brightness, and 1 less its 5th. A pixel's brightness is
/// `sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2) / 255`; percentiles are interpolated as numpy does.
fn brightness(image: &RgbImage) -> (f64, f64) {
    // A thousand times the radicand, exactly; in the order of the brightness.
    let power = |rgb: &[u8]| {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
        241 * r * r + 691 * g * g + 68 * b * b
    };
    let powers: Vec<u32> = image.as_raw().chunks_exact(3).map(power).collect();
    let mut counts = vec![0_u32; ((1000 * 255 * 255) >> BUCKET_BITS) + 1];
    for power in &powers {
        counts[(power >> BUCKET_BITS) as usize] += 1;
    }
    let percentile = |share: f64| {
        let rank = share * (powers.len() - 1) as f64;
        let at = |rank: f64| {
            let power = nth(&powers, &counts, rank as usize);
            (f64::from(power) / 1000.0).sqrt() / 255.0
        };
        let (low, high) = (at(rank.floor()), at(rank.ceil()));
        low + (high - low) * rank.fract()
    };
    (percentile(0.99), 1.0 - percentile(0.05))
}

/// Values that share all but so many bits are counted together, which is faster than to sort millions.
const BUCKET_BITS: u32 = 12;

/// The value of a rank, from 0; `counts` are of the values by their upper bits.
fn nth(values: &[u32], counts: &[u32], mut rank: usize) -> u32 {
    let mut bucket = 0;
    while rank >= counts[bucket] as usize {
        rank -= counts[bucket] as usize;
        bucket += 1;
    }
    let mut inside: Vec<u32> =
        values.iter().copied().filter(|value| (value >> BUCKET_BITS) as usize == bucket).collect();
    *inside.select_nth_unstable(rank).1
}

/// Entropy of the histogram of all three channels in one, bits (Pillow's `Image.entropy` of an RGB picture).
fn entropy_bits(image: &RgbImage) -> f64 {
    let mut counts = [[0_u32; 256]; 3];
    for rgb in image.as_raw().chunks_exact(3) {
        for channel in 0..3 {
            counts[channel][usize::from(rgb[channel])] += 1;
        }
    }
    let all = image.as_raw().len() as f64;
    let terms = counts.iter().flatten().filter(|&&count| count > 0).map(|&count| {
        let share = f64::from(count) / all;
        -share * share.log2()
    });
    terms.sum()
}

/// Score of blur: from the spread of an edge filter's answers at 64 px, with the gray histogram's spread for pictures that
/// are plain, and not blurred.
fn sharpness(image: &RgbImage) -> f64 {
    let gray = reduced(image);
    let score = |value: f64| 1.0 - (-value * BLUR_FACTOR).exp();
    let mut counts = [0_u32; 256];
    gray.levels.iter().for_each(|&level| counts[usize::from(level)] += 1);
    let spread = score(deviation(counts.iter().map(|&count| f64::from(count))));
    let edges = score(deviation(edges(&gray).into_iter().map(f64::from)));
    (edges + if spread <= LEAST_SPREAD { 0.0 } else { spread }).min(1.0)
}

/// Gray, with the longest side reduced to 64 px by Pillow's bicubic filter.
fn reduced(image: &RgbImage) -> Gray {
    let (width, height) = image.dimensions();
    let ratio = f64::from(width.max(height)) / f64::from(EDGES_PX);
    if ratio <= 1.0 {
        return Gray::of(image);
    }
    let side = |side: u32| ((f64::from(side) / ratio).floor() as usize).max(1);
    let (from, to) = ((width as usize, height as usize), (side(width), side(height)));
    Gray::of_bytes(&resampled::<3>(image.as_raw(), from, to, Kernel::Bicubic), to.0, to.1)
}

/// Pillow's `FIND_EDGES`: eight times a pixel less its neighbors, clipped; the border stays as it is.
fn edges(gray: &Gray) -> Vec<u8> {
    let Gray { width, height, levels } = gray;
    let (width, height) = (*width, *height);
    let mut found = levels.clone();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let sum: i32 = (y - 1..=y + 1)
                .flat_map(|y| &levels[y * width + x - 1..=y * width + x + 1])
                .map(|&v| i32::from(v))
                .sum();
            found[y * width + x] = (9 * i32::from(levels[y * width + x]) - sum).clamp(0, 255) as u8;
        }
    }
    found
}

/// With `n`, not `n - 1`.
fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / n).sqrt()
}

/// Scores of size, by width and height in px: 0.5 where `sqrt(width x height)` lies three interquartile ranges beyond a
/// quartile, 1 in the middle. Where the quartiles agree, every other size is odd.
pub(crate) fn size_scores(sizes: &[(u32, u32)]) -> Vec<f64> {
    let sides: Vec<f64> = sizes.iter().map(|&(w, h)| f64::from(w).sqrt() * f64::from(h).sqrt()).collect();
    let mut sorted = sides.clone();
    sorted.sort_by(f64::total_cmp);
    let quartile = |share: f64| {
        let rank = share * (sorted.len() - 1) as f64;
        let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        low + (high - low) * rank.fract()
    };
    if sorted.is_empty() {
        return Vec::new();
    }
    let (q1, q3) = (quartile(0.25), quartile(0.75));
    let (least, most) = (q1 - SIZE_RANGES * (q3 - q1), q3 + SIZE_RANGES * (q3 - q1));
    let middle = f64::midpoint(least, most);
    let gap = most - least;
    let score = |side: f64| {
        let distance = (side - middle).abs();
        // cleanvision calls any other size odd where all quartiles agree, with a threshold of 1; here one threshold serves.
        if gap > 0.0 { 1.0 - (distance / gap).clamp(0.0, 1.0) } else { f64::from(u8::from(distance == 0.0)) }
    };
    sides.into_iter().map(score).collect()
}
