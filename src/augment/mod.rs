//! Images derived from images: transforms of one image, mixing of batches, and the store of materialised sets.

mod augmenter;
mod blur;
mod colour;
mod colour_space;
mod crop;
mod draw;
#[cfg(feature = "torch")]
pub mod edit;
mod erase;
mod geometric;
mod mix;
mod noise;
#[cfg(test)]
mod properties;
mod raster;
#[cfg(test)]
mod reference;
pub mod store;

pub use augmenter::{Augmenter, Pipeline, augmenter};
pub use blur::gaussian_blur;
pub use colour::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation};
pub use colour_space::{scale_hsv, scale_lab};
pub use crop::{crop, resize, window};
pub use erase::{erase, erase_with, hole};
pub use geometric::{flip_horizontally, flip_vertically, quarter_turns, rotate};
pub use mix::{Batch, CutBox, Mixer, cutmix, mixup};
pub use noise::{Speckle, add_noise, set_speckles};
pub use raster::Rect;
