//! Makers of edited images: the native `InstructPix2Pix` editor, and edits that were made elsewhere.

mod folder;
mod ip2p;

pub use folder::{FolderError, FolderMaker};
pub use ip2p::{Ip2pMaker, MAX_ATTEMPTS};
