//! Small pictures for the page: JPEG, the longest side 160 px, as data in the page itself.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

use augtrial_data::cache::Picture;
use augtrial_imaging::resize::resized;

use crate::signature::{MeasureError, load};
use crate::survey::Site;

/// Longest side, px.
const SIDE_PX: u32 = 160;
/// Of JPEG, 1 to 100.
const QUALITY: u8 = 75;

/// A small picture, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thumbnail {
    pub(crate) width_px: u32,
    pub(crate) height_px: u32,
    /// `data:image/jpeg;base64,...`
    pub(crate) source: String,
}

/// The pictures at these positions of the manifest.
pub(crate) fn thumbnails(site: &Site<'_>, positions: &[usize]) -> Result<BTreeMap<usize, Thumbnail>, MeasureError> {
    let pictures = Picture::of_records(site.root, &site.manifest.images);
    positions.par_iter().map(|&at| Ok((at, Thumbnail::of(&load(&pictures[at], site.max_pixels)?)))).collect()
}

/// These pictures, wherever they are, in their order.
pub(crate) fn thumbnails_of(pictures: &[Picture], max_pixels: u64) -> Result<Vec<Thumbnail>, MeasureError> {
    pictures.par_iter().map(|picture| Ok(Thumbnail::of(&load(picture, max_pixels)?))).collect()
}

impl Thumbnail {
    fn of(image: &RgbImage) -> Self {
        let (width, height) = image.dimensions();
        let longest = width.max(height).max(SIDE_PX);
        let side = |side: u32| (u64::from(side) * u64::from(SIDE_PX) / u64::from(longest)).max(1) as u32;
        let small = resized(image, side(width), side(height)).expect("a picture has pixels");
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&small).expect("memory takes every byte");
        Self {
            width_px: small.width(),
            height_px: small.height(),
            source: format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)),
        }
    }
}
