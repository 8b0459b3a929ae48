//! `augtrial edit`: one picture, one instruction, and as many settings as are asked for.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use clap::Args;
use image::RgbImage;
use serde::Serialize;

use super::CliError;
use super::args::Global;
use super::output::line;
use super::seed_grammar::NoiseSeeds;
use super::session::progress;
use augtrial_augment::edit::{EditRequest, Edited, Editor, NoiseKey, Settings};
use augtrial_base::digest::Digest;
use augtrial_base::progress::Progress;
use augtrial_base::seed::StudySeed;
use augtrial_imaging::decode;
use augtrial_imaging::resize::resized;
use augtrial_plan::arm::{EditChecks, EditorPrecision, FeatureReuse, Fit, Ip2p, NoiseRng, Scheduler};
use augtrial_plan::classifier::{Device, Kernels};
use augtrial_report::{SheetPicture, contact_sheet};
use augtrial_trial::Engine;

/// A file whose header promises more pixels is refused.
const MAX_PIXELS: u64 = 100_000_000;

#[derive(Debug, Args)]
pub(super) struct EditArgs {
    /// The picture to edit (JPEG, PNG, WebP or BMP).
    image: PathBuf,
    /// What to do with it, e.g. "make it look like it is made of iron".
    instruction: String,
    /// Folder of the model bundle.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder of the results.
    #[arg(long, short, default_value = "edits", value_name = "DIR")]
    out: PathBuf,
    /// Denoising steps.
    #[arg(long, default_value_t = 20)]
    steps: u32,
    /// Sampling method, named as in experiment files.
    #[arg(long, default_value = "euler-ancestral", value_parser = parse_named::<Scheduler>)]
    scheduler: Scheduler,
    /// Text guidance scales; several make a grid.
    #[arg(long, value_delimiter = ',', default_value = "7.5", value_name = "SCALES")]
    text_guidance: Vec<f64>,
    /// Image guidance scales; several make a grid.
    #[arg(long, value_delimiter = ',', default_value = "1.5", value_name = "SCALES")]
    image_guidance: Vec<f64>,
    /// Seeds of the noise: `7`, `1,2,5` or `0-3`.
    #[arg(long, default_value = "0", value_name = "SEEDS")]
    seeds: NoiseSeeds,
    /// Where noise comes from: `torch` (a seed gives what it gives in PyTorch) or `stream` (augtrial's own).
    #[arg(long, default_value = "torch", value_parser = parse_named::<NoiseRng>)]
    rng: NoiseRng,
    /// What the networks compute in: `bundle`, `bf16` or `fp16` (CUDA).
    #[arg(long, default_value = "bundle", value_parser = parse_named::<EditorPrecision>)]
    precision: EditorPrecision,
    /// Run the whole U-Net at every N-th step only, and its last layer between.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    reuse_features_every: Option<u32>,
    /// How the picture gets sides that the networks take: `pad`, `resize` or `original`.
    #[arg(long, default_value = "pad", value_parser = parse_named::<Fit>)]
    fit: Fit,
    /// A picture whose longer side has more pixels is reduced to so many before it is edited.
    #[arg(long, default_value_t = 512, value_name = "PX")]
    max_side: u32,
    /// `auto`, `cpu` or `cuda:N`.
    #[arg(long, default_value = "auto", value_parser = parse_named::<Device>)]
    device: Device,
    /// CPU kernels: `native`, `avx2` or `portable`; the last two give the same bits on different x86-64 processors.
    #[arg(long, default_value = "native", value_parser = parse_named::<Kernels>)]
    pub(super) kernels: Kernels,
    /// Threads of one CPU operation; all cores if absent.
    #[arg(long)]
    threads: Option<u32>,
    /// Replace results of the same names.
    #[arg(long)]
    force: bool,
}

/// Reads a value by its name in experiment files; an unknown name lists the known ones.
pub(super) fn parse_named<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

/// What made a picture, written into it as JSON.
#[derive(Serialize)]
struct Settled<'a> {
    tool: &'static str,
    bundle: Digest,
    source: Digest,
    /// Width and height as it was read, or reduced by `--max-side`.
    source_px: (u32, u32),
    /// Width and height that the networks saw, without padding.
    edited_at_px: (u32, u32),
    precision: EditorPrecision,
    #[serde(skip_serializing_if = "Kernels::is_native")]
    kernels: Kernels,
    reuse_features_every: Option<u32>,
    instruction: &'a str,
    scheduler: Scheduler,
    steps: u32,
    text_guidance: f64,
    image_guidance: f64,
    seed: u32,
    rng: NoiseRng,
    fit: Fit,
    /// Mean absolute difference from the source, 8-bit levels.
    change_levels: f64,
}

