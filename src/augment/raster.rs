//! Views of an [`RgbImage`] as whole pixels, which is how the kernels address it.

use image::RgbImage;

/// One pixel: red, green, blue.
pub(super) type Rgb8 = [u8; 3];

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

    /// Whether every pixel of the rectangle is one of an image of this size.
    #[must_use]
    pub fn is_within(&self, width_px: u32, height_px: u32) -> bool {
        let ends_by = |start: u32, length: u32, limit: u32| start.checked_add(length).is_some_and(|end| end <= limit);
        ends_by(self.left_px, self.width_px, width_px) && ends_by(self.top_px, self.height_px, height_px)
    }
}

/// The pixels in rows, top to bottom.
pub(super) fn pixels(image: &RgbImage) -> &[Rgb8] {
    image.as_raw().as_chunks().0
}

/// The pixels in rows, to change.
pub(super) fn pixels_mut(image: &mut RgbImage) -> &mut [Rgb8] {
    image.as_flat_samples_mut().samples.as_chunks_mut().0
}

/// An image of the pixels in rows.
///
/// # Panics
/// If there are not `width_px * height_px` pixels.
pub(super) fn from_pixels(width_px: u32, height_px: u32, pixels: Vec<Rgb8>) -> RgbImage {
    assert_eq!(pixels.len(), width_px as usize * height_px as usize, "one pixel per place");
    RgbImage::from_raw(width_px, height_px, pixels.into_flattened()).expect("the number of pixels was checked")
}

/// A number on the scale of 0 to 255 as the nearest byte, ties to even as in `torch.round`.
pub(super) fn to_byte(value: f32) -> u8 {
    value.round_ties_even() as u8
}
