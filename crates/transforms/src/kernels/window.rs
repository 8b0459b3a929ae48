//! Views of an image that reach beyond its edges.

use image::RgbImage;

use crate::Fill;
use crate::raster::remade;

/// Shows the image through a window of its own size whose top left corner lies at `(left_px, top_px)` of the image,
/// possibly outside. Padding then cropping, and translation by `(-left_px, -top_px)`, are both this.
#[must_use]
pub fn window(image: &RgbImage, left_px: i64, top_px: i64, fill: &Fill) -> RgbImage {
    through_window(image.clone(), left_px, top_px, fill)
}

/// [`window`] of an image that is not needed any more.
pub(crate) fn through_window(image: RgbImage, left_px: i64, top_px: i64, fill: &Fill) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as i64);
    // Columns of the window that lie left of the image, on it, and right of it.
    let before = (-left_px).clamp(0, width as i64) as usize;
    let after = left_px.clamp(0, width as i64) as usize;
    let on = width - before - after;
    remade(image, |pixels, shown| {
        for (row, shown) in shown.chunks_exact_mut(width.max(1)).enumerate() {
            let source_row = (row as i64).saturating_add(top_px);
            let inside = source_row.clamp(0, height - 1);
            let source = &pixels[inside as usize * width..][..width];
            let (first, last) = match fill {
                Fill::Edge => (source[0], source[width - 1]),
                Fill::Constant(color) if inside == source_row => (*color, *color),
                Fill::Constant(color) => {
                    shown.fill(*color);
                    continue;
                }
            };
            shown[..before].fill(first);
            shown[before..][..on].copy_from_slice(&source[after..][..on]);
            shown[before + on..].fill(last);
        }
    })
}

/// Where the one white pixel of a black image ends up, if it is still seen.
#[cfg(test)]
pub(crate) fn moved_to(augmenter: &dyn crate::Augmenter, index: u64) -> Option<(u32, u32)> {
    use augtrial_base::seed::{Purpose, StudySeed};

    let mut image = RgbImage::new(20, 12);
    image.put_pixel(10, 6, image::Rgb([255; 3]));
    let moved = augmenter.apply(image, &mut StudySeed(3).stream(Purpose::Gallery, index));
    moved.enumerate_pixels().find(|(_, _, pixel)| pixel.0 == [255; 3]).map(|(x, y, _)| (x, y))
}
