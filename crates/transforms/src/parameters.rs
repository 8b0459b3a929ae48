//! What parameters say about themselves, and the types of values that several transforms share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use augtrial_base::catalog::{Limit, Work};

/// The parameters of a row, as they stand in an experiment file. The default is what is left out there.
pub trait Described: Default {
    /// Where the method is defined, for people; empty if it is this program's own.
    const SOURCE: &str;
    /// The works that a report cites where this is used.
    const WORKS: &[Work] = &[];

    /// One limit for each number, and what is wrong with the value at hand.
    fn limits(&self) -> Vec<Limit>;

    /// What is within its limits and makes little sense for images of this size, each as a sentence that says what to do.
    fn doubts(&self, _width_px: u32, _height_px: u32) -> Vec<String> {
        Vec::new()
    }

    /// Parameters that change a picture, where the defaults would not: for tests, measurements and examples.
    #[must_use]
    fn example() -> Self {
        Self::default()
    }
}

/// A doubt about a length that is fixed in pixels, if it is more than `share` of the shorter side.
pub(crate) fn too_long(what: &str, length_px: f64, side_px: u32, share: f64, advice: &str) -> Option<String> {
    let percent = 100.0 * length_px / f64::from(side_px);
    (percent > 100.0 * share).then(|| {
        format!("{what} {length_px} px, which is {percent:.0} % of the shorter side of {side_px} px: {advice}")
    })
}

/// A closed interval `[low, high]`.
pub type Range = [f64; 2];

/// How pixels without a source are filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// One RGB color, `{ constant = [0, 0, 0] }`.
    Constant([u8; 3]),
    /// The nearest pixel at the edge.
    Edge,
}

impl Default for Fill {
    fn default() -> Self {
        Self::Constant([0, 0, 0])
    }
}
