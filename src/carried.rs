//! The files that `augtrial` carries inside itself, so that a first study needs nothing but the program: the quickstart's
//! experiment, and the small editor that its third arm edits with (12 MB, most of the program).

use augtrial::cli::Carried;

/// Files of the repository, by their paths in it.
macro_rules! carried {
    ($($path:literal),* $(,)?) => {
        &[$(Carried { path: $path, bytes: include_bytes!(concat!("../", $path)) }),*]
    };
}

/// What `augtrial quickstart` writes.
pub(crate) const QUICKSTART: &[Carried] = carried![
    "experiments/quickstart.toml",
    "models/editor-small/CARD.md",
    "models/editor-small/manifest.json",
    "models/editor-small/text_encoder.pt",
    "models/editor-small/tokenizer.json",
    "models/editor-small/unet.pt",
    "models/editor-small/vae_decoder.pt",
    "models/editor-small/vae_encoder.pt",
];
