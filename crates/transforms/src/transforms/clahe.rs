//! `clahe`: contrast-limited adaptive histogram equalization (Zuiderveld 1994). Reference: albumentations 2.0.8 `CLAHE`, which is
//! `OpenCV`'s (`modules/imgproc/src/clahe.cpp`) of L* of 8-bit L*a*b*.

use std::cell::RefCell;

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gaussian_blur::reflect;
use crate::draw::{chance, uniform};
use crate::kernels::{Table, from_lab, to_lab};
use crate::raster::{Rgb8, pixels_mut, round_to_int};
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Evens the histogram of lightness tile by tile, blended between tiles, with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clahe {
    /// How many times as many pixels of a tile as in an even histogram may have one lightness; drawn uniformly.
    pub clip: Range,
    /// Tiles across and down.
    pub tiles: [u32; 2],
    /// Probability.
    pub p: f64,
}

impl Default for Clahe {
    fn default() -> Self {
        Self { clip: [1.0, 4.0], tiles: [8, 8], p: 0.5 }
    }
}

/// Pixels of a tile below which its histogram is mostly gaps: values that a channel has.
const FEW_PX: u32 = 256;

impl Described for Clahe {
    const SOURCE: &str = "albumentations `CLAHE`; OpenCV `createCLAHE`";
    const WORKS: &[Work] = &[Work {
        key: "zuiderveld1994",
        kind: "incollection",
        authors: "Zuiderveld, Karel",
        title: "Contrast Limited Adaptive Histogram Equalization",
        venue: "Graphics Gems IV",
        year: 1994,
    }];

    fn limits(&self) -> Vec<Limit> {
        let [across, down] = self.tiles;
        let fits = self.tiles.iter().all(|tiles| (1..=64).contains(tiles));
        vec![
            Limit::interval("clip", self.clip, 1.0, 256.0).unit("of an even share"),
            Limit::rule("tiles", "1 to 64 each", fits, || {
                format!("`tiles` must be two numbers from 1 to 64, not [{across}, {down}]")
            }),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }

    fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
        let [across, down] = self.tiles;
        let (width, height) = (width_px.div_ceil(across), height_px.div_ceil(down));
        let few = width * height < FEW_PX;
        few.then(|| {
            format!(
                "`clahe` evens tiles of {width}x{height} px, which have fewer pixels than the {FEW_PX} values of a channel: \
                 choose fewer `tiles`"
            )
        })
        .into_iter()
        .collect()
    }

    fn example() -> Self {
        Self { tiles: [2, 2], p: 1.0, ..Self::default() }
    }
}

impl Augmenter for Clahe {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if chance(self.p, rng) {
            let clip = uniform(self.clip, rng);
            trace::note(|| format!("CLAHE clip {clip:.2}"));
            clahe(&mut image, clip, self.tiles);
        }
        image
    }
}

/// Two tiles about a place, and the share of the second.
type About = (usize, usize, f32);

thread_local! {
    /// The tables of the tiles, row by row, and the tiles about every column.
    static SCRATCH: RefCell<(Vec<Table>, Vec<About>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Evens lightness in so many tiles across and down.
pub fn clahe(image: &mut RgbImage, clip: f64, tiles: [u32; 2]) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width * height == 0 {
        return;
    }
    let [across, down] = tiles.map(|tiles| tiles as usize);
    let pixels = pixels_mut(image);
    to_lab(pixels);
    SCRATCH.with_borrow_mut(|(tables, columns)| {
        // Where either side does not divide, OpenCV widens both, a side that divides by a tile's worth of one more pixel each.
        let whole = width % across == 0 && height % down == 0;
        let widened = |side: usize, tiles: usize| if whole { side } else { side + tiles - side % tiles };
        let tile = [widened(width, across) / across, widened(height, down) / down];
        tables.clear();
        for row in 0..down {
            for column in 0..across {
                tables.push(of_tile(pixels, [width, height], tile, [column, row], clip));
            }
        }
        let [x_of, y_of] = [(across, tile[0]), (down, tile[1])].map(|(tiles, side)| {
            let inverse = 1.0 / side as f32;
            move |place: usize| between(place as f32 * inverse - 0.5, tiles)
        });
        columns.clear();
        columns.extend((0..width).map(x_of));
        for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
            let (upper, lower, down_share) = y_of(y);
            for (pixel, &(left, right, right_share)) in row.iter_mut().zip(&*columns) {
                let of = |row: usize, column: usize| f32::from(tables[row * across + column][usize::from(pixel[0])]);
                let above = of(upper, left) * (1.0 - right_share) + of(upper, right) * right_share;
                let below = of(lower, left) * (1.0 - right_share) + of(lower, right) * right_share;
                pixel[0] = round_to_int(above * (1.0 - down_share) + below * down_share) as u8;
            }
            from_lab(row);
        }
    });
}

/// The two tiles about a place, given in tiles from the middle of the first, and the share of the second.
fn between(place: f32, tiles: usize) -> About {
    let first = place.floor();
    let second = (first as i64 + 1).min(tiles as i64 - 1) as usize;
    (first.max(0.0) as usize, second, place - first)
}

/// The new lightness of each lightness in a tile.
fn of_tile(pixels: &[Rgb8], [width, height]: [usize; 2], tile: [usize; 2], at: [usize; 2], clip: f64) -> Table {
    const VALUES: u32 = 256;
    let mut counts = [0_u32; VALUES as usize];
    for y in at[1] * tile[1]..(at[1] + 1) * tile[1] {
        let row = &pixels[reflect(y as i64, height) * width..][..width];
        let columns = at[0] * tile[0]..(at[0] + 1) * tile[0];
        let inside = columns.start.min(width)..columns.end.min(width);
        for pixel in &row[inside.clone()] {
            counts[usize::from(pixel[0])] += 1;
        }
        for x in inside.end.max(columns.start)..columns.end {
            counts[usize::from(row[reflect(x as i64, width)][0])] += 1;
        }
    }
    let size = (tile[0] * tile[1]) as u32;
    let most = ((clip * f64::from(size) / f64::from(VALUES)) as u32).max(1);
    let mut cut = 0;
    for count in &mut counts {
        cut += count.saturating_sub(most);
        *count = (*count).min(most);
    }
    // What was cut is spread evenly, and the rest at even distances from the first value on.
    let rest = cut % VALUES;
    for count in &mut counts {
        *count += cut / VALUES;
    }
    let step = VALUES.checked_div(rest).unwrap_or(1).max(1);
    for count in counts.iter_mut().step_by(step as usize).take(rest as usize) {
        *count += 1;
    }
    let scale = 255.0 / size as f32;
    let mut sum = 0;
    counts.map(|count| {
        sum += count;
        round_to_int((sum as f32 * scale).min(255.0)) as u8
    })
}
