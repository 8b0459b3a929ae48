//! Materialized sets of derived images, addressed by content.
//!
//! `<sets>/<digest>/` holds `manifest.jsonl` and `images/`. Beside it, `<digest>.partial/` is the same set in the making,
//! and `<digest>.lock` is held, by the system's file lock, while someone makes it; as a file it means nothing.

mod draft;
mod error;
mod maker;
mod manifest;
mod materialize;
mod read;
mod request;

#[cfg(test)]
mod tests;

pub use error::{MakerError, StoreError};
pub use maker::{DerivedImageMaker, Made, Missing, MissingReason, Planned, SourceImage, TransformMaker};
pub use manifest::{DerivedImage, MissingImage};
pub use materialize::{SetProgress, Watch, find, materialize};
pub use read::{DerivedSet, open, verify};
pub use request::SetRequest;
