//! Crops, shifts and the resampling they need.
//!
//! Reference: torchvision v2 `resized_crop` on PIL images (bilinear, antialias), `pad` then `crop`, and `affine` with a
//! whole-pixel translation. Resampling is `fast_image_resize`, whose convolution follows Pillow's.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use super::augmenter::Augmenter;
use super::draw::{ATTEMPTS, log_uniform, round, uniform, up_to};
use super::raster::{Rect, Rgb8, from_pixels, pixels};
use crate::plan::transform::{Fill, RandomCrop, RandomResizedCrop, Shift};
use crate::seed::Stream;

impl Augmenter for RandomResizedCrop {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        let part = crop(&image, draw_crop(self, width_px, height_px, rng));
        resize(&part, self.width_px.unwrap_or(width_px), self.height_px.unwrap_or(height_px))
    }
}

impl Augmenter for RandomCrop {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let padding = i64::from(self.padding_px);
        let mut start = || i64::from(up_to(2 * self.padding_px, rng)) - padding;
        let (top, left) = (start(), start());
        window(&image, left, top, &self.fill)
    }
}

impl Augmenter for Shift {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let mut offset = |share: f64, side: u32| {
            let largest = share * f64::from(side);
            round(uniform([-largest, largest], rng)) as i64
        };
        let (right, down) = (offset(self.x, image.width()), offset(self.y, image.height()));
        window(&image, -right, -down, &self.fill)
    }
}

/// Draws as torchvision's `RandomResizedCrop.make_params`: ten attempts, then the largest centred crop within `ratio`.
pub(super) fn draw_crop(of: &RandomResizedCrop, width_px: u32, height_px: u32, rng: &mut Stream) -> Rect {
    let (full_width, full_height) = (f64::from(width_px), f64::from(height_px));
    for _ in 0..ATTEMPTS {
        let area = full_width * full_height * uniform(of.scale, rng);
        let ratio = log_uniform(of.ratio, rng);
        let (width, height) = (round((area * ratio).sqrt()), round((area / ratio).sqrt()));
        if width >= 1.0 && width <= full_width && height >= 1.0 && height <= full_height {
            let (width, height) = (width as u32, height as u32);
            let top_px = up_to(height_px - height, rng);
            let left_px = up_to(width_px - width, rng);
            return Rect { left_px, top_px, width_px: width, height_px: height };
        }
    }
    let [low, high] = of.ratio;
    let ratio = full_width / full_height;
    let (width, height) = if ratio < low {
        (full_width, round(full_width / low))
    } else if ratio > high {
        (round(full_height * high), full_height)
    } else {
        (full_width, full_height)
    };
    // Sides of one or two pixels can round to nothing or beyond the image.
    let (width, height) = ((width as u32).clamp(1, width_px), (height as u32).clamp(1, height_px));
    Rect { left_px: (width_px - width) / 2, top_px: (height_px - height) / 2, width_px: width, height_px: height }
}

/// Cuts out a rectangle.
///
/// # Panics
/// If it reaches beyond the image.
#[must_use]
pub fn crop(image: &RgbImage, rect: Rect) -> RgbImage {
    assert!(rect.is_within(image.width(), image.height()), "the crop is inside the image");
    let row_px = image.width() as usize;
    let (left, top, width) = (rect.left_px as usize, rect.top_px as usize, rect.width_px as usize);
    let mut part = Vec::with_capacity(width * rect.height_px as usize);
    for row in 0..rect.height_px as usize {
        part.extend_from_slice(&pixels(image)[(top + row) * row_px + left..][..width]);
    }
    from_pixels(rect.width_px, rect.height_px, part)
}

