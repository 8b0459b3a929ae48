//! One file per measure: arrays in, numbers out.

mod change;
mod eigen;
mod kernel;
mod labels;
mod manifold;
mod vendi;

pub use change::{Change, change};
pub use kernel::{Pooled, kernel_distance, permutation_p};
pub use labels::{JudgedImage, Thresholds, labels};
pub use manifold::{Manifold, manifold};
pub use vendi::vendi;
