//! `rotation`: by any angle. Reference: torchvision v2 `rotate` on uint8 tensors with `InterpolationMode.BILINEAR`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::uniform;
use crate::kernels::read_at;
use crate::{Augmenter, Described, Fill, Interpolation, Sampling, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Rotates about the center by an angle drawn from `[-degrees, degrees]`, bilinear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Largest angle, degrees.
    pub degrees: f64,
    /// What is seen beyond the corners.
    pub fill: Fill,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { degrees: 15.0, fill: Fill::default() }
    }
}

impl Described for Rotation {
    const SOURCE: &str = "torchvision `RandomRotation`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("degrees", self.degrees, 0.0, 180.0).unit("degrees")]
    }
}

impl Augmenter for Rotation {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let degrees = uniform([-self.degrees, self.degrees], rng);
        trace::note(|| format!("rotate {degrees:.1}°"));
        rotate(image, degrees, &self.fill)
    }
}

/// Rotates about the center, counter-clockwise for a positive angle, bilinear; the size is kept.
///
/// A pixel of the result at `(x, y)` from the center is read at `(x cos - y sin, x sin + y cos)`, which is computed in
/// double precision.
#[must_use]
pub fn rotate(image: RgbImage, degrees: f64, fill: &Fill) -> RgbImage {
    let (width, height) = image.dimensions();
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (center_x, center_y) = ((f64::from(width) - 1.0) / 2.0, (f64::from(height) - 1.0) / 2.0);
    read_at(image, Sampling::new(Interpolation::Bilinear, fill), |column, row| {
        let y = row as f64 - center_y;
        // The first pixel of the row, and from there one step per pixel.
        let first_x = center_x - center_x * cos - y * sin;
        let first_y = center_y - center_x * sin + y * cos;
        let along = column as f64;
        ((along * cos + first_x) as f32, (along * sin + first_y) as f32)
    })
}
