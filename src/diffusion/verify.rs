//! What `augtrial model inspect` and `augtrial model verify` show, as plain data.

use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::bundle::{Bundle, BundleError};
use super::manifest::{Manifest, Part};
use super::networks::Networks;
use super::picture::to_tensor;
use super::tokenizer::Tokenizer;
use crate::digest::Digest;

/// A bundle from its manifest alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    pub folder: PathBuf,
    pub digest: Digest,
    /// Of the files that the manifest names.
    pub total_bytes: u64,
    pub manifest: Manifest,
}

/// A part that was hashed, loaded and run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifiedPart {
    pub part: &'static str,
    pub file: String,
    pub bytes: u64,
    pub sha256: Digest,
    /// Shape of its output on the smallest picture, or the number of its ids for the empty text.
    pub output: Vec<i64>,
    /// Whether every value of that output is a finite number.
    pub finite: bool,
}

/// A bundle whose every file is the manifest's and whose every network runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    pub digest: Digest,
    pub parts: Vec<VerifiedPart>,
}

impl Verification {
    /// Whether every network gave numbers only.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.parts.iter().all(|part| part.finite)
    }
}

/// Reads the manifest and finds the files; hashes and loads nothing.
///
/// # Errors
/// As [`Bundle::open`].
pub fn inspect(folder: &Path) -> Result<Inspection, BundleError> {
    let bundle = Bundle::open(folder)?;
    let manifest = bundle.manifest().clone();
    let total_bytes = Part::ALL.iter().map(|&part| manifest.files.entry(part).bytes).sum();
    Ok(Inspection { folder: folder.to_owned(), digest: bundle.digest(), total_bytes, manifest })
}

/// Hashes every file, and then runs every network once, on the smallest picture it takes.
///
/// # Errors
/// [`BundleError`] of the first part that is not as the manifest says. No network is loaded before every hash holds.
pub fn verify(folder: &Path, device: Device) -> Result<Verification, BundleError> {
    let bundle = Bundle::open(folder)?;
    for part in Part::ALL {
        bundle.checked_path(part)?;
    }
    let digest = bundle.digest();
    let files = bundle.manifest().files.clone();
    let side_px = bundle.manifest().side_multiple_px;
    let tokens = Tokenizer::load(&bundle)?.encode("").map_err(|error| BundleError::Tokenizer {
        path: folder.join(&files.tokenizer.name),
        reason: error.to_string(),
    })?;
    let networks = Networks::new(bundle, device);
    let text = networks.encode_text(&[&tokens.ids])?;
    let grey = RgbImage::from_pixel(side_px, side_px, image::Rgb([128; 3]));
    let latents = networks.encode_image(&to_tensor(&[&grey]))?;
    let last = f64::from(networks.bundle().manifest().scheduler.train_timesteps - 1);
    let input = Tensor::cat(&[&latents, &latents], 1);
    let mut noise = networks.predict_noise(&input, last, &text)?;
    if networks.bundle().manifest().feature_reuse {
        let (whole, features) = networks.predict_with_features(&input, last, &text)?;
        // Each method gives the same numbers here; what is not finite in one of them stays so.
        noise = (noise + whole + networks.predict_from_features(&input, last, &text, &features)?) / 3.0;
    }
    let decoded = networks.decode(&latents)?;
    let outputs =
        [(Part::TextEncoder, text), (Part::VaeEncoder, latents), (Part::VaeDecoder, decoded), (Part::Unet, noise)];
    let verified = |part: Part, output: Vec<i64>, finite: bool| {
        let entry = files.entry(part).clone();
        VerifiedPart { part: part.name(), file: entry.name, bytes: entry.bytes, sha256: entry.sha256, output, finite }
    };
    let mut parts: Vec<_> =
        outputs.into_iter().map(|(part, output)| verified(part, output.size(), is_finite(&output))).collect();
    parts.push(verified(Part::Tokenizer, vec![tokens.ids.len() as i64], true));
    Ok(Verification { digest, parts })
}

fn is_finite(tensor: &Tensor) -> bool {
    tensor.isfinite().all().to_kind(Kind::Int64).int64_value(&[]) == 1
}
