//! What the report's figures, its page and the dashboard share: the colors of both themes, how the line of each arm looks, and
//! the program that draws training curves in a browser, with the form of its data.
//!
//! It stands below all three, uses no other crate of the workspace, and reads nothing.
//!
//! ```
//! use augtrial_web::{DARK, LIGHT, arm_line, contrast};
//!
//! let line = arm_line(1);
//! assert!(contrast(LIGHT.arms[line.color], LIGHT.page) >= 3.0);
//! assert!(contrast(DARK.arms[line.color], DARK.page) >= 3.0);
//! ```

mod curves;
mod palette;

pub use curves::{ArmCurves, Curve, Curves, Limits, MIN_BAND_SEEDS, SeedCurve, limit, same_updates};
pub use palette::{ARM_COLORS, ArmLine, DARK, LIGHT, Rgb, Theme, arm_line, contrast, css};

/// The program of the curves: `new Curves(place, data, options)`.
pub const CURVES_JS: &str = include_str!("../assets/curves.js");
