//! Data sets from the network, each by a recipe of a few lines of TOML: what to get, digests to compare it with, and where it goes.
//! Nothing is used that is not what the recipe pins.

mod content;
mod error;
mod get;
mod recipe;
mod unpack;

#[cfg(test)]
mod tests;

pub use error::FetchError;
pub use get::{Fetched, Origin, fetch};
pub use recipe::{KNOWN, Recipe};