/// Shows the image through a window of its own size whose top left corner lies at `(left_px, top_px)` of the image,
/// possibly outside. Padding then cropping, and translation by `(-left_px, -top_px)`, are both this.
#[must_use]
pub fn window(image: &RgbImage, left_px: i64, top_px: i64, fill: &Fill) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut shown: Vec<Rgb8> = Vec::with_capacity(width * height);
    // Columns of the window that lie left of the image, on it, and right of it.
    let before = (-left_px).clamp(0, width as i64) as usize;
    let after = left_px.clamp(0, width as i64) as usize;
    let on = width - before - after;
    for row in 0..height as i64 {
        let source_row = row.saturating_add(top_px);
        let inside = source_row.clamp(0, height as i64 - 1);
        let source = &pixels(image)[inside as usize * width..][..width];
        let (first, last) = match fill {
            Fill::Edge => (source[0], source[width - 1]),
            Fill::Constant(colour) if inside == source_row => (*colour, *colour),
            Fill::Constant(colour) => {
                shown.resize(shown.len() + width, *colour);
                continue;
            }
        };
        shown.resize(shown.len() + before, first);
        shown.extend_from_slice(&source[after..][..on]);
        shown.resize(shown.len() + after, last);
    }
    from_pixels(image.width(), image.height(), shown)
}

/// Resamples to another size, bilinear with antialiasing.
#[must_use]
pub fn resize(image: &RgbImage, width_px: u32, height_px: u32) -> RgbImage {
    if image.dimensions() == (width_px, height_px) {
        return image.clone();
    }
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)
        .expect("an RGB image has three bytes a pixel");
    let mut resized = Image::new(width_px, height_px, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut resized, &options).expect("both images are RGB");
    RgbImage::from_raw(width_px, height_px, resized.into_vec()).expect("an RGB image has three bytes a pixel")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::seed::{Purpose, StudySeed};

    fn stream(index: u64) -> Stream {
        StudySeed(3).stream(Purpose::Gallery, index)
    }

    /// Where the one white pixel of a black image ends up, if it is still seen.
    fn moved_to(augmenter: &dyn Augmenter, index: u64) -> Option<(u32, u32)> {
        let mut image = RgbImage::new(20, 12);
        image.put_pixel(10, 6, image::Rgb([255; 3]));
        let moved = augmenter.apply(image, &mut stream(index));
        moved.enumerate_pixels().find(|(_, _, pixel)| pixel.0 == [255; 3]).map(|(x, y, _)| (x, y))
    }

    #[test]
    fn a_shift_reaches_every_offset_up_to_its_share_of_each_side() {
        let shift = Shift { x: 0.1, y: 0.25, fill: Fill::default() };
        let seen: BTreeSet<_> = (0..1000).filter_map(|index| moved_to(&shift, index)).collect();
        let expected = (8..=12).flat_map(|x| (3..=9).map(move |y| (x, y))).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_padded_crop_reaches_every_place() {
        let crop = RandomCrop { padding_px: 2, fill: Fill::default() };
        let seen: BTreeSet<_> = (0..1000).filter_map(|index| moved_to(&crop, index)).collect();
        let expected = (8..=12).flat_map(|x| (4..=8).map(move |y| (x, y))).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn where_no_crop_fits_it_is_the_largest_centred_one_within_the_ratio() {
        let of = RandomResizedCrop { scale: [1.0, 1.0], ..RandomResizedCrop::default() };
        let wide = Rect { left_px: 27, top_px: 0, width_px: 5, height_px: 4 };
        assert_eq!(draw_crop(&of, 60, 4, &mut stream(0)), wide);
        let tall = Rect { left_px: 0, top_px: 27, width_px: 4, height_px: 5 };
        assert_eq!(draw_crop(&of, 4, 60, &mut stream(0)), tall);
    }

    #[test]
    fn a_crop_has_the_asked_share_of_the_area_and_the_asked_shape() {
        let of = RandomResizedCrop { scale: [0.1, 0.5], ratio: [0.5, 2.0], ..RandomResizedCrop::default() };
        let shares: Vec<f64> = (0..2000)
            .map(|index| {
                let rect = draw_crop(&of, 400, 400, &mut stream(index));
                let (width, height) = (f64::from(rect.width_px), f64::from(rect.height_px));
                assert!((0.49..2.03).contains(&(width / height)), "{rect:?}");
                width * height / 160_000.0
            })
            .collect();
        assert!(shares.iter().all(|share| (0.098..0.502).contains(share)));
        // All of these fit into a square, so that none is drawn again: half of the interval, four standard errors.
        let small = shares.iter().filter(|&&share| share < 0.3).count() as f64 / 2000.0;
        assert!((small - 0.5).abs() < 0.045, "{small}");
    }
}
