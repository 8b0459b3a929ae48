//! Rectangles of an image, painted over.

use image::RgbImage;

use crate::raster::{Rect, Rgb8, pixels_mut};

/// Paints a rectangle in one color.
///
/// # Panics
/// If it reaches beyond the image.
pub fn erase(image: &mut RgbImage, rect: Rect, color: [u8; 3]) {
    for row in rows_mut(image, rect) {
        row.fill(color);
    }
}

/// Replaces a rectangle by `content`, its pixels in rows.
///
/// # Panics
/// If it reaches beyond the image, or `content` has another number of pixels.
pub fn erase_with(image: &mut RgbImage, rect: Rect, content: &[[u8; 3]]) {
    let width = rect.width_px as usize;
    assert_eq!(content.len(), width * rect.height_px as usize, "one pixel per place");
    for (index, row) in rows_mut(image, rect).enumerate() {
        row.copy_from_slice(&content[index * width..][..width]);
    }
}

fn rows_mut(image: &mut RgbImage, rect: Rect) -> impl Iterator<Item = &mut [Rgb8]> {
    assert!(rect.is_within(image.width(), image.height()), "the rectangle is inside the image");
    let row_px = image.width().max(1) as usize;
    let (left, width) = (rect.left_px as usize, rect.width_px as usize);
    pixels_mut(image)
        .chunks_exact_mut(row_px)
        .skip(rect.top_px as usize)
        .take(rect.height_px as usize)
        .map(move |row| &mut row[left..left + width])
}
