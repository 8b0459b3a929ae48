//! What is left of an image that was stored as a JPEG: libjpeg-turbo's encoder and decoder in whole numbers, without the file
//! between them, since its codes lose nothing.
//!
//! Reference: libjpeg-turbo 3 with its defaults, which torchvision's `encode_jpeg` and `decode_jpeg` use: chroma of half the
//! width and height (`jcsample.c`), the accurate integer DCT (`jfdctint.c`, `jidctint.c`), chroma read between its pixels
//! (`jdsample.c`, "fancy"). Every byte is the same.

mod color;
mod dct;

use std::cell::RefCell;

use image::RgbImage;

use super::vector::{Lanes, Work, vectorized};
use crate::raster::{Rgb8, remade};

/// Pixels along a side of a block.
const SIDE: usize = 8;

thread_local! {
    static PLANES: RefCell<Planes> = const { RefCell::new(Planes { luma: Vec::new(), chroma: [Vec::new(), Vec::new()], rows: Vec::new() }) };
}

/// Encodes with a quality of 1 to 100, and decodes.
#[must_use]
pub fn jpeg(image: RgbImage, quality: u8) -> RgbImage {
    if image.pixels().len() == 0 {
        return image;
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let steps = [&LUMA, &CHROMA].map(|table| table.map(|step| scaled(step, quality)));
    remade(image, |pixels, made| {
        PLANES.with_borrow_mut(|planes| vectorized(Storing { planes, pixels, made, width, height, steps }));
    })
}

/// Steps of the coefficients at quality 50, ITU-T T.81, tables K.1 and K.2.
const LUMA: [i32; SIDE * SIDE] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMA: [i32; SIDE * SIDE] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99,
];

/// The step of a coefficient at a quality (`jpeg_quality_scaling`).
fn scaled(step: i32, quality: u8) -> i32 {
    let quality = i32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    ((step * percent + 50) / 100).clamp(1, 255)
}

/// An image's brightness, and its two colors at half the width and height; sides are whole blocks.
struct Planes {
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
    /// Two rows of each color at full width, then one row of sums.
    rows: Vec<u8>,
}

/// Work of [`jpeg`].
struct Storing<'a> {
    planes: &'a mut Planes,
    pixels: &'a [Rgb8],
    made: &'a mut [Rgb8],
    width: usize,
    height: usize,
    steps: [[i32; SIDE * SIDE]; 2],
}

impl Work for Storing<'_> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, lanes: L) {
        let Self { planes, pixels, made, width, height, steps } = self;
        let Planes { luma, chroma, rows } = planes;
        let half = [width.div_ceil(2), height.div_ceil(2)];
        let [luma_width, luma_height, chroma_width, chroma_height] =
            [width, height, half[0], half[1]].map(|side| side.next_multiple_of(SIDE));
        luma.resize(luma_width * luma_height, 0);
        for plane in &mut *chroma {
            plane.resize(chroma_width * chroma_height, 0);
        }
        rows.resize(4 * 2 * chroma_width, 0);

        // Rows are read in pairs. What lies beyond the image repeats its last column and row.
        for pair in 0..half[1] {
            for (of_pair, rows) in rows.chunks_exact_mut(2 * 2 * chroma_width).enumerate() {
                let row = (2 * pair + of_pair).min(height - 1);
                let (blue, red) = rows.split_at_mut(2 * chroma_width);
                let luma = &mut luma[row * luma_width..][..luma_width];
                color::split(lanes, &pixels[row * width..][..width], luma, blue, red);
                for line in [luma, blue, red] {
                    let last = line[width - 1];
                    line[width..].fill(last);
                }
            }
            for (color, plane) in chroma.iter_mut().enumerate() {
                let row = |of_pair: usize| &rows[(2 * of_pair + color) * 2 * chroma_width..][..2 * chroma_width];
                color::halve(row(0), row(1), &mut plane[pair * chroma_width..][..chroma_width]);
            }
        }
        for (plane, width, height) in [(&mut *luma, luma_width, height)]
            .into_iter()
            .chain(chroma.iter_mut().map(|plane| (plane, chroma_width, half[1])))
        {
            for row in height..plane.len() / width {
                plane.copy_within((height - 1) * width..height * width, row * width);
            }
        }

        dct::round_plane(luma, luma_width, &steps[0]);
        for plane in &mut *chroma {
            dct::round_plane(plane, chroma_width, &steps[1]);
        }

        let (blue, red) = rows.split_at_mut(2 * 2 * chroma_width);
        for (row, made) in made.chunks_exact_mut(width).enumerate() {
            let near = if row % 2 == 0 { (row / 2).saturating_sub(1) } else { (row / 2 + 1).min(half[1] - 1) };
            for (plane, made) in chroma.iter().zip([&mut *blue, &mut *red]) {
                let of = |row: usize| &plane[row * chroma_width..][..half[0]];
                color::double(of(row / 2), of(near), made);
            }
            color::join(lanes, &luma[row * luma_width..], blue, red, made);
        }
    }
}