/// One combination of the scales.
#[derive(Clone, Copy)]
struct Scales {
    text: f64,
    image: f64,
}

pub(super) fn edit(args: &EditArgs, global: &Global, engine: &dyn Engine) -> Result<(), CliError> {
    engine.setup(args.device).map_err(|error| CliError::Arguments(error.to_string()))?;
    engine.use_threads(args.threads);
    let source = read(&args.image, args.max_side)?;
    let both = |&text: &f64| args.image_guidance.iter().map(move |&image| Scales { text, image });
    let grid: Vec<Scales> = args.text_guidance.iter().flat_map(both).collect();
    check(args, &grid)?;
    let editor = engine.open_editor(&args.model, settings(args, grid[0]))?;
    fs::create_dir_all(&args.out).map_err(|source| CliError::Write { path: args.out.clone(), source })?;
    let mut desk = Desk { args, editor, source, progress: progress(global), failed: 0 };

    let mut sheet = Vec::new();
    for &scales in &grid {
        desk.editor.set(settings(args, scales))?;
        sheet.push(SheetPicture { picture: desk.source.picture.clone(), label: "source".to_owned() });
        sheet.extend(desk.edit(scales)?);
    }
    if sheet.len() > 2 {
        let picture = contact_sheet(&sheet, args.seeds.0.len() as u32 + 1);
        write_png(&args.out.join(SHEET), &picture, &[("Description", &args.instruction)])?;
        line(format_args!("{}", args.out.join(SHEET).display()))?;
    }
    match desk.failed {
        0 => Ok(()),
        failed => Err(CliError::NoPicture { failed, asked: grid.len() * args.seeds.0.len() }),
    }
}

/// The picture to edit.
struct Original {
    picture: RgbImage,
    /// Digest of its file.
    digest: Digest,
}

/// What all edits of one call share.
struct Desk<'a> {
    args: &'a EditArgs,
    editor: Box<dyn Editor>,
    source: Original,
    progress: Progress,
    failed: usize,
}

impl Desk<'_> {
    /// Makes one picture of each seed, and returns them for the contact sheet.
    fn edit(&mut self, scales: Scales) -> Result<Vec<SheetPicture>, CliError> {
        let Self { args, source, .. } = self;
        let stage = self.progress.stage(label(scales), args.seeds.0.len() as u64, "pictures");
        let mut cells = Vec::new();
        for seeds in args.seeds.0.chunks(self.editor.settings().batch.max(1)) {
            let request = |&seed: &u32| EditRequest {
                source: &source.picture,
                image: source.digest,
                instruction: &args.instruction,
                noise: noise(args.rng, seed, source.digest),
            };
            let requests: Vec<EditRequest<'_>> = seeds.iter().map(request).collect();
            for (&seed, edited) in seeds.iter().zip(self.editor.edit(&requests)?) {
                let path = args.out.join(name(scales, seed));
                cells.push(match edited {
                    Ok(edited) => {
                        let settled = settled(args, self.editor.bundle().digest(), source, scales, seed, &edited);
                        keep(&path, &edited, &settled)?;
                        SheetPicture { picture: edited.image, label: format!("seed {seed}, {}", label(scales)) }
                    }
                    Err(reason) => {
                        self.failed += 1;
                        line(format_args!("{}: no picture: {reason}", path.display()))?;
                        let (width, height) = source.picture.dimensions();
                        let gray = RgbImage::from_pixel(width, height, image::Rgb([200; 3]));
                        SheetPicture { picture: gray, label: format!("seed {seed}: no picture") }
                    }
                });
                stage.set(cells.len() as u64, "");
            }
        }
        Ok(cells)
    }
}

const SHEET: &str = "contact-sheet.png";

fn name(scales: Scales, seed: u32) -> String {
    format!("seed{seed}-t{}-i{}.png", scales.text, scales.image)
}

fn label(scales: Scales) -> String {
    format!("text {}, image {}", scales.text, scales.image)
}

