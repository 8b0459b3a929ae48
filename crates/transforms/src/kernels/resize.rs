//! Resampling to another size, by the one resize of [`augtrial_imaging`].

use augtrial_imaging::resize::resized;
use image::RgbImage;

/// Resamples to another size, bilinear with antialiasing.
#[must_use]
pub fn resize(image: &RgbImage, width_px: u32, height_px: u32) -> RgbImage {
    resized(image, width_px, height_px).expect("neither an image nor a size of a plan is without pixels")
}
