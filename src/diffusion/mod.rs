//! The `InstructPix2Pix` editor: a native sampler on `TorchScript` bundles (Brooks, Holynski, Efros 2023).

mod bundle;
mod checks;
mod editor;
mod instructions;
mod lanczos;
mod manifest;
mod networks;
mod noise;
mod picture;
mod sampler;
mod schedule;
mod tokenizer;
mod verify;

pub use bundle::{Bundle, BundleError, LIBTORCH_VERSION};
pub use checks::{MissingReason, check};
pub use editor::{EditError, EditRequest, Edited, Editor, Settings};
pub use instructions::choose as choose_instruction;
pub use manifest::{Dtype, Manifest, Part, Size};
pub use networks::{Features, Networks};
pub use noise::{Noise, NoiseKey};
pub use picture::{Fitted, Rounding, from_tensor, to_tensor};
pub use sampler::{Conditions, Guidance, sample};
pub use schedule::{Schedule, ScheduleError, schedule};
pub use tokenizer::{Tokenizer, Tokens};
pub use verify::{Inspection, Verification, VerifiedPart, inspect, verify};
