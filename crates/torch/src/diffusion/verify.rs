//! What `augtrial model verify` shows.

use std::path::Path;

use image::RgbImage;
use tch::{Device, Kind, Tensor};

use super::networks::Networks;
use super::picture::to_tensor;
use super::tokenizer::Tokenizer;
use augtrial_augment::edit::{Bundle, BundleError, Part, Verification, VerifiedPart};

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
    let gray = RgbImage::from_pixel(side_px, side_px, image::Rgb([128; 3]));
    let latents = networks.encode_image(&to_tensor(&[&gray]))?;
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
