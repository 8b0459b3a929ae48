//! Rows of pixels as brightness and two colors, and back (`jccolor.c`, `jdcolor.c`, `jcsample.c`, `jdsample.c`).

use crate::kernels::vector::{Lanes, PIXELS, apart, together};
use crate::raster::Rgb8;

/// Bits behind the point.
const BITS: u32 = 16;
const HALF: i32 = 1 << (BITS - 1);
/// A color's value where there is none.
const MIDDLE: i32 = 128;

/// Brightness, blueness and redness of a row of pixels.
#[inline(always)]
pub(super) fn split(lanes: impl Lanes, pixels: &[Rgb8], luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    let lines = luma.chunks_mut(PIXELS).zip(blue.chunks_mut(PIXELS)).zip(red.chunks_mut(PIXELS));
    for (pixels, ((luma, blue), red)) in pixels.chunks(PIXELS).zip(lines) {
        let mut block = [[0; 3]; PIXELS];
        block[..pixels.len()].copy_from_slice(pixels);
        let channels = apart(lanes, &block);
        let mut made = [[0_u8; PIXELS]; 3];
        for lane in 0..PIXELS {
            let (r, g, b) = (i32::from(channels[0][lane]), i32::from(channels[1][lane]), i32::from(channels[2][lane]));
            made[0][lane] = ((19_595 * r + 38_470 * g + 7_471 * b + HALF) >> BITS) as u8;
            made[1][lane] = ((-11_059 * r - 21_709 * g + 32_768 * b + (MIDDLE << BITS) + HALF - 1) >> BITS) as u8;
            made[2][lane] = ((32_768 * r - 27_439 * g - 5_329 * b + (MIDDLE << BITS) + HALF - 1) >> BITS) as u8;
        }
        for (line, made) in [luma, blue, red].into_iter().zip(&made) {
            let length = line.len().min(pixels.len());
            line[..length].copy_from_slice(&made[..length]);
        }
    }
}

/// Means of four pixels of two rows; halves are rounded down and up in turn.
#[inline(always)]
pub(super) fn halve(upper: &[u8], lower: &[u8], made: &mut [u8]) {
    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    for (column, (made, (upper, lower))) in made.iter_mut().zip(pairs).enumerate() {
        let sum = u32::from(upper[0]) + u32::from(upper[1]) + u32::from(lower[0]) + u32::from(lower[1]);
        *made = ((sum + 1 + column as u32 % 2) >> 2) as u8;
    }
}

/// A row of twice the width: three parts of the nearest pixel and one of the next, down and across. Rows of one or two pixels
/// are repeated instead.
#[inline(always)]
pub(super) fn double(this: &[u8], near: &[u8], made: &mut [u8]) {
    let last = this.len() - 1;
    if this.len() <= 2 {
        made.as_chunks_mut::<2>().0.iter_mut().zip(this).for_each(|(made, &value)| *made = [value; 2]);
        return;
    }
    let sum = |column: usize| 3 * u32::from(this[column]) + u32::from(near[column]);
    let between = |before: u32, here: u32, after: u32| {
        [((3 * here + before + 8) >> 4) as u8, ((3 * here + after + 7) >> 4) as u8]
    };
    let made = made.as_chunks_mut::<2>().0;
    made[0] = between(sum(0), sum(0), sum(1));
    made[last] = between(sum(last - 1), sum(last), sum(last));
    let places = this.windows(3).zip(near.windows(3));
    for (made, (this, near)) in made[1..last].iter_mut().zip(places) {
        let sum = |place: usize| 3 * u32::from(this[place]) + u32::from(near[place]);
        *made = between(sum(0), sum(1), sum(2));
    }
}

/// The pixels of a row from its brightness and colors.
#[inline(always)]
pub(super) fn join(lanes: impl Lanes, luma: &[u8], blue: &[u8], red: &[u8], made: &mut [Rgb8]) {
    let lines = luma.chunks(PIXELS).zip(blue.chunks(PIXELS)).zip(red.chunks(PIXELS));
    for (made, ((luma, blue), red)) in made.chunks_mut(PIXELS).zip(lines) {
        let mut channels = [[0; PIXELS]; 3];
        for (channel, line) in channels.iter_mut().zip([luma, blue, red]) {
            channel[..line.len()].copy_from_slice(line);
        }
        for lane in 0..PIXELS {
            let y = i32::from(channels[0][lane]);
            let (b, r) = (i32::from(channels[1][lane]) - MIDDLE, i32::from(channels[2][lane]) - MIDDLE);
            channels[0][lane] = (y + ((91_881 * r + HALF) >> BITS)).clamp(0, 255) as u8;
            channels[1][lane] = (y + ((-22_554 * b - 46_802 * r + HALF) >> BITS)).clamp(0, 255) as u8;
            channels[2][lane] = (y + ((116_130 * b + HALF) >> BITS)).clamp(0, 255) as u8;
        }
        made.copy_from_slice(&together(lanes, channels)[..made.len()]);
    }
}
