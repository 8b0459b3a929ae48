//! `shear`: about the top left corner, as the policies of `AutoAugment` shear. Reference: torchvision v2 `ShearX` and `ShearY`
//! of `AutoAugment`; exact with `nearest`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::{Motion, affine};
use crate::draw::uniform;
use crate::{Augmenter, Described, Fill, Interpolation, Sampling, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Shears along each axis by a slope drawn from `[-most, most]`; the top left corner stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shear {
    /// Largest slope along x: columns that a row moves by, for each row further down.
    pub x: f64,
    /// Largest slope along y: rows that a column moves by, for each column further right.
    pub y: f64,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for Shear {
    fn default() -> Self {
        Self { x: 0.3, y: 0.0, interpolation: Interpolation::Bilinear, fill: Fill::default() }
    }
}

impl Described for Shear {
    const SOURCE: &str = "torchvision `AutoAugment`, `ShearX` and `ShearY`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("x", self.x, 0.0, 10.0), Limit::number("y", self.y, 0.0, 10.0)]
    }
}

impl Augmenter for Shear {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let slopes = [uniform([-self.x, self.x], rng), uniform([-self.y, self.y], rng)];
        trace::note(|| format!("shear {:.2} {:.2}", slopes[0], slopes[1]));
        let sampling = Sampling::new(self.interpolation, &self.fill);
        let sheared = if slopes[0] == 0.0 { image } else { shear_x(image, sampling, slopes[0]) };
        if slopes[1] == 0.0 { sheared } else { shear_y(sheared, sampling, slopes[1]) }
    }
}

/// Reads row `y` at `x + slope y`, from the top left corner of the image.
#[must_use]
pub fn shear_x(image: RgbImage, sampling: Sampling<'_>, slope: f64) -> RgbImage {
    sheared(image, sampling, [slope, 0.0])
}

/// Reads column `x` at `y + slope x`, from the top left corner of the image.
#[must_use]
pub fn shear_y(image: RgbImage, sampling: Sampling<'_>, slope: f64) -> RgbImage {
    sheared(image, sampling, [0.0, slope])
}

fn sheared(image: RgbImage, sampling: Sampling<'_>, slopes: [f64; 2]) -> RgbImage {
    let center = [-f64::from(image.width()) * 0.5, -f64::from(image.height()) * 0.5];
    let shear = slopes.map(|slope| slope.atan().to_degrees());
    affine(image, sampling, &Motion { shear, center, ..Motion::NONE })
}
