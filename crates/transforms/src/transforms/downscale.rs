//! `downscale`: fewer pixels. Reference: albumentations 2.0.8 `Downscale` with its nearest neighbors, which are `OpenCV`'s. Exact.

use std::cell::RefCell;

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{chance, round, uniform};
use crate::raster::remade;
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Reduces the image and enlarges it again, by nearest pixels, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Downscale {
    /// Side of the reduced image, as a share of the image's; drawn uniformly.
    pub scale: Range,
    /// Probability.
    pub p: f64,
}

impl Default for Downscale {
    fn default() -> Self {
        Self { scale: [0.25, 0.5], p: 0.5 }
    }
}

/// A shorter side below which little of an image is left.
const FEW_PX: f64 = 16.0;

impl Described for Downscale {
    const SOURCE: &str = "albumentations `Downscale`";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::interval("scale", self.scale, 0.01, 1.0).unit("of the side"), Limit::number("p", self.p, 0.0, 1.0)]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let side_px = width_px.min(height_px);
        let left = round(self.scale[0] * f64::from(side_px));
        (left < FEW_PX)
            .then(|| {
                format!(
                    "`downscale` leaves down to {left} px of the shorter side of {side_px} px: choose a larger `scale`"
                )
            })
            .into_iter()
            .collect()
    }

    fn example() -> Self {
        Self { p: 1.0, ..Self::default() }
    }
}

impl Augmenter for Downscale {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        if !chance(self.p, rng) {
            return image;
        }
        let scale = uniform(self.scale, rng);
        trace::note(|| format!("downscale to {scale:.2}"));
        downscale(image, scale)
    }
}

thread_local! {
    /// The column that each column is read from.
    static COLUMNS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Reads every pixel where it stands in the image that is `scale` as wide and high, and that one's pixel in this.
#[must_use]
pub fn downscale(image: RgbImage, scale: f64) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let source = |place: usize, side: usize| {
        let reduced = round(side as f64 * scale).max(1.0);
        let in_reduced = ((place as f64 * (1.0 / (side as f64 / reduced))) as usize).min(reduced as usize - 1);
        ((in_reduced as f64 * (1.0 / scale)) as usize).min(side - 1)
    };
    COLUMNS.with_borrow_mut(|columns| {
        columns.clear();
        columns.extend((0..width).map(|x| source(x, width)));
        remade(image, |pixels, made| {
            for (y, made) in made.chunks_exact_mut(width.max(1)).enumerate() {
                let row = &pixels[source(y, height) * width..][..width];
                made.iter_mut().zip(&*columns).for_each(|(pixel, &column)| *pixel = row[column]);
            }
        })
    })
}
