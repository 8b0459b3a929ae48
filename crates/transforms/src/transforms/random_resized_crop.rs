//! `random_resized_crop`. Reference: torchvision v2 `RandomResizedCrop.make_params`, and `resized_crop` on PIL images
//! (bilinear, antialias).

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{ATTEMPTS, log_uniform, round, uniform, up_to};
use crate::kernels::resized_crop;
use crate::raster::Rect;
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Crops a rectangle of random area and aspect, and resizes it, bilinear with antialiasing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Share of the area, drawn uniformly.
    pub scale: Range,
    /// Width over height, drawn log-uniformly.
    pub ratio: Range,
    /// Width of the result, px; the image's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_px: Option<u32>,
    /// Height of the result, px; the image's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_px: Option<u32>,
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], width_px: None, height_px: None }
    }
}

impl Described for RandomResizedCrop {
    const SOURCE: &str = "torchvision `RandomResizedCrop`";

    fn limits(&self) -> Vec<Limit> {
        let side = |key, side: Option<u32>| Limit::number(key, side.unwrap_or(1), 1.0, 8192.0).unit("px");
        vec![
            Limit::interval("scale", self.scale, 1e-4, 1.0),
            Limit::interval("ratio", self.ratio, 1e-2, 1e2),
            side("width_px", self.width_px),
            side("height_px", self.height_px),
        ]
    }
}

impl Augmenter for RandomResizedCrop {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        let drawn = draw_crop(self, width_px, height_px, rng);
        trace::note(|| format!("crop {}", drawn.text()));
        resized_crop(image, drawn, self.width_px.unwrap_or(width_px), self.height_px.unwrap_or(height_px))
    }
}

/// Draws as torchvision's `RandomResizedCrop.make_params`: ten attempts, then the largest centered crop within `ratio`.
pub(crate) fn draw_crop(of: &RandomResizedCrop, width_px: u32, height_px: u32, rng: &mut Stream) -> Rect {
    let (full_width, full_height) = (f64::from(width_px), f64::from(height_px));
    for _ in 0..ATTEMPTS {
        let area = full_width * full_height * uniform(of.scale, rng);
        let ratio = log_uniform(of.ratio, rng);
        let (width, height) = (round((area * ratio).sqrt()), round((area / ratio).sqrt()));
        if width >= 1.0 && width <= full_width && height >= 1.0 && height <= full_height {
            let (width, height) = (width as u32, height as u32);
            let top_px = up_to(height_px - height, rng);
            let left_px = up_to(width_px - width, rng);
            return Rect { left_px, top_px, width_px: width, height_px: height };
        }
    }
    let [low, high] = of.ratio;
    let ratio = full_width / full_height;
    let (width, height) = if ratio < low {
        (full_width, round(full_width / low))
    } else if ratio > high {
        (round(full_height * high), full_height)
    } else {
        (full_width, full_height)
    };
    // Sides of one or two pixels can round to nothing or beyond the image.
    let (width, height) = ((width as u32).clamp(1, width_px), (height as u32).clamp(1, height_px));
    Rect { left_px: (width_px - width) / 2, top_px: (height_px - height) / 2, width_px: width, height_px: height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    fn stream(index: u64) -> Stream {
        StudySeed(3).stream(Purpose::Gallery, index)
    }

    #[test]
    fn where_no_crop_fits_it_is_the_largest_centered_one_within_the_ratio() {
        let of = RandomResizedCrop { scale: [1.0, 1.0], ..RandomResizedCrop::default() };
        let wide = Rect { left_px: 27, top_px: 0, width_px: 5, height_px: 4 };
        assert_eq!(draw_crop(&of, 60, 4, &mut stream(0)), wide);
        let tall = Rect { left_px: 0, top_px: 27, width_px: 4, height_px: 5 };
        assert_eq!(draw_crop(&of, 4, 60, &mut stream(0)), tall);
    }

    #[test]
    fn a_crop_has_the_asked_share_of_the_area_and_the_asked_shape() {
        let of = RandomResizedCrop { scale: [0.1, 0.5], ratio: [0.5, 2.0], ..RandomResizedCrop::default() };
        let shares: Vec<f64> = (0..2000)
            .map(|index| {
                let rect = draw_crop(&of, 400, 400, &mut stream(index));
                let (width, height) = (f64::from(rect.width_px), f64::from(rect.height_px));
                assert!((0.49..2.03).contains(&(width / height)), "{rect:?}");
                width * height / 160_000.0
            })
            .collect();
        assert!(shares.iter().all(|share| (0.098..0.502).contains(share)));
        // All of these fit into a square, so that none is drawn again: half of the interval, four standard errors.
        let small = shares.iter().filter(|&&share| share < 0.3).count() as f64 / 2000.0;
        assert!((small - 0.5).abs() < 0.045, "{small}");
    }
}
