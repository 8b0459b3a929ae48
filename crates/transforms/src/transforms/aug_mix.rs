//! `aug_mix` (Hendrycks et al. 2020). Reference: torchvision v2 `AugMix` on uint8 tensors.

use image::RgbImage;
use rand::RngExt as _;
use rand_distr::Gamma;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::up_to;
use crate::policy::{Operation, Posterize, Space, Translate, signed};
use crate::{Augmenter, Described, Fill, Interpolation, Sampling, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// The image, blended with some images that chains of weak operations make of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugMix {
    /// Strength: magnitudes are drawn from the weakest so many of ten.
    pub severity: u32,
    /// Number of chains.
    pub width: u32,
    /// Operations of a chain; 0 draws 1 to 3.
    pub depth: u32,
    /// Of the Dirichlet distributions of the weights: below 1, one chain dominates.
    pub alpha: f64,
    /// Brightness, color, contrast and sharpness too, which some test sets of corruptions contain.
    pub all_operations: bool,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for AugMix {
    fn default() -> Self {
        Self {
            severity: 3,
            width: 3,
            depth: 0,
            alpha: 1.0,
            all_operations: true,
            interpolation: Interpolation::Bilinear,
            fill: Fill::default(),
        }
    }
}

impl Described for AugMix {
    const SOURCE: &str = "torchvision `AugMix`; Hendrycks et al. 2020, algorithm 1";
    const WORKS: &[Work] = &[Work {
        key: "hendrycks2020",
        kind: "inproceedings",
        authors: "Hendrycks, Dan and Mu, Norman and Cubuk, Ekin D. and Zoph, Barret and Gilmer, Justin and \
                  Lakshminarayanan, Balaji",
        title: "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
        venue: "International Conference on Learning Representations",
        year: 2020,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("severity", self.severity, 1.0, BINS as f64),
            Limit::number("width", self.width, 1.0, 20.0),
            Limit::number("depth", self.depth, 0.0, 20.0),
            Limit::number("alpha", self.alpha, 0.01, 100.0),
        ]
    }
}

/// Strengths of an operation.
const BINS: usize = 10;
/// Operations of a chain whose depth is drawn.
const DEEPEST: u32 = 3;

/// The operations, those that some test sets contain last.
const OPERATIONS: &[Operation] = &[
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Posterize,
    Operation::Solarize,
    Operation::AutoContrast,
    Operation::Equalize,
    Operation::Brightness,
    Operation::Color,
    Operation::Contrast,
    Operation::Sharpness,
];
/// How many of them no test set contains.
const PARTIAL: usize = 9;

impl AugMix {
    pub(crate) fn space(&self) -> Space {
        Space {
            operations: if self.all_operations { OPERATIONS } else { &OPERATIONS[..PARTIAL] },
            shear: 0.3,
            translate: Translate::Part(3.0),
            degrees: 30.0,
            enhance: 0.9,
            posterize: Posterize { from: 4.0, less: 4.0 },
        }
    }
}

impl Augmenter for AugMix {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let space = self.space();
        let sampling = Sampling::of_policy(self.interpolation, &self.fill);
        let own = dirichlet::<2>(self.alpha, rng);
        let shares = shares(self.alpha, self.width, rng);
        trace::note(|| format!("mix {:.2} of the image", own[0]));
        let mut sum = Mixture::new(&image, own[0]);
        for share in shares {
            let depth = if self.depth > 0 { self.depth } else { 1 + up_to(DEEPEST - 1, rng) };
            let mut chained = image.clone();
            for _ in 0..depth {
                let operation = space.draw(rng);
                let index = up_to(self.severity - 1, rng) as usize;
                let magnitude = space.magnitude(operation, index, BINS, image.dimensions());
                chained = operation.apply(chained, signed(operation, magnitude, rng), sampling);
            }
            sum.add(&chained, share * own[1]);
        }
        sum.finish(image)
    }
}

/// A weighted sum of images, in single precision.
pub(crate) struct Mixture(Vec<f32>);

impl Mixture {
    pub(crate) fn new(image: &RgbImage, weight: f32) -> Self {
        Self(image.iter().map(|&byte| weight * f32::from(byte)).collect())
    }

    pub(crate) fn add(&mut self, image: &RgbImage, weight: f32) {
        for (sum, &byte) in self.0.iter_mut().zip(image.iter()) {
            *sum += weight * f32::from(byte);
        }
    }

    /// Writes the sum, truncated, into `image`.
    pub(crate) fn finish(self, mut image: RgbImage) -> RgbImage {
        for (byte, sum) in image.iter_mut().zip(self.0) {
            *byte = sum as u8;
        }
        image
    }
}

fn dirichlet<const N: usize>(alpha: f64, rng: &mut Stream) -> [f32; N] {
    let drawn = shares(alpha, N as u32, rng);
    std::array::from_fn(|index| drawn[index])
}

/// Draws from the symmetric Dirichlet distribution: gamma variates over their sum.
fn shares(alpha: f64, count: u32, rng: &mut Stream) -> Vec<f32> {
    let gamma = Gamma::new(alpha, 1.0).expect("alpha of a plan is positive");
    let drawn: Vec<f64> = (0..count).map(|_| rng.sample(gamma).max(f64::MIN_POSITIVE)).collect();
    let total: f64 = drawn.iter().sum();
    drawn.into_iter().map(|value| (value / total) as f32).collect()
}
