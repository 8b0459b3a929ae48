//! Functions of whole pixels, many pixels at a time: what the compiler makes vector code of.

use image::RgbImage;

use super::vector::{Work, vectorized};
use crate::raster::{Rgb8, cut_to_byte, pixels_mut};

/// Pixels that are computed together.
const LANES: usize = 32;

/// A function of a pixel's channels. `of` is marked `#[inline(always)]`, and takes no branch that costs: all pixels of a block go
/// the same way.
pub(crate) trait PixelFunction {
    fn of(&self, pixel: [f32; 3]) -> [f32; 3];
}

/// Replaces every pixel by a function of its channels, truncated to bytes.
pub(crate) fn map_pixels(image: &mut RgbImage, function: impl PixelFunction) {
    vectorized(Mapping { pixels: pixels_mut(image), function });
}

/// Work of [`map_pixels`].
struct Mapping<'a, F> {
    pixels: &'a mut [Rgb8],
    function: F,
}

impl<F: PixelFunction> Work for Mapping<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (blocks, rest) = self.pixels.as_chunks_mut::<LANES>();
        for block in blocks.iter_mut() {
            map_block(block, &self.function);
        }
        let mut last = [[0; 3]; LANES];
        last[..rest.len()].copy_from_slice(rest);
        map_block(&mut last, &self.function);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[inline(always)]
fn map_block(block: &mut [Rgb8; LANES], function: &impl PixelFunction) {
    let mut channels = [[0.0; LANES]; 3];
    for lane in 0..LANES {
        for channel in 0..3 {
            channels[channel][lane] = f32::from(block[lane][channel]);
        }
    }
    for lane in 0..LANES {
        let made = function.of([channels[0][lane], channels[1][lane], channels[2][lane]]);
        for channel in 0..3 {
            channels[channel][lane] = made[channel];
        }
    }
    for lane in 0..LANES {
        for channel in 0..3 {
            block[lane][channel] = cut_to_byte(channels[channel][lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Odd;

    impl PixelFunction for Odd {
        fn of(&self, [red, green, blue]: [f32; 3]) -> [f32; 3] {
            [red + 1.9, -green, blue + 10.0]
        }
    }

    #[test]
    fn every_pixel_is_mapped_whether_it_fills_a_block_or_not() {
        for width in [1, 10, 11, 31, 32, 33, 40] {
            let mut image = RgbImage::from_fn(width, 3, |x, y| image::Rgb([x as u8, y as u8, 250]));
            map_pixels(&mut image, Odd);
            for (x, _, pixel) in image.enumerate_pixels() {
                assert_eq!(pixel.0, [x as u8 + 1, 0, 255]);
            }
        }
    }
}
