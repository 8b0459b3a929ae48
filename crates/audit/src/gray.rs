//! Gray levels of a picture: ITU-R 601-2 luma in Pillow's fixed-point form (`Image.convert("L")`), so that measures made of
//! them can be compared with tools that use Pillow.

use image::RgbImage;

/// A gray picture, `[H, W]`, 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gray {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) levels: Vec<u8>,
}

impl Gray {
    pub(crate) fn of(image: &RgbImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        Self { width, height, levels: image.as_raw().chunks_exact(3).map(luma).collect() }
    }

    /// Of `[H, W, 3]` bytes, three to a pixel.
    pub(crate) fn of_bytes(rgb: &[u8], width: usize, height: usize) -> Self {
        Self { width, height, levels: rgb.chunks_exact(3).map(luma).collect() }
    }
}

/// Pillow's `L24`: weights 0.299, 0.587 and 0.114 times 2^16, rounded.
fn luma(rgb: &[u8]) -> u8 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
}
