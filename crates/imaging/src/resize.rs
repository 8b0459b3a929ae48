//! The one resize: convolution with a triangle filter whose support grows with the reduction, which is the bilinear filter
//! of Pillow, and of torchvision with `antialias=True`. The aspect ratio is not kept.

use std::cell::RefCell;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

const CHANNELS: usize = 3;

/// A picture cannot have this size.
#[derive(Debug, thiserror::Error)]
#[error("a picture of {width_px} x {height_px} px has no pixel")]
pub struct NoPixels {
    pub width_px: u32,
    pub height_px: u32,
}

/// A picture at another size; one that has the size already is not touched.
///
/// # Errors
/// If a side is 0, of the picture or of the size.
pub fn resized(image: &RgbImage, width_px: u32, height_px: u32) -> Result<RgbImage, NoPixels> {
    if image.dimensions() == (width_px, height_px) {
        return Ok(image.clone());
    }
    let mut scaler = Scaler::new(width_px, height_px)?;
    scaler.scale(image.width(), image.height(), image.as_raw())?;
    Ok(RgbImage::from_raw(width_px, height_px, scaler.target).expect("the target has three bytes per pixel"))
}

thread_local! {
    /// Holds what it needs between the two directions.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Resizes `rgb`, `[H, W, 3]`, whose sides are `from` (width and height, px), into `target`, whose sides are `to`.
///
/// # Errors
/// If a side is 0.
///
/// # Panics
/// If one of the two does not have three bytes for every pixel.
pub fn resize_into(rgb: &[u8], from: [u32; 2], target: &mut [u8], to: [u32; 2]) -> Result<(), NoPixels> {
    for [width_px, height_px] in [from, to] {
        refuse_none(width_px, height_px)?;
    }
    let bytes = |[width_px, height_px]: [u32; 2]| width_px as usize * height_px as usize * CHANNELS;
    assert!(rgb.len() == bytes(from) && target.len() == bytes(to), "three bytes per pixel");
    // For one type of pixel alone: all types of the library take minutes to compile.
    let source = TypedImageRef::<U8x3>::from_buffer(from[0], from[1], rgb).expect("three bytes per pixel");
    let mut target = TypedImage::<U8x3>::from_buffer(to[0], to[1], target).expect("three bytes per pixel");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let resized = RESIZER.with_borrow_mut(|resizer| resizer.resize_typed(&source, &mut target, &options));
    resized.expect("sizes above zero, and no part is cut out");
    Ok(())
}

/// Resizes pictures to one size, one at a time.
pub struct Scaler {
    size: [u32; 2],
    target: Vec<u8>,
}

impl Scaler {
    /// Resizes to `width_px` by `height_px`.
    ///
    /// # Errors
    /// If a side is 0.
    pub fn new(width_px: u32, height_px: u32) -> Result<Self, NoPixels> {
        refuse_none(width_px, height_px)?;
        Ok(Self { size: [width_px, height_px], target: vec![0; width_px as usize * height_px as usize * CHANNELS] })
    }

    /// `rgb`, `[H, W, 3]` of `width_px` by `height_px`, at the scaler's size, also `[H, W, 3]`.
    ///
    /// # Errors
    /// If a side is 0.
    ///
    /// # Panics
    /// If `rgb` does not have three bytes for every pixel.
    pub fn scale(&mut self, width_px: u32, height_px: u32, rgb: &[u8]) -> Result<&[u8], NoPixels> {
        resize_into(rgb, [width_px, height_px], &mut self.target, self.size)?;
        Ok(&self.target)
    }
}

fn refuse_none(width_px: u32, height_px: u32) -> Result<(), NoPixels> {
    if width_px == 0 || height_px == 0 { Err(NoPixels { width_px, height_px }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// Pillow's `Image.resize((2, 1), Image.BILINEAR)`: a triangle of radius 2 about the centers 1 and 3, normalized over the
    /// pixels that exist.
    #[test]
    fn reduction_averages_over_the_triangle_filter() {
        let image = RgbImage::from_fn(4, 1, |x, _| Rgb([[0, 70, 140, 210][x as usize]; 3]));
        let reduced = resized(&image, 2, 1).unwrap().into_raw();
        // Weights at distances 0.5, 0.5, 1.5 of a triangle of radius 2: 0.75, 0.75, 0.25; their sum is 1.75.
        let first = (0.75 * 0.0 + 0.75 * 70.0 + 0.25 * 140.0) / 1.75;
        let second = (0.25 * 70.0 + 0.75 * 140.0 + 0.75 * 210.0) / 1.75;
        assert_eq!(reduced, [first, first, first, second, second, second].map(|value: f64| value.round() as u8));
    }

    #[test]
    fn a_flat_image_stays_flat_at_any_size() {
        let image = RgbImage::from_pixel(37, 21, Rgb([12, 200, 90]));
        for (width, height) in [(8, 6), (96, 72), (37, 20)] {
            assert!(resized(&image, width, height).unwrap().as_raw().chunks(3).all(|pixel| pixel == [12, 200, 90]));
        }
    }

    #[test]
    fn a_size_without_pixels_is_refused() {
        let image = RgbImage::new(3, 2);
        assert_eq!(resized(&image, 0, 5).unwrap_err().to_string(), "a picture of 0 x 5 px has no pixel");
        assert!(resized(&RgbImage::new(0, 0), 2, 2).is_err());
    }
}
