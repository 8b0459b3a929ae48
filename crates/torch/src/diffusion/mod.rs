//! The `InstructPix2Pix` editor: a native sampler on `TorchScript` bundles (Brooks, Holynski, Efros 2023).

mod editor;
mod lanczos;
mod load;
mod networks;
mod noise;
mod picture;
mod sampler;
mod schedule;
mod tokenizer;
mod verify;

pub use editor::NativeEditor;
pub use networks::{Features, Networks};
pub use noise::Noise;
pub use picture::{Fitted, Rounding, from_tensor, to_tensor};
pub use sampler::{Conditions, Denoiser, sample};
pub use schedule::{Schedule, schedule};
pub use tokenizer::{Tokenizer, Tokens};
pub use verify::verify;
