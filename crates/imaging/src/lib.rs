//! Pictures as they come from files: RGB, oriented, bounded, whole; the one resize, and structural similarity.

pub mod decode;
pub mod foreign;
mod jpeg;
pub mod resize;
pub mod ssim;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
