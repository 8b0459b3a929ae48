//! `timm_rand_augment`: the `RandAugment` of timm, which is another algorithm than torchvision's.
//!
//! Operations, strengths, probabilities and draws are those of timm 1.0.31 (`auto_augment.py`). The kernels are those of
//! torchvision; places between pixels are read by `interpolation`, where timm draws bilinear or bicubic.

use image::RgbImage;
use rand::RngExt as _;
use rand_distr::Normal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::{Motion, affine};
use super::rand_augment::RAND_AUGMENT;
use crate::draw::{chance, uniform, up_to};
use crate::policy::Operation;
use crate::{Augmenter, Described, Fill, Interpolation, Sampling, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// timm's `RandAugment`: a few of fifteen operations in turn, each with probability `p` and a strength of its own.
///
/// `rand-m9-mstd0.5-inc1` of timm is `magnitude = 9, magnitude_std = 0.5, increasing = true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimmRandAugment {
    /// Operations for each image, timm's `n`.
    pub operations: u32,
    /// Mean strength, timm's `m`.
    pub magnitude: f64,
    /// Standard deviation of the strength, timm's `mstd`.
    pub magnitude_std: f64,
    /// Draws the strength uniformly from 0 to `magnitude` instead, timm's `mstd` above 100.
    pub uniform: bool,
    /// Largest strength, timm's `mmax`.
    pub magnitude_max: f64,
    /// Probability of each operation.
    pub p: f64,
    /// Every operation becomes stronger with the magnitude, timm's `inc1`. Without it, some become weaker.
    pub increasing: bool,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for TimmRandAugment {
    fn default() -> Self {
        Self {
            operations: 2,
            magnitude: 9.0,
            magnitude_std: 0.0,
            uniform: false,
            magnitude_max: STRONGEST,
            p: 0.5,
            increasing: false,
            interpolation: Interpolation::Bilinear,
            fill: Fill::Constant([128; 3]),
        }
    }
}

impl Described for TimmRandAugment {
    const SOURCE: &str = "timm `rand_augment_transform`; Cubuk et al. 2020";
    const WORKS: &[Work] = &[RAND_AUGMENT];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("operations", self.operations, 1.0, 15.0),
            Limit::number("magnitude", self.magnitude, 0.0, 30.0),
            Limit::number("magnitude_std", self.magnitude_std, 0.0, 30.0),
            Limit::number("magnitude_max", self.magnitude_max, 0.1, 30.0),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }

    fn example() -> Self {
        Self { magnitude_std: 0.5, p: 1.0, increasing: true, ..Self::default() }
    }
}

/// Magnitude of full strength, timm's `_LEVEL_DENOM`.
const STRONGEST: f64 = 10.0;
/// Smallest factor of color, contrast, brightness and sharpness.
const LEAST_FACTOR: f64 = 0.1;
/// Largest translation, as a share of the side.
const TRANSLATE: f64 = 0.45;

/// timm's operations, in its order.
const OPERATIONS: [Operation; 15] = [
    Operation::AutoContrast,
    Operation::Equalize,
    Operation::Invert,
    Operation::Rotate,
    Operation::Posterize,
    Operation::Solarize,
    Operation::SolarizeAdd,
    Operation::Color,
    Operation::Contrast,
    Operation::Brightness,
    Operation::Sharpness,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
];

impl TimmRandAugment {
    /// The strength of one operation, from 0 to `magnitude_max`.
    fn draw_magnitude(&self, rng: &mut Stream) -> f64 {
        let magnitude = if self.uniform {
            uniform([0.0, self.magnitude], rng)
        } else if self.magnitude_std > 0.0 {
            rng.sample(Normal::new(self.magnitude, self.magnitude_std).expect("a deviation of a plan is finite"))
        } else {
            self.magnitude
        };
        magnitude.clamp(0.0, self.magnitude_max)
    }

    /// What [`Operation::apply`] takes: timm's `LEVEL_TO_ARG`, with the sign of `negate` where one is drawn. Translations
    /// are shares of the side.
    pub(crate) fn argument(&self, of: Operation, magnitude: f64, negate: bool) -> f64 {
        let level = magnitude / STRONGEST;
        let signed = |value: f64| if negate { -value } else { value };
        let whole = |most: f64| (level * most).trunc();
        match of {
            Operation::Rotate => signed(level * 30.0),
            Operation::ShearX | Operation::ShearY => signed(level * 0.3),
            Operation::TranslateX | Operation::TranslateY => signed(level * TRANSLATE),
            Operation::Posterize if self.increasing => (4.0 - whole(4.0)).max(0.0),
            Operation::Posterize => whole(4.0),
            Operation::Solarize if self.increasing => (256.0 - whole(256.0).min(256.0)) / 255.0,
            Operation::Solarize => whole(256.0).min(256.0) / 255.0,
            Operation::SolarizeAdd => whole(110.0).min(128.0),
            Operation::Color | Operation::Contrast | Operation::Brightness | Operation::Sharpness => {
                // Operations take the distance of the factor from 1.
                let factor = if self.increasing { 1.0 + signed(level * 0.9) } else { level * 1.8 + 0.1 };
                factor.max(LEAST_FACTOR) - 1.0
            }
            _ => 0.0,
        }
    }
}

impl Augmenter for TimmRandAugment {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let sampling = Sampling::of_policy(self.interpolation, &self.fill);
        for _ in 0..self.operations {
            let operation = OPERATIONS[up_to(OPERATIONS.len() as u32 - 1, rng) as usize];
            if !chance(self.p, rng) {
                continue;
            }
            let magnitude = self.draw_magnitude(rng);
            let argument = self.argument(operation, magnitude, chance(0.5, rng));
            let (width, height) = (f64::from(image.width()), f64::from(image.height()));
            image = match operation {
                Operation::TranslateX => translated(image, sampling, [argument * width, 0.0]),
                Operation::TranslateY => translated(image, sampling, [0.0, argument * height]),
                other => other.apply(image, argument, sampling),
            };
        }
        image
    }
}

/// Translates by parts of pixels too, as Pillow's `transform` does.
fn translated(image: RgbImage, sampling: Sampling<'_>, translate: [f64; 2]) -> RgbImage {
    trace::note(|| format!("translate {:.1} {:.1} px", translate[0], translate[1]));
    affine(image, sampling, &Motion { translate, ..Motion::NONE })
}
