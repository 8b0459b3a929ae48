//! Random erasing (Zhong et al. 2020, algorithm 1; torchvision v2 `RandomErasing`) and cutout (`DeVries` and Taylor 2017).

use image::RgbImage;
use rand::Rng as _;

use super::augmenter::Augmenter;
use super::draw::{ATTEMPTS, chance, log_uniform, round, uniform, up_to};
use super::raster::{Rect, Rgb8, pixels_mut};
use crate::plan::transform::{Cutout, EraseValue, RandomErasing};
use crate::seed::Stream;

const BLACK: Rgb8 = [0; 3];

impl Augmenter for RandomErasing {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if !chance(self.p, rng) {
            return image;
        }
        let Some(rect) = draw_rectangle(self, image.width(), image.height(), rng) else { return image };
        match self.value {
            EraseValue::Constant(colour) => erase(&mut image, rect, colour),
            EraseValue::Random => {
                let mut content = vec![BLACK; rect.width_px as usize * rect.height_px as usize];
                rng.fill_bytes(content.as_flattened_mut());
                erase_with(&mut image, rect, &content);
            }
        }
        image
    }
}

impl Augmenter for Cutout {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        for _ in 0..self.holes {
            let (y, x) = (up_to(height_px - 1, rng), up_to(width_px - 1, rng));
            erase(&mut image, hole(x, y, self.side_px, width_px, height_px), BLACK);
        }
        image
    }
}

/// Draws as torchvision's `RandomErasing.make_params`; nothing if ten attempts give no rectangle smaller than the image.
fn draw_rectangle(of: &RandomErasing, width_px: u32, height_px: u32, rng: &mut Stream) -> Option<Rect> {
    for _ in 0..ATTEMPTS {
        let area = f64::from(width_px) * f64::from(height_px) * uniform(of.scale, rng);
        let ratio = log_uniform(of.ratio, rng);
        let (height, width) = (round((area * ratio).sqrt()), round((area / ratio).sqrt()));
        if height < f64::from(height_px) && width < f64::from(width_px) {
            let (height, width) = (height as u32, width as u32);
            let top_px = up_to(height_px - height, rng);
            let left_px = up_to(width_px - width, rng);
            return Some(Rect { left_px, top_px, width_px: width, height_px: height });
        }
    }
    None
}

/// The square of side `side_px` about the pixel `(x, y)`, as far as it lies in the image. An even side has its centre
/// at the upper left corner of the pixel, as in the authors' code.
#[must_use]
pub fn hole(x: u32, y: u32, side_px: u32, width_px: u32, height_px: u32) -> Rect {
    let span = |centre: u32, length: u32| {
        let start = i64::from(centre) - i64::from(side_px / 2);
        let end = (start + i64::from(side_px)).min(i64::from(length)) as u32;
        (start.max(0) as u32, end)
    };
    let ((left_px, right), (top_px, bottom)) = (span(x, width_px), span(y, height_px));
    Rect { left_px, top_px, width_px: right - left_px, height_px: bottom - top_px }
}

/// Paints a rectangle in one colour.
///
/// # Panics
/// If it reaches beyond the image.
pub fn erase(image: &mut RgbImage, rect: Rect, colour: [u8; 3]) {
    for row in rows_mut(image, rect) {
        row.fill(colour);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, StudySeed};

    #[test]
    fn an_erased_rectangle_has_the_asked_area_and_shape_and_is_smaller_than_the_image() {
        let of = RandomErasing { scale: [0.1, 0.3], ratio: [0.5, 2.0], ..RandomErasing::default() };
        for index in 0..500 {
            let mut rng = StudySeed(1).stream(Purpose::Gallery, index);
            let rect = draw_rectangle(&of, 200, 100, &mut rng).expect("many rectangles fit");
            let (width, height) = (f64::from(rect.width_px), f64::from(rect.height_px));
            assert!(rect.is_within(200, 100) && rect.width_px < 200 && rect.height_px < 100);
            assert!((0.097..0.303).contains(&(width * height / 20_000.0)), "{rect:?}");
            assert!((0.48..2.06).contains(&(height / width)), "{rect:?}");
        }
        let whole = RandomErasing { scale: [1.0, 1.0], ratio: [0.5, 0.5], ..of };
        assert_eq!(draw_rectangle(&whole, 200, 100, &mut StudySeed(1).stream(Purpose::Gallery, 0)), None);
    }

    #[test]
    fn a_hole_of_odd_side_is_centred_and_one_of_even_side_leans_up_and_left() {
        let at = |side| {
            let rect = hole(5, 6, side, 20, 20);
            (rect.left_px, rect.top_px, rect.width_px, rect.height_px)
        };
        assert_eq!(at(3), (4, 5, 3, 3));
        assert_eq!(at(4), (3, 4, 4, 4));
    }

    #[test]
    fn a_hole_is_clipped_at_every_edge() {
        assert_eq!(hole(0, 0, 4, 8, 6), Rect { left_px: 0, top_px: 0, width_px: 2, height_px: 2 });
        assert_eq!(hole(7, 5, 4, 8, 6), Rect { left_px: 5, top_px: 3, width_px: 3, height_px: 3 });
        assert_eq!(hole(3, 3, 100, 8, 6), Rect::whole(8, 6));
    }
}
