//! `grid_mask` (Chen et al. 2020). Reference: the paper, section 3.2, without its turn of the mask; done anew in
//! `fixtures/parity/make_parity.py`. The authors' code leaves out the bars before the first and behind the last that lie whole on a
//! canvas of one and a half times the size; here, the grid has no end.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{chance, round, uniform, up_to};
use crate::raster::pixels_mut;
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Hides squares at equal distances, at a random place, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GridMask {
    /// Distance from one square to the next, as a share of the shorter side; drawn uniformly.
    pub period: Range,
    /// Width of the bars that stay visible, as a share of the distance.
    pub ratio: f64,
    /// Color of the squares.
    pub color: [u8; 3],
    /// Probability.
    pub p: f64,
}

impl Default for GridMask {
    fn default() -> Self {
        Self { period: [0.43, 1.0], ratio: 0.6, color: [0; 3], p: 0.5 }
    }
}

/// Shortest distance from one square to the next.
const LEAST_PX: f64 = 2.0;

impl Described for GridMask {
    const SOURCE: &str = "Chen et al. 2020, section 3.2";
    const WORKS: &[Work] = &[Work {
        key: "chen2020",
        kind: "misc",
        authors: "Chen, Pengguang and Liu, Shu and Zhao, Hengshuang and Wang, Xingquan and Jia, Jiaya",
        title: "GridMask Data Augmentation",
        venue: "arXiv:2001.04086",
        year: 2020,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::interval("period", self.period, 0.01, 4.0).unit("of the shorter side"),
            Limit::number("ratio", self.ratio, 0.0, 1.0).unit("of the distance"),
            Limit::rule("color", "0 to 255 each", true, String::new),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let side_px = width_px.min(height_px);
        let least = round(self.period[0] * f64::from(side_px));
        let fine = (least < 8.0).then(|| {
            format!(
                "`grid_mask` hides squares every {least} px of {side_px} px, which is noise: choose a larger `period`"
            )
        });
        fine.into_iter().collect()
    }

    fn example() -> Self {
        Self { p: 1.0, ..Self::default() }
    }
}

impl Augmenter for GridMask {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            let side = f64::from(image.width().min(image.height()));
            let period = round(uniform(self.period, rng) * side).max(LEAST_PX) as u32;
            let bar = (f64::from(period) * self.ratio + 0.5) as u32;
            let (left, top) = (up_to(period - 1, rng), up_to(period - 1, rng));
            trace::note(|| format!("grid every {period} px, bars {} px, from {left} {top}", bar.clamp(1, period - 1)));
            grid_mask(&mut image, period, bar.clamp(1, period - 1), [left, top], self.color);
        }
        image
    }
}

/// Paints the squares between bars of `bar_px`, of which one begins every `period_px` columns and rows, from `first` (column, row) on
/// and before it.
///
/// # Panics
/// If the period is 0.
pub fn grid_mask(image: &mut RgbImage, period_px: u32, bar_px: u32, first: [u32; 2], color: [u8; 3]) {
    let period = i64::from(period_px);
    let in_bar = |place: usize, first: u32| (place as i64 - i64::from(first)).rem_euclid(period) < i64::from(bar_px);
    let width = image.width().max(1) as usize;
    for (y, row) in pixels_mut(image).chunks_exact_mut(width).enumerate() {
        if in_bar(y, first[1]) {
            continue;
        }
        // The first square begins where the bar before it ends.
        let start = (i64::from(first[0]) + i64::from(bar_px)).rem_euclid(period) - period;
        for square in (start..width as i64).step_by(period_px as usize) {
            let end = (square + period - i64::from(bar_px)).clamp(0, width as i64) as usize;
            row[(square.max(0) as usize).min(end)..end].fill(color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_and_bars_alternate_from_any_place_on() {
        for first in 0..7 {
            let mut image = RgbImage::from_pixel(20, 15, image::Rgb([9; 3]));
            grid_mask(&mut image, 7, 4, [first, 2], [0; 3]);
            for (x, y, pixel) in image.enumerate_pixels() {
                let bar = |place: u32, first: u32| (place + 7 - first) % 7 < 4;
                assert_eq!(pixel.0 == [9; 3], bar(x, first) || bar(y, 2), "{x} {y} from {first}");
            }
        }
    }
}
