//! One image of four: what [`Ricap`](super::Ricap) and [`Mosaic`](super::Mosaic) share.

use super::mixer::{Batch, permutation};
use crate::raster::Rect;
use augtrial_base::seed::Stream;

/// Images that one image is made of.
pub(super) const PARTS: usize = 4;

/// The four quarters of an image whose corners meet at a point: top left, top right, bottom left, bottom right. Some are empty
/// where the point is on an edge.
#[must_use]
pub fn quarters(x_px: u32, y_px: u32, width_px: u32, height_px: u32) -> [Rect; PARTS] {
    let (right, below) = (width_px - x_px, height_px - y_px);
    let quarter = |left_px, top_px, width_px, height_px| Rect { left_px, top_px, width_px, height_px };
    [
        quarter(0, 0, x_px, y_px),
        quarter(x_px, 0, right, y_px),
        quarter(0, y_px, x_px, below),
        quarter(x_px, y_px, right, below),
    ]
}

/// For each quarter, which image of the batch each image shows there. `first` is what the first quarter shows.
pub(super) fn partners(first: Vec<usize>, rng: &mut Stream) -> [Vec<usize>; PARTS] {
    let len = first.len();
    let mut further = || permutation(len, rng);
    let others = [further(), further(), further()];
    let [second, third, fourth] = others;
    [first, second, third, fourth]
}

/// Every image becomes one of four quarters. `paint(quarter, source, item)` writes a quarter of `item` from the image `source`,
/// both `[H, W, C]`; targets are those of the four, by their areas.
///
/// # Panics
/// If the slices do not fit the shape, or the partners are not of the batch.
pub(super) fn assemble(
    batch: &mut Batch<'_>,
    quarters: [Rect; PARTS],
    partners: &[Vec<usize>; PARTS],
    mut paint: impl FnMut(usize, &[f32], &mut [f32]),
) {
    batch.check();
    let (images, targets) = (batch.images.to_vec(), batch.targets.to_vec());
    let (pixels, classes) = (images.len() / batch.len, targets.len() / batch.len);
    let whole = (batch.width_px * batch.height_px) as f64;
    let share = |quarter: Rect| (f64::from(quarter.width_px) * f64::from(quarter.height_px) / whole) as f32;
    for (image, item) in batch.images.chunks_exact_mut(pixels).enumerate() {
        for (quarter, of) in partners.iter().enumerate() {
            paint(quarter, &images[of[image] * pixels..][..pixels], item);
        }
    }
    for (image, row) in batch.targets.chunks_exact_mut(classes).enumerate() {
        row.fill(0.0);
        for (quarter, of) in quarters.iter().zip(partners) {
            let of = &targets[of[image] * classes..][..classes];
            row.iter_mut().zip(of).for_each(|(value, own)| *value += share(*quarter) * own);
        }
    }
}

/// Writes a rectangle of an image `[H, W, C]` of `width` columns, row by row: `write(row, values)` is given the number of the row
/// in the rectangle.
pub(super) fn rows_of(
    item: &mut [f32],
    width: usize,
    channels: usize,
    rect: Rect,
    mut write: impl FnMut(usize, &mut [f32]),
) {
    let (left, columns) = (rect.left_px as usize * channels, rect.width_px as usize * channels);
    let rows = item.chunks_exact_mut(width * channels).skip(rect.top_px as usize).take(rect.height_px as usize);
    rows.enumerate().for_each(|(row, values)| write(row, &mut values[left..left + columns]));
}
