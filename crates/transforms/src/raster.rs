//! Views of an [`RgbImage`] as whole pixels, which is how the kernels address it.

use std::cell::Cell;

use image::RgbImage;

/// One pixel: red, green, blue.
pub(crate) type Rgb8 = [u8; 3];

/// A rectangle of pixels inside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    pub left_px: u32,
    pub top_px: u32,
    pub width_px: u32,
    pub height_px: u32,
}

impl Rect {
    /// The whole of an image of this size.
    #[must_use]
    pub fn whole(width_px: u32, height_px: u32) -> Self {
        Self { left_px: 0, top_px: 0, width_px, height_px }
    }

    /// Size and place, for people.
    pub(crate) fn text(&self) -> String {
        let Self { left_px, top_px, width_px, height_px } = self;
        format!("{width_px}x{height_px} px at {left_px} {top_px}")
    }

    /// Whether every pixel of the rectangle is one of an image of this size.
    #[must_use]
    pub fn is_within(&self, width_px: u32, height_px: u32) -> bool {
        let ends_by = |start: u32, length: u32, limit: u32| start.checked_add(length).is_some_and(|end| end <= limit);
        ends_by(self.left_px, self.width_px, width_px) && ends_by(self.top_px, self.height_px, height_px)
    }
}

/// The pixels in rows, top to bottom.
pub(crate) fn pixels(image: &RgbImage) -> &[Rgb8] {
    image.as_raw().as_chunks().0
}

/// The pixels in rows, to change.
pub(crate) fn pixels_mut(image: &mut RgbImage) -> &mut [Rgb8] {
    image.as_flat_samples_mut().samples.as_chunks_mut().0
}

thread_local! {
    /// The buffer of the last image that [`remade`] replaced.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An image of the same size, whose pixels `make` writes, given those of `image`.
///
/// The buffer of the old image becomes that of the next new one on this thread, so that nothing is allocated per image.
/// The pixels to write hold what was there before: `make` writes every one.
pub(crate) fn remade(image: RgbImage, make: impl FnOnce(&[Rgb8], &mut [Rgb8])) -> RgbImage {
    let (width_px, height_px) = image.dimensions();
    remade_at(image, width_px, height_px, make)
}

/// [`remade`] at another size.
pub(crate) fn remade_at(
    image: RgbImage,
    width_px: u32,
    height_px: u32,
    make: impl FnOnce(&[Rgb8], &mut [Rgb8]),
) -> RgbImage {
    let mut made = SPARE.take();
    made.resize(width_px as usize * height_px as usize * size_of::<Rgb8>(), 0);
    make(pixels(&image), made.as_chunks_mut().0);
    SPARE.set(image.into_raw());
    RgbImage::from_raw(width_px, height_px, made).expect("three bytes for every pixel")
}

/// Added to a number of size below 2^22, this leaves the nearest whole number, ties to even, in the last bits of the sum.
/// It is the rounding that baseline processors have no instruction for.
const ROUNDER: f32 = 12_582_912.0;

/// Rounds a number of size below 2^22, ties to even.
#[inline(always)]
pub(crate) fn round_to_int(value: f32) -> i32 {
    (value + ROUNDER).to_bits() as i32 - ROUNDER.to_bits() as i32
}

/// The nearest whole number to a number of size below 2^22, ties to even.
#[inline(always)]
pub(crate) fn round(value: f32) -> f32 {
    (value + ROUNDER) - ROUNDER
}

/// The largest whole number that is not above a number of size below 2^22.
#[inline(always)]
pub(crate) fn floor(value: f32) -> f32 {
    let nearest = round(value);
    nearest - f32::from(u8::from(nearest > value))
}

/// What a cast to a byte does, in instructions that vectors have: truncates and saturates.
#[inline(always)]
pub(crate) fn cut_to_byte(value: f32) -> u8 {
    round_to_int(floor(value.clamp(0.0, 255.0))) as u8
}

/// A number on the scale of 0 to 255 as the nearest byte, ties to even as in `torch.round`.
#[inline(always)]
pub(crate) fn to_byte(value: f32) -> u8 {
    round_to_int(value.clamp(0.0, 255.0)) as u8
}

/// Divides by a power of two, rounding halves up.
#[inline(always)]
pub(crate) fn shifted(value: i32, bits: u32) -> i32 {
    (value + (1 << bits >> 1)) >> bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_by_addition_is_rounding() {
        for quarter in -4000..4000_i32 {
            let value = quarter as f32 / 4.0;
            assert_eq!(round_to_int(value), value.round_ties_even() as i32, "{value}");
            assert_eq!(to_byte(value), value.round_ties_even() as u8, "{value}");
            assert_eq!((round(value), floor(value)), (value.round_ties_even(), value.floor()), "{value}");
            assert_eq!(cut_to_byte(value), value as u8, "{value}");
        }
    }
}
