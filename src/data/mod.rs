//! Images in: reading a data set, splitting it by source, decoding it once.

mod mapped;

pub mod audit;
pub mod cache;
pub mod decode;
pub mod ingest;
pub mod manifest;
pub mod parts;
pub mod pixels;
pub mod published;
pub mod render;
pub mod samples;
pub mod sets;
pub mod source;
pub mod split;
pub mod stat;
pub mod verify;

#[cfg(test)]
mod trashnet_tests;
