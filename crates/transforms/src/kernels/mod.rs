//! Kernels that several transforms share.

mod blocks;
mod erase;
mod hsv;
mod jpeg;
mod lab8;
mod linspace;
mod reduction;
mod resize;
mod tables;
mod vector;
mod warp;
mod window;

pub(crate) use blocks::{PixelFunction, map_bytes, map_pixels};
pub use erase::{erase, erase_with};
pub(crate) use hsv::{WHITE, hsv_to_rgb, rgb_to_hsv, turned, unit_to_byte};
pub use jpeg::jpeg;
pub(crate) use lab8::{from_lab, to_lab};
pub(crate) use linspace::linspace;
pub(crate) use reduction::Reduction;
pub(crate) use resize::resize;
pub use resize::resized_crop;
pub(crate) use tables::{Table, extremes, histograms, look_up, look_up_channels, table};
pub(crate) use vector::{Anywhere, LEAST_FACTOR, Lanes, PIXELS, Work, apart, reversed, vectorized};
pub(crate) use warp::{Affine, read_at, warp, warp_affine};
pub use warp::{Interpolation, Sampling};
#[cfg(test)]
pub(crate) use window::moved_to;
pub(crate) use window::through_window;
pub use window::window;
