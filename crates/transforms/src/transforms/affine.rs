//! `affine`: rotation, translation, scaling and shear about the center. Reference: torchvision v2 `RandomAffine` on uint8
//! tensors; exact with `nearest`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{round, uniform};
use crate::kernels::{Affine as Map, warp_affine};
use crate::{Augmenter, Described, Fill, Interpolation, Range, Sampling, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Rotates, translates, scales and shears about the center, each by a random amount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Affine {
    /// Largest angle, degrees.
    pub degrees: f64,
    /// Largest shifts, as shares of the width and of the height.
    pub translate: [f64; 2],
    /// Factor of the size.
    pub scale: Range,
    /// Largest angles of the shear along x and along y, degrees.
    pub shear: [f64; 2],
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for Affine {
    fn default() -> Self {
        Self {
            degrees: 15.0,
            translate: [0.1; 2],
            scale: [0.9, 1.1],
            shear: [0.0; 2],
            interpolation: Interpolation::Bilinear,
            fill: Fill::default(),
        }
    }
}

impl Described for Affine {
    const SOURCE: &str = "torchvision `RandomAffine`";

    fn limits(&self) -> Vec<Limit> {
        let both = |name, [x, y]: [f64; 2], most: f64| {
            let inside = |value| (0.0..=most).contains(&value);
            Limit::rule(name, &format!("each 0 to {most}"), inside(x) && inside(y), || {
                format!("`{name}` must be two numbers between 0 and {most}, not [{x}, {y}]")
            })
        };
        vec![
            Limit::number("degrees", self.degrees, 0.0, 180.0).unit("degrees"),
            both("translate", self.translate, 1.0),
            Limit::interval("scale", self.scale, 0.01, 100.0),
            both("shear", self.shear, 89.0).unit("degrees"),
        ]
    }

    fn example() -> Self {
        Self { shear: [10.0, 5.0], ..Self::default() }
    }
}

impl Augmenter for Affine {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let degrees = uniform([-self.degrees, self.degrees], rng);
        let mut shift = |share: f64, side: u32| {
            let largest = share * f64::from(side);
            round(uniform([-largest, largest], rng))
        };
        let translate = [shift(self.translate[0], image.width()), shift(self.translate[1], image.height())];
        let scale = uniform(self.scale, rng);
        let shear = self.shear.map(|most| uniform([-most, most], rng));
        trace::note(|| {
            let ([right, down], [x, y]) = (translate, shear);
            format!("affine {degrees:.1}°, shift {right} {down} px, x{scale:.2}, shear {x:.1}° {y:.1}°")
        });
        let motion = Motion { degrees, translate, scale, shear, center: [0.0; 2] };
        let sampling = Sampling::new(self.interpolation, &self.fill);
        affine(image, sampling, &motion)
    }
}

/// The numbers of torchvision's `affine`.
#[derive(Clone, Copy, Debug)]
pub struct Motion {
    /// Clockwise.
    pub degrees: f64,
    /// Right and down, px.
    pub translate: [f64; 2],
    pub scale: f64,
    /// Angles along x and along y, degrees.
    pub shear: [f64; 2],
    /// What rotation, scale and shear leave in its place, px from the center of the image.
    pub center: [f64; 2],
}

impl Motion {
    /// Nothing moves.
    pub const NONE: Self = Self { degrees: 0.0, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], center: [0.0; 2] };

    /// From a pixel of the result to where it is read, as torchvision's `_get_inverse_affine_matrix`:
    /// `C (R S Hy Hx)^-1 C^-1 T^-1`, with rotation, scale, the shears, the move from the center and the translation.
    fn inverse(&self) -> Map {
        let [shear_x, shear_y] = self.shear.map(f64::to_radians);
        let angle = self.degrees.to_radians();
        let ([center_x, center_y], [right, down]) = (self.center, self.translate);
        let a = (angle - shear_y).cos() / shear_y.cos();
        let b = -(a * shear_x.tan() + angle.sin());
        let c = (angle - shear_y).sin() / shear_y.cos();
        let d = angle.cos() - c * shear_x.tan();
        let [across, down_row] = [[d / self.scale, -b / self.scale], [-c / self.scale, a / self.scale]];
        let offset = |[x, y]: [f64; 2], center: f64| center - x * (center_x + right) - y * (center_y + down);
        [[across[0], across[1], offset(across, center_x)], [down_row[0], down_row[1], offset(down_row, center_y)]]
    }
}

/// Moves the image; its size is kept.
#[must_use]
pub fn affine(image: RgbImage, sampling: Sampling<'_>, motion: &Motion) -> RgbImage {
    warp_affine(image, sampling, &motion.inverse())
}
