//! Makers of edited images: the native `InstructPix2Pix` editor, and edits that were made elsewhere.

mod bundle;
mod checks;
mod editor;
mod folder;
mod instructions;
mod ip2p;
mod manifest;
mod steps;

pub use bundle::{Bundle, BundleError, Inspection, LIBTORCH_VERSION, Verification, VerifiedPart, inspect};
pub use checks::{MissingReason, check};
pub use editor::{EditError, EditRequest, Edited, Editor, Guidance, NoiseKey, OpenEditor, Settings};
pub use folder::{FolderError, FolderMaker};
pub use instructions::choose as choose_instruction;
pub use ip2p::{Ip2pMaker, MAX_ATTEMPTS};
pub use manifest::{Diffusion, Dtype, Dtypes, FileEntry, Manifest, Part, Size, Spacing, Text};
pub use steps::{ScheduleError, check_steps, spacing_of, trailing_times};
