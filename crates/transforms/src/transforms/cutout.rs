//! `cutout` (`DeVries` and Taylor 2017). Reference: the authors' code.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::up_to;
use crate::kernels::erase;
use crate::parameters::too_long;
use crate::raster::{Rect, Rgb8};
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

const BLACK: Rgb8 = [0; 3];

/// Blackens squares of a fixed size at random centers, clipped at the edges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cutout {
    /// Side of a square, px. An odd side is centered on a pixel and drawn whole; the authors' code draws one pixel less.
    pub side_px: u32,
    /// Number of squares.
    pub holes: u32,
}

impl Default for Cutout {
    fn default() -> Self {
        Self { side_px: 16, holes: 1 }
    }
}

impl Described for Cutout {
    const SOURCE: &str = "DeVries and Taylor 2017, and the authors' code (github.com/uoguelph-mlrg/Cutout)";
    const WORKS: &[Work] = &[Work {
        key: "devries2017",
        kind: "misc",
        authors: "DeVries, Terrance and Taylor, Graham W.",
        title: "Improved Regularization of Convolutional Neural Networks with Cutout",
        venue: "arXiv:1708.04552",
        year: 2017,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("side_px", self.side_px, 1.0, 8192.0).unit("px"),
            Limit::number("holes", self.holes, 1.0, 1000.0),
        ]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let advice = "choose a smaller `side_px`";
        let what = "`cutout` hides a square of";
        too_long(what, f64::from(self.side_px), width_px.min(height_px), 0.6, advice).into_iter().collect()
    }
}

impl Augmenter for Cutout {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        for _ in 0..self.holes {
            let (y, x) = (up_to(height_px - 1, rng), up_to(width_px - 1, rng));
            trace::note(|| format!("cut out {} px at {x} {y}", self.side_px));
            erase(&mut image, hole(x, y, self.side_px, width_px, height_px), BLACK);
        }
        image
    }
}

/// The square of side `side_px` about the pixel `(x, y)`, as far as it lies in the image. An even side has its center
/// at the upper left corner of the pixel, as in the authors' code.
#[must_use]
pub fn hole(x: u32, y: u32, side_px: u32, width_px: u32, height_px: u32) -> Rect {
    let span = |center: u32, length: u32| {
        let start = i64::from(center) - i64::from(side_px / 2);
        let end = (start + i64::from(side_px)).min(i64::from(length)) as u32;
        (start.max(0) as u32, end)
    };
    let ((left_px, right), (top_px, bottom)) = (span(x, width_px), span(y, height_px));
    Rect { left_px, top_px, width_px: right - left_px, height_px: bottom - top_px }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_of_odd_side_is_centered_and_one_of_even_side_leans_up_and_left() {
        let at = |side| {
            let rect = hole(5, 6, side, 20, 20);
            (rect.left_px, rect.top_px, rect.width_px, rect.height_px)
        };
        assert_eq!(at(3), (4, 5, 3, 3));
        assert_eq!(at(4), (3, 4, 4, 4));
    }

    #[test]
    fn a_hole_is_clipped_at_every_edge() {
        assert_eq!(hole(0, 0, 4, 8, 6), Rect { left_px: 0, top_px: 0, width_px: 2, height_px: 2 });
        assert_eq!(hole(7, 5, 4, 8, 6), Rect { left_px: 5, top_px: 3, width_px: 3, height_px: 3 });
        assert_eq!(hole(3, 3, 100, 8, 6), Rect::whole(8, 6));
    }
}
