//! `elastic`: smooth random displacement (Simard et al. 2003). Reference: torchvision v2 `ElasticTransform` on uint8 tensors.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gaussian_blur::smooth;
use crate::draw::uniform;
use crate::kernels::{linspace, warp};
use crate::{Augmenter, Described, Fill, Interpolation, Sampling, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Moves every pixel by a random amount; pixels that are near each other move alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Elastic {
    /// Strength: the displacement before smoothing, in halves of a pixel.
    pub alpha: f64,
    /// Standard deviation of the smoothing, px.
    pub sigma: f64,
    /// How it is read between pixels.
    pub interpolation: Interpolation,
    /// What is seen beyond the edges.
    pub fill: Fill,
}

impl Default for Elastic {
    fn default() -> Self {
        Self { alpha: 50.0, sigma: 5.0, interpolation: Interpolation::Bilinear, fill: Fill::default() }
    }
}

impl Described for Elastic {
    const SOURCE: &str = "torchvision `ElasticTransform`; Simard et al. 2003, section 2";
    const WORKS: &[Work] = &[Work {
        key: "simard2003",
        kind: "inproceedings",
        authors: "Simard, Patrice Y. and Steinkraus, Dave and Platt, John C.",
        title: "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
        venue: "International Conference on Document Analysis and Recognition",
        year: 2003,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("alpha", self.alpha, 0.0, 10_000.0),
            Limit::number("sigma", self.sigma, 0.1, 30.0).unit("px"),
        ]
    }
}

impl Augmenter for Elastic {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width, height) = (image.width() as usize, image.height() as usize);
        trace::note(|| format!("elastic {}", self.alpha));
        // As in torchvision, which divides the first of the two by the height.
        let mut field = |side: usize| {
            let mut field: Vec<f32> = (0..width * height).map(|_| uniform([-1.0, 1.0], rng) as f32).collect();
            smooth(&mut field, width, 1, kernel_px(self.sigma), self.sigma);
            let scale = self.alpha as f32;
            for value in &mut field {
                *value = *value * scale / side as f32;
            }
            field
        };
        let (across, down) = (field(height), field(width));
        let sampling = Sampling::new(self.interpolation, &self.fill);
        displace(image, sampling, &across, &down)
    }
}

/// Side of the smoothing kernel: eight standard deviations, odd.
fn kernel_px(sigma_px: f64) -> u32 {
    (8.0 * sigma_px + 1.0) as u32 | 1
}

/// Reads every pixel at its own place plus a displacement, in halves of the image's sides, `[H, W]`.
///
/// # Panics
/// If there is not one displacement a pixel.
#[must_use]
pub fn displace(image: RgbImage, sampling: Sampling<'_>, across: &[f32], down: &[f32]) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    assert!(across.len() == width * height && down.len() == across.len(), "one displacement a pixel");
    let places = |side: usize| -> Vec<f32> {
        let outermost = (side as f32 - 1.0) / side as f32;
        (0..side).map(|index| linspace(-outermost, outermost, side, index)).collect()
    };
    let (columns, rows) = (places(width), places(height));
    warp(image, sampling, |column, row| {
        // The last block of a row may reach beyond it.
        let column = column.min(width - 1);
        let index = row * width + column;
        (columns[column] + across[index], rows[row] + down[index])
    })
}