/// The picture, reduced to `max_side_px` if it is larger.
fn read(path: &Path, max_side_px: u32) -> Result<Original, CliError> {
    let unusable = |reason: String| CliError::Picture { path: path.to_owned(), reason };
    let bytes = decode::read(path, MAX_PIXELS).map_err(|error| unusable(error.to_string()))?;
    let picture = decode::decode(&bytes, MAX_PIXELS).map_err(|error| unusable(error.to_string()))?;
    let digest = Digest::of_bytes(&bytes);
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if longer <= max_side_px {
        return Ok(Original { picture, digest });
    }
    let side = |px: u32| (u64::from(px) * u64::from(max_side_px) / u64::from(longer)).max(1) as u32;
    let picture = resized(&picture, side(width), side(height)).map_err(|error| unusable(error.to_string()))?;
    Ok(Original { picture, digest })
}

/// Scales make sense, and nothing would be replaced that was not to be.
fn check(args: &EditArgs, grid: &[Scales]) -> Result<(), CliError> {
    let scales = args.text_guidance.iter().chain(&args.image_guidance);
    if let Some(scale) = scales.copied().find(|scale| !(0.0..=100.0).contains(scale)) {
        return Err(CliError::Arguments(format!("a guidance scale must lie between 0 and 100, not {scale}")));
    }
    let paths = grid.iter().flat_map(|&scales| args.seeds.0.iter().map(move |&seed| name(scales, seed)));
    let taken = paths.map(|name| args.out.join(name)).find(|path| !args.force && path.exists());
    match taken {
        None => Ok(()),
        Some(path) => Err(CliError::Arguments(format!(
            "{} already exists: choose another folder with `--out`, or replace it with `--force`",
            path.display()
        ))),
    }
}

fn settings(args: &EditArgs, scales: Scales) -> Settings {
    let plan = Ip2p {
        steps: args.steps,
        scheduler: args.scheduler,
        text_guidance: scales.text,
        image_guidance: scales.image,
        fit: args.fit,
        precision: args.precision,
        feature_reuse: args.reuse_features_every.map(|every| FeatureReuse { every }),
        rng: args.rng,
        // Whoever asks for one picture wants to see it, whatever it is.
        checks: EditChecks { min_spread_levels: 0.0, min_change_levels: 0.0 },
        ..Ip2p::of_bundle("")
    };
    Settings::new(&plan, args.device)
}

fn noise(rng: NoiseRng, seed: u32, image: Digest) -> NoiseKey {
    match rng {
        NoiseRng::Torch => NoiseKey::Torch { seed: seed.into() },
        NoiseRng::Stream => {
            let recipe = Digest::of_bytes(b"augtrial edit");
            NoiseKey::Stream { study: StudySeed(seed.into()), recipe, image, copy: 0, attempt: 0 }
        }
    }
}

fn settled<'a>(
    args: &'a EditArgs,
    bundle: Digest,
    source: &Original,
    scales: Scales,
    seed: u32,
    edited: &Edited,
) -> Settled<'a> {
    Settled {
        tool: concat!("augtrial ", env!("CARGO_PKG_VERSION")),
        bundle,
        source: source.digest,
        source_px: source.picture.dimensions(),
        edited_at_px: edited.edited_at_px,
        precision: args.precision,
        kernels: args.kernels,
        reuse_features_every: args.reuse_features_every,
        instruction: &args.instruction,
        scheduler: args.scheduler,
        steps: args.steps,
        text_guidance: scales.text,
        image_guidance: scales.image,
        seed,
        rng: args.rng,
        fit: args.fit,
        change_levels: edited.change_levels,
    }
}

/// Writes one result, and says so.
fn keep(path: &Path, edited: &Edited, settled: &Settled<'_>) -> Result<(), CliError> {
    let settings = serde_json::to_string(settled).expect("plain data has a JSON form");
    write_png(path, &edited.image, &[("Description", settled.instruction), ("augtrial", &settings)])?;
    let cut = match edited.cut_tokens {
        0 => String::new(),
        cut => format!("; the instruction is {cut} tokens too long, its end was not read"),
    };
    line(format_args!("{}: {:.1} of 255 levels from the source{cut}", path.display(), edited.change_levels))
}

/// Writes a PNG with UTF-8 texts, whole or not at all.
pub(super) fn write_png(path: &Path, picture: &RgbImage, texts: &[(&str, &str)]) -> Result<(), CliError> {
    let failed = |source: io::Error| CliError::Write { path: path.to_owned(), source };
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let write = |file: &mut dyn io::Write| -> Result<(), png::EncodingError> {
        let mut encoder = png::Encoder::new(file, picture.width(), picture.height());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        for (keyword, text) in texts {
            encoder.add_itxt_chunk((*keyword).to_owned(), (*text).to_owned())?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(picture.as_raw())?;
        writer.finish()
    };
    write(&mut BufWriter::new(&mut file)).map_err(|error| failed(io::Error::other(error)))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
