//! Functions of whole pixels, many pixels at a time: what the compiler makes vector code of.

use image::RgbImage;

use super::vector::{Lanes, PIXELS, Work, apart, together, vectorized};
use crate::raster::{Rgb8, cut_to_byte, pixels_mut};

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
    fn call<L: Lanes>(self, lanes: L) {
        let (blocks, rest) = self.pixels.as_chunks_mut();
        for block in blocks.iter_mut() {
            *block = map_block(lanes, block, &self.function);
        }
        let mut last = [[0; 3]; PIXELS];
        last[..rest.len()].copy_from_slice(rest);
        rest.copy_from_slice(&map_block(lanes, &last, &self.function)[..rest.len()]);
    }
}

#[inline(always)]
fn map_block(lanes: impl Lanes, block: &[Rgb8; PIXELS], function: &impl PixelFunction) -> [Rgb8; PIXELS] {
    let mut channels = apart(lanes, block).map(|channel| channel.map(f32::from));
    let [reds, greens, blues] = &mut channels;
    for lane in 0..PIXELS {
        [reds[lane], greens[lane], blues[lane]] = function.of([reds[lane], greens[lane], blues[lane]]);
    }
    together(lanes, [lanes.cut(&channels[0]), lanes.cut(&channels[1]), lanes.cut(&channels[2])])
}

/// Replaces every byte by `factor` times it plus `offset`, truncated to a byte.
pub(crate) fn map_bytes(image: &mut RgbImage, factor: f32, offset: f32) {
    vectorized(Scaling { bytes: image, factor, offset });
}

/// Work of [`map_bytes`].
struct Scaling<'a> {
    bytes: &'a mut [u8],
    factor: f32,
    offset: f32,
}

impl Work for Scaling<'_> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, lanes: L) {
        let (blocks, rest) = self.bytes.as_chunks_mut();
        for block in blocks {
            let mut values = block.map(f32::from);
            for value in &mut values {
                *value = *value * self.factor + self.offset;
            }
            *block = lanes.cut(&values);
        }
        for byte in rest {
            *byte = cut_to_byte(f32::from(*byte) * self.factor + self.offset);
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
