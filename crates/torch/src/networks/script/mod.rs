//! Networks from files: `TorchScript` modules that are trained.

mod module;
mod network;

pub use network::ScriptNetwork;
