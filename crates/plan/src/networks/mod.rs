//! Networks: the table of those that augtrial brings along, and networks from files.

mod file;
mod manifest;
mod table;

pub use file::{NetworkFile, NetworkFileError};
pub use manifest::{Head, Initial, Input, Manifest, Measured};
pub use table::{Architecture, NETWORKS, Network, Normalization, Traits};
