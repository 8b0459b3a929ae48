//! `augtrial model`: what a model bundle is, and whether it is whole.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::CliError;
use super::output::{json as as_json, line};
use super::table::table;
use augtrial_augment::edit::{self, Inspection, Part};
use augtrial_plan::classifier::Kernels;
use augtrial_trial::Engine;

#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Show what the manifest says: origin, license, networks, files. Loads nothing.
    Inspect {
        /// Folder of the bundle.
        bundle: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Hash every file, then run every network once.
    Verify {
        /// Folder of the bundle.
        bundle: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn model(args: &ModelArgs, engine: Option<&'static dyn Engine>) -> Result<(), CliError> {
    match &args.command {
        ModelCommand::Inspect { bundle, json } => inspect(bundle, *json),
        ModelCommand::Verify { bundle, json } => verify(bundle, *json, super::torch::engine(engine, Kernels::Native)?),
    }
}

fn inspect(bundle: &Path, json: bool) -> Result<(), CliError> {
    let found = edit::inspect(bundle)?;
    if json {
        return as_json(&found);
    }
    line(table(&["what", "value"], &facts(&found)))?;
    let entry = |&part: &Part| {
        let entry = found.manifest.files.entry(part);
        vec![part.name().to_owned(), entry.name.clone(), entry.bytes.to_string(), entry.sha256.short()]
    };
    line(table(&["part", "file", "bytes", "SHA-256"], &Part::ALL.iter().map(entry).collect::<Vec<_>>()))
}

fn facts(found: &Inspection) -> Vec<Vec<String>> {
    let Inspection { folder, digest, total_bytes, manifest } = found;
    let unknown = || "not stated".to_owned();
    let dtype = |dtype: edit::Dtype| format!("{dtype:?}").to_lowercase();
    let facts = [
        ("folder", folder.display().to_string()),
        ("digest", digest.to_string()),
        ("weights from", manifest.source.repository.clone()),
        ("revision", manifest.source.revision.clone().unwrap_or_else(unknown)),
        ("license", manifest.source.license.clone().unwrap_or_else(unknown)),
        ("LoRA folded in", manifest.source.lora_sha256.map_or_else(|| "none".to_owned(), |lora| lora.to_string())),
        ("traced by PyTorch", manifest.torch.clone()),
        (
            "text encoder",
            format!(
                "{}, {} tokens x {}",
                dtype(manifest.dtype.text_encoder),
                manifest.text.length,
                manifest.text.width
            ),
        ),
        (
            "autoencoder",
            format!(
                "{}, {} channels at 1/{}, scale {}",
                dtype(manifest.dtype.vae),
                manifest.latent.channels,
                manifest.latent.downsampling,
                manifest.latent.scale_factor
            ),
        ),
        ("U-Net", dtype(manifest.dtype.unet)),
        ("sides", format!("multiples of {} px", manifest.side_multiple_px)),
        ("size", format!("{total_bytes} bytes")),
    ];
    facts.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect()
}

fn verify(bundle: &Path, json: bool, engine: &dyn Engine) -> Result<(), CliError> {
    let found = engine.verify_bundle(bundle)?;
    if json {
        as_json(&found)?;
    } else {
        let row = |part: &edit::VerifiedPart| {
            let numbers = if part.finite { "all finite" } else { "NOT FINITE" };
            vec![
                part.part.to_owned(),
                part.file.clone(),
                part.sha256.short(),
                format!("{:?}", part.output),
                numbers.to_owned(),
            ]
        };
        let rows: Vec<_> = found.parts.iter().map(row).collect();
        line(table(&["part", "file", "SHA-256 holds", "output", "values"], &rows))?;
    }
    if found.passed() {
        return if json { Ok(()) } else { line(format_args!("ok: bundle {}", found.digest)) };
    }
    Err(CliError::BadData(format!("a network of {} gives values that are no numbers", bundle.display())))
}
