//! What every other crate may use: time, content addresses, named random streams, events, errors in texts, progress,
//! the one way to write files, shared words, numbers and foreign text as people read them, and the rows of tables.

pub mod bundle;
pub mod catalog;
pub mod clock;
pub mod diagnostic;
pub mod digest;
pub mod disk;
pub mod events;
pub mod numbers;
pub mod progress;
pub mod seed;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod words;
pub mod work;
