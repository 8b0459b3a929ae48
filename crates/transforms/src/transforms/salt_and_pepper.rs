//! `salt_and_pepper`: isolated black and white pixels, or square blocks of them.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{chance, uniform};
use crate::raster::pixels_mut;
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

const WHITE: u8 = u8::MAX;

/// Sets isolated pixels, or square blocks of them, to black or white.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SaltAndPepper {
    /// Share of the blocks that is replaced, drawn uniformly.
    pub amount: Range,
    /// Share of white among the replaced.
    pub salt: f64,
    /// Side of a block, px.
    pub block_px: u32,
}

impl Default for SaltAndPepper {
    fn default() -> Self {
        Self { amount: [0.01, 0.05], salt: 0.5, block_px: 1 }
    }
}

impl Described for SaltAndPepper {
    const SOURCE: &str = "";

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::interval("amount", self.amount, 0.0, 1.0),
            Limit::number("salt", self.salt, 0.0, 1.0),
            Limit::number("block_px", self.block_px, 1.0, 1024.0).unit("px"),
        ]
    }
}

impl Augmenter for SaltAndPepper {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let speckles = draw_speckles(self, image.width(), image.height(), rng);
        trace::note(|| format!("{} speckles", speckles.len()));
        set_speckles(&mut image, self.block_px, &speckles);
        image
    }
}

/// A block that turns black or white, at its column and row in the grid of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speckle {
    pub column: u32,
    pub row: u32,
    pub white: bool,
}

/// Every block of the grid is replaced independently with the drawn probability.
fn draw_speckles(of: &SaltAndPepper, width_px: u32, height_px: u32, rng: &mut Stream) -> Vec<Speckle> {
    let amount = uniform(of.amount, rng);
    let block_px = of.block_px.max(1);
    let mut speckles = Vec::new();
    for row in 0..height_px.div_ceil(block_px) {
        for column in 0..width_px.div_ceil(block_px) {
            if chance(amount, rng) {
                speckles.push(Speckle { column, row, white: chance(of.salt, rng) });
            }
        }
    }
    speckles
}

/// Paints the blocks; those at the right and lower edge may be cut.
pub fn set_speckles(image: &mut RgbImage, block_px: u32, speckles: &[Speckle]) {
    let (width, height, block) = (image.width() as usize, image.height() as usize, block_px.max(1) as usize);
    let pixels = pixels_mut(image);
    for speckle in speckles {
        let color = if speckle.white { [WHITE; 3] } else { [0; 3] };
        let (left, top) = (speckle.column as usize * block, speckle.row as usize * block);
        for y in top..(top + block).min(height) {
            pixels[y * width + left..y * width + (left + block).min(width)].fill(color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    #[test]
    fn blocks_are_painted_whole_and_cut_at_the_edge() {
        let mut image = RgbImage::from_pixel(5, 3, image::Rgb([9; 3]));
        let speckles = [Speckle { column: 2, row: 1, white: true }, Speckle { column: 0, row: 0, white: false }];
        set_speckles(&mut image, 2, &speckles);
        let shown: Vec<u8> = image.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(shown, [0, 0, 9, 9, 9, 0, 0, 9, 9, 9, 9, 9, 9, 9, 255]);
    }

    #[test]
    fn shares_of_replaced_blocks_and_of_salt_are_as_asked() {
        let noise = SaltAndPepper { amount: [0.2, 0.2], salt: 0.75, block_px: 1 };
        let mut rng = StudySeed(1).stream(Purpose::Gallery, 0);
        let speckles = draw_speckles(&noise, 200, 200, &mut rng);
        let (count, white) = (speckles.len() as f64, speckles.iter().filter(|speckle| speckle.white).count() as f64);
        // Four standard errors of a binomial share.
        assert!((count / 40_000.0 - 0.2).abs() < 0.008, "{count}");
        assert!((white / count - 0.75).abs() < 0.02, "{white}");
    }
}
