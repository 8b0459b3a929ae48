//! Networks from files: `TorchScript` modules that are trained.

mod network;

pub use network::ScriptNetwork;
