//! Functions of whole pixels, many pixels at a time: what the compiler makes vector code of.

use image::RgbImage;

use crate::raster::{Rgb8, pixels_mut};

/// Pixels that are computed together.
const LANES: usize = 16;

/// Replaces every pixel by a function of its channels, truncated to bytes. The function must take no branch that costs,
/// since all pixels of a block go the same way.
pub(crate) fn map_pixels(image: &mut RgbImage, function: impl Fn([f32; 3]) -> [f32; 3]) {
    let (blocks, rest) = pixels_mut(image).as_chunks_mut::<LANES>();
    for block in blocks.iter_mut() {
        map_block(block, &function);
    }
    let mut last = [[0; 3]; LANES];
    last[..rest.len()].copy_from_slice(rest);
    map_block(&mut last, &function);
    rest.copy_from_slice(&last[..rest.len()]);
}

#[inline]
fn map_block(block: &mut [Rgb8; LANES], function: impl Fn([f32; 3]) -> [f32; 3]) {
    let mut channels = [[0.0; LANES]; 3];
    for (lane, pixel) in block.iter().enumerate() {
        for (channel, &value) in channels.iter_mut().zip(pixel) {
            channel[lane] = f32::from(value);
        }
    }
    let [red, green, blue] = &mut channels;
    for lane in 0..LANES {
        [red[lane], green[lane], blue[lane]] = function([red[lane], green[lane], blue[lane]]);
    }
    let bytes = channels.map(|channel| channel.map(|value| value as u8));
    for (lane, pixel) in block.iter_mut().enumerate() {
        *pixel = [bytes[0][lane], bytes[1][lane], bytes[2][lane]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_mapped_whether_it_fills_a_block_or_not() {
        for width in [1, 15, 16, 17, 40] {
            let mut image = RgbImage::from_fn(width, 3, |x, y| image::Rgb([x as u8, y as u8, 250]));
            map_pixels(&mut image, |[red, green, blue]| [red + 1.9, -green, blue + 10.0]);
            for (x, _, pixel) in image.enumerate_pixels() {
                assert_eq!(pixel.0, [x as u8 + 1, 0, 255]);
            }
        }
    }
}
