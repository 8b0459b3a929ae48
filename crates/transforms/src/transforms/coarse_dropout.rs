//! `coarse_dropout`: rectangles of one color. Reference of the draws: albumentations 2.0.8 `CoarseDropout`.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{chance, uniform, up_to};
use crate::kernels::erase;
use crate::raster::Rect;
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Paints some rectangles that lie in the image, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CoarseDropout {
    /// Fewest and most rectangles.
    pub holes: [u32; 2],
    /// Their height, as a share of the image's.
    pub height: Range,
    /// Their width, as a share of the image's.
    pub width: Range,
    /// Their color.
    pub color: [u8; 3],
    /// Probability.
    pub p: f64,
}

impl Default for CoarseDropout {
    fn default() -> Self {
        Self { holes: [1, 2], height: [0.1, 0.2], width: [0.1, 0.2], color: [0; 3], p: 0.5 }
    }
}

impl Described for CoarseDropout {
    const SOURCE: &str = "albumentations `CoarseDropout`";

    fn limits(&self) -> Vec<Limit> {
        let [fewest, most] = self.holes;
        let fits = (1..=most).contains(&fewest) && most <= 1000;
        vec![
            Limit::rule("holes", "1 to 1000, in order", fits, || {
                format!("`holes` must be two numbers from 1 to 1000, in order, not [{fewest}, {most}]")
            }),
            Limit::interval("height", self.height, 0.0, 1.0),
            Limit::interval("width", self.width, 0.0, 1.0),
            Limit::rule("color", "0 to 255 each", true, String::new),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }
}

impl Augmenter for CoarseDropout {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if !chance(self.p, rng) {
            return image;
        }
        let [fewest, most] = self.holes;
        for _ in 0..fewest + up_to(most - fewest, rng) {
            let hole = draw_hole(self, image.width(), image.height(), rng);
            trace::note(|| format!("drop {}", hole.text()));
            erase(&mut image, hole, self.color);
        }
        image
    }
}

/// A rectangle of a size drawn uniformly, at a place drawn uniformly.
fn draw_hole(of: &CoarseDropout, width_px: u32, height_px: u32, rng: &mut Stream) -> Rect {
    let mut side = |share: Range, whole: u32| (uniform(share, rng) * f64::from(whole)) as u32;
    let (height, width) = (side(of.height, height_px), side(of.width, width_px));
    let top_px = up_to(height_px - height, rng);
    let left_px = up_to(width_px - width, rng);
    Rect { left_px, top_px, width_px: width, height_px: height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    #[test]
    fn a_hole_lies_in_the_image_and_has_every_size_between_the_bounds() {
        let of = CoarseDropout { height: [0.1, 0.5], width: [0.3, 1.0], ..CoarseDropout::default() };
        let mut sizes = [[u32::MAX, 0]; 2];
        for index in 0..3000 {
            let hole = draw_hole(&of, 20, 30, &mut StudySeed(1).stream(Purpose::Gallery, index));
            assert!(hole.is_within(20, 30), "{hole:?}");
            for ([least, most], size) in sizes.iter_mut().zip([hole.width_px, hole.height_px]) {
                (*least, *most) = ((*least).min(size), (*most).max(size));
            }
        }
        assert_eq!(sizes, [[6, 19], [3, 14]]);
    }
}
