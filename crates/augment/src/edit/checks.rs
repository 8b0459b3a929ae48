//! What makes an edit count as missing: every planned image that is not there has a recorded reason.

use std::fmt;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use augtrial_plan::arm::EditChecks;

/// Why a planned edit is missing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingReason {
    /// Black, or of one color.
    Flat { spread_levels: f64 },
    /// Too near to its source.
    Unchanged { change_levels: f64 },
    /// The networks gave a value that is no number.
    NotFinite,
}

impl MissingReason {
    /// A stable name for counts by reason.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat { .. } => "flat",
            Self::Unchanged { .. } => "unchanged",
            Self::NotFinite => "not-finite",
        }
    }
}

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat { spread_levels } => {
                write!(f, "flat: no channel deviates by more than {spread_levels:.2} levels")
            }
            Self::Unchanged { change_levels } => {
                write!(f, "unchanged: {change_levels:.2} levels from the source on average")
            }
            Self::NotFinite => f.write_str("the networks gave values that are no numbers"),
        }
    }
}

/// Checks `edited` against `source`, of the same size, and returns the mean change, levels.
///
/// # Errors
/// The reason why the edit counts as missing.
pub fn check(edited: &RgbImage, source: &RgbImage, checks: &EditChecks) -> Result<f64, MissingReason> {
    let spread_levels = spread_levels(edited);
    if spread_levels < checks.min_spread_levels {
        return Err(MissingReason::Flat { spread_levels });
    }
    let change_levels = change_levels(edited, source);
    if change_levels < checks.min_change_levels {
        return Err(MissingReason::Unchanged { change_levels });
    }
    Ok(change_levels)
}

/// The largest of the three channels' standard deviations, levels.
fn spread_levels(image: &RgbImage) -> f64 {
    let count = f64::from(image.width()) * f64::from(image.height());
    let deviation = |channel: usize| {
        let values = || image.pixels().map(move |pixel| f64::from(pixel[channel]));
        let mean = values().sum::<f64>() / count;
        (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
    };
    (0..3).map(deviation).fold(0.0, f64::max)
}

/// Mean absolute difference over pixels and channels, levels.
fn change_levels(a: &RgbImage, b: &RgbImage) -> f64 {
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn stripes(dark: u8, light: u8) -> RgbImage {
        RgbImage::from_fn(8, 8, |x, _| Rgb([if x % 2 == 0 { dark } else { light }; 3]))
    }

    #[test]
    fn flat_and_unchanged_edits_are_found_and_measured() {
        let source = stripes(10, 20);
        let check = |edited: &RgbImage| check(edited, &source, &EditChecks::default());
        let red = RgbImage::from_pixel(8, 8, Rgb([255, 0, 0]));
        assert_eq!(check(&red), Err(MissingReason::Flat { spread_levels: 0.0 }));
        assert_eq!(check(&stripes(10, 10)), Err(MissingReason::Flat { spread_levels: 0.0 }));
        assert_eq!(check(&source), Err(MissingReason::Unchanged { change_levels: 0.0 }));
        assert_eq!(check(&stripes(12, 20)), Ok(1.0));
        assert_eq!(spread_levels(&source), 5.0);
    }
}
