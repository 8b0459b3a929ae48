//! Images in: fetching a data set, reading it, splitting it by source, decoding it once.

mod folds;
mod mapped;
mod sums;

pub mod audit;
pub mod balance;
pub mod bonds;
pub mod cache;
pub mod extract;
pub mod fetch;
pub mod ingest;
pub mod inside;
pub mod manifest;
pub mod parts;
pub mod pixels;
pub mod published;
pub mod samples;
pub mod sets;
pub mod source;
pub mod split;
pub mod stand_ins;
pub mod stat;
pub mod verify;

#[cfg(test)]
mod tests;
