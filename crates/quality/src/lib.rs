//! How good an augmented set is, before and beside its accuracy: how far its images are from real ones (kernel distance), how they
//! cover each other (precision, recall, density, coverage), how many are different (Vendi score), whether they still show their
//! class, and how much was changed; always beside a floor, one half of the real images against the other, and a ceiling, real
//! images of another class.
//!
//! It takes features and probabilities, and knows of no network: `crates/study` gets them. [`measure`](measure()) makes the rows,
//! [`write_quality`] the tables and the page. A measure is one file in `measures/` and one row of [`MEASURES`].
//!
//! ```
//! use augtrial_quality::{Features, kernel_distance};
//!
//! let real = Features::new(2, vec![0.0, 1.0, 1.0, 0.0, 0.5, 0.5])?;
//! let far = Features::new(2, vec![5.0, 6.0, 6.0, 5.0, 5.5, 5.5])?;
//! assert!(kernel_distance(&real, &far)? > 1000.0);
//! # Ok::<(), augtrial_quality::Unmeasurable>(())
//! ```

mod cells;
mod features;
mod halves;
mod measure;
mod measures;
mod page;
mod result;
mod store;
mod table;
mod tables;
mod view;
mod write;

pub use cells::QualitySettings;
pub use features::{Features, Unmeasurable};
pub use measure::{ImageFound, ImageVerdict, NEARLY_UNCHANGED, SetFindings, measure, nearest_scale};
pub use measures::{Change, JudgedImage, Manifold, Thresholds, change, kernel_distance, manifold, vendi};
pub use result::{QualityRow, RowPart, RowSubject, SetGallery, SetQuality, ShownImage, VERSION};
pub use store::{StoreError, Stored, read_stored, write_stored};
pub use table::{BetterWay, MEASURES, MeasureUnit, SetMeasure};
pub use view::{ArmImages, ArmSeen, MeasuredImage, MeasuredSets, NetworkView, RealImage};
pub use write::{Subjects, WriteError, write_quality};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod testing;
