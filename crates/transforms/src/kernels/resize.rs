//! Resampling to another size, by the one resize of [`augtrial_imaging`].

use std::cell::RefCell;

use augtrial_imaging::resize::resize_into;
use image::RgbImage;

use crate::raster::{Rect, remade_at};

thread_local! {
    /// What was cut out.
    static PART: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Cuts out a rectangle, and resamples it to another size, bilinear with antialiasing.
///
/// # Panics
/// If the rectangle reaches beyond the image, or it or the size has no pixel.
#[must_use]
pub fn resized_crop(image: RgbImage, rect: Rect, width_px: u32, height_px: u32) -> RgbImage {
    assert!(rect.is_within(image.width(), image.height()), "the crop is inside the image");
    if rect == Rect::whole(width_px, height_px) && image.dimensions() == (width_px, height_px) {
        return image;
    }
    let row_px = image.width() as usize;
    let rows = rect.top_px as usize..(rect.top_px + rect.height_px) as usize;
    remade_at(image, width_px, height_px, |pixels, made| {
        PART.with_borrow_mut(|part| {
            part.clear();
            for row in rows {
                let row = &pixels[row * row_px + rect.left_px as usize..][..rect.width_px as usize];
                part.extend_from_slice(row.as_flattened());
            }
            let made = made.as_flattened_mut();
            if (rect.width_px, rect.height_px) == (width_px, height_px) {
                made.copy_from_slice(part);
            } else {
                let resized = resize_into(part, [rect.width_px, rect.height_px], made, [width_px, height_px]);
                resized.expect("neither an image nor a size of a plan is without pixels");
            }
        });
    })
}

/// Resamples to another size, bilinear with antialiasing; an image that has it already is not touched.
#[must_use]
pub(crate) fn resize(image: RgbImage, width_px: u32, height_px: u32) -> RgbImage {
    let whole = Rect::whole(image.width(), image.height());
    resized_crop(image, whole, width_px, height_px)
}
