//! Images in: reading a data set, splitting it by source, decoding it once.

mod mapped;

pub mod manifest;
pub mod pixels;
pub mod render;
pub mod samples;
