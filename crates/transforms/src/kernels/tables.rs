//! Functions of single channel values, as tables of 256 entries.

use image::RgbImage;

use crate::raster::{Rgb8, pixels_mut};

/// The new value of each value of a channel.
pub(crate) type Table = [u8; 256];

/// A function of a channel's value as a table.
pub(crate) fn table(function: impl Fn(u8) -> u8) -> Table {
    std::array::from_fn(|value| function(value as u8))
}

/// Replaces every value of every channel by that in the table.
pub(crate) fn look_up(image: &mut RgbImage, table: &Table) {
    for byte in image.iter_mut() {
        *byte = table[usize::from(*byte)];
    }
}

/// Replaces every value by that in the table of its channel.
pub(crate) fn look_up_channels(image: &mut RgbImage, [red, green, blue]: &[Table; 3]) {
    for [r, g, b] in pixels_mut(image) {
        (*r, *g, *b) = (red[usize::from(*r)], green[usize::from(*g)], blue[usize::from(*b)]);
    }
}

/// The smallest and the largest value of each channel; `[255; 3]` and `[0; 3]` where there are no pixels.
pub(crate) fn extremes(pixels: &[Rgb8]) -> ([u8; 3], [u8; 3]) {
    // Sixteen pixels at a time, each in a lane of its own: this is what the compiler makes vector code of.
    const LANES: usize = 48;
    let (mut least, mut most) = ([u8::MAX; LANES], [u8::MIN; LANES]);
    let bytes = pixels.as_flattened();
    let (blocks, rest) = bytes.as_chunks::<LANES>();
    let mut widen = |lane: usize, byte: u8| {
        least[lane] = least[lane].min(byte);
        most[lane] = most[lane].max(byte);
    };
    for block in blocks {
        for (lane, &byte) in block.iter().enumerate() {
            widen(lane, byte);
        }
    }
    for (lane, &byte) in rest.iter().enumerate() {
        widen(lane, byte);
    }
    let of = |values: &[u8; LANES], choose: fn(u8, u8) -> u8| {
        std::array::from_fn(|channel| values.iter().skip(channel).step_by(3).copied().reduce(choose).expect("16 lanes"))
    };
    (of(&least, u8::min), of(&most, u8::max))
}

/// How many pixels have each value, by channel.
pub(crate) fn histograms(pixels: &[Rgb8]) -> [[u32; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in pixels {
        for (count, &value) in counts.iter_mut().zip(pixel) {
            count[usize::from(value)] += 1;
        }
    }
    counts
}
