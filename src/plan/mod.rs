//! From a TOML file to a valid [`Plan`]: what the user typed, checked and completed.

pub mod classifier;
pub mod transform;
