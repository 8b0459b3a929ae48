//! Transforms of one image and mixing of batches. Each is one file with its parameters, their limits, its draw, its kernel
//! and its citation, and one row of a table: `transforms` and `mixing`.
//!
//! Everything else follows from the row: the enum that experiment files are parsed into and its JSON schema, the checks of
//! a plan, the pipeline, `augtrial transforms`, `docs/reference.md` and the bibliography of a report.
//!
//! ```
//! use augtrial_transforms::{Cutout, Pipeline, Transform};
//! let transform = Transform::Cutout(Cutout { side_px: 8, holes: 1 });
//! assert_eq!(transform.name(), "cutout");
//! assert!(transform.limits().iter().all(|limit| limit.faults.is_empty()));
//! assert!(!Pipeline::new(&[transform]).is_empty());
//! ```

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled as vector code: kernels/vector.rs")]
#![allow(clippy::needless_range_loop, reason = "loops over lanes, whose equal indices the compiler makes vectors of")]

mod augmenter;
mod branches;
mod draw;
#[cfg(test)]
mod draws;
mod features;
mod kernels;
mod mixing;
mod parameters;
#[cfg(test)]
mod parity;
mod policy;
#[cfg(test)]
mod properties;
mod raster;
#[cfg(test)]
mod reference;
mod table;
mod trace;
mod transforms;

pub use augmenter::{Augmenter, Pipeline, augmenter};
pub use features::*;
pub use kernels::{Interpolation, Sampling, erase, erase_with, jpeg, resized_crop, window};
pub use mixing::*;
pub use parameters::{Described, Fill, Range};
pub use raster::Rect;
pub use trace::traced;
pub use transforms::*;
