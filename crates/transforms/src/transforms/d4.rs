//! `d4`: the symmetries of a square. Reference: albumentations 2.0.8 `D4`. Moves pixels, and is exact where the sides are equal.

use image::{RgbImage, imageops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{flip_horizontally, flip_vertically, quarter_turns};
use crate::draw::up_to;
use crate::kernels::resize;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Turns, flips or transposes: one of the eight symmetries of a square, each equally likely; resized back if sides swap.
///
/// Where only the sides' order is to stay, `vertical_flip` and `horizontal_flip` together are the four symmetries of a rectangle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct D4 {}

impl Described for D4 {
    const SOURCE: &str = "albumentations `D4`";

    fn limits(&self) -> Vec<Limit> {
        Vec::new()
    }
}

/// albumentations' names of the symmetries, in its order.
const NAMES: [&str; 8] = ["e", "r90", "r180", "r270", "v", "hvt", "h", "t"];

impl Augmenter for D4 {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        let symmetry = up_to(NAMES.len() as u32 - 1, rng) as usize;
        trace::note(|| format!("symmetry {}", NAMES[symmetry]));
        resize(d4(image, symmetry), width_px, height_px)
    }
}

/// Symmetry `0..8`: nothing, a quarter, half and three quarters of a turn counter-clockwise, upside down, over the second diagonal,
/// left and right exchanged, over the main diagonal. The sides swap in 1, 3, 5 and 7.
#[must_use]
pub fn d4(mut image: RgbImage, symmetry: usize) -> RgbImage {
    match symmetry {
        0..=3 => return quarter_turns(image, symmetry as u8),
        4 => flip_vertically(&mut image),
        6 => flip_horizontally(&mut image),
        _ => {
            image = imageops::rotate90(&image);
            if symmetry == 5 { flip_vertically(&mut image) } else { flip_horizontally(&mut image) }
        }
    }
    image
}
