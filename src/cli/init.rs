//! `augtrial init`: looks at the data and writes an experiment file that fits them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use super::output::{line, paragraph, warning};
use super::proposal::{Data, Known, Proposal, bundled_editor, study_name};
use super::screen::{STRONG, styled};
use augtrial_base::disk::{self, Durability};
use augtrial_base::numbers::{count, decimal};
use augtrial_base::text::terminal;
use augtrial_base::words::plural;
use augtrial_data::ingest::{Survey, survey};
use augtrial_data::source::{Layout, Source};
use augtrial_plan::Plan;
use augtrial_plan::dataset::Ingest;
use augtrial_plan::networks::Architecture;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to write.
    #[arg(default_value = "experiment.toml")]
    pub(super) file: PathBuf,
    /// Folder of class folders, or of folders `train`, `val` and `test` that hold them, or a CSV table. It is read, and sizes,
    /// split, seeds and margin are proposed after it. Rendered images if absent.
    #[arg(long, value_name = "PATH")]
    pub(super) data: Option<PathBuf>,
    /// Start from these weights: a safetensors file with torchvision's names (docs/pretrained.md).
    #[arg(long, value_name = "FILE")]
    pub(super) pretrained: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    pub(super) force: bool,
}

/// Files that cannot be used of which init tells.
const SHOWN_FILES: usize = 3;

pub(super) fn init(args: &InitArgs) -> Result<(), CliError> {
    let taken = || {
        CliError::Arguments(format!(
            "{} already exists: name another file, or replace it with --force",
            args.file.display()
        ))
    };
    if args.file.exists() && !args.force {
        return Err(taken());
    }
    let base = std::path::absolute(disk::parent(&args.file)).map_err(CliError::Output)?;
    let data = match &args.data {
        None => Data::Rendered,
        Some(path) => look(path, &base)?,
    };
    let pretrained = args.pretrained.as_deref().map(|file| weights(file, &base)).transpose()?;
    let editor = bundled_editor().map(|path| seen_from(&base, &path)).transpose()?;
    let known = Known { name: study_name(&args.file, args.data.as_deref()), data, pretrained, editor };
    let proposal = Proposal::of(&known);
    write(&args.file, &proposal.to_file(&known), args.force)?;
    told(args, &known, &proposal)
}

/// The study that is proposed for a folder of class folders, without a file of it.
///
/// # Errors
/// If no study can be made of the folder.
pub(super) fn proposed(folder: &Path) -> Result<Plan, CliError> {
    let base =
        std::env::current_dir().map_err(|source| CliError::System { action: "find the current folder", source })?;
    let name =
        study_name(Path::new("experiment.toml"), Some(&folder.canonicalize().unwrap_or_else(|_| folder.to_owned())));
    let known = Known { name, data: look(folder, &base)?, pretrained: None, editor: None };
    let text = Proposal::of(&known).to_file(&known);
    Ok(Plan::parse("the study that `augtrial init` proposes", &text, base, &[])?)
}

/// Reads what a folder or a table lists, and refuses what no study can be made of.
fn look(path: &Path, base: &Path) -> Result<Data, CliError> {
    if !path.exists() {
        let advice = "name the folder that holds one folder of images for each class";
        return Err(CliError::BadData(format!("{} is not there: {advice}", path.display())));
    }
    let is_table = path.is_file();
    let source = if is_table {
        Source::new(disk::parent(path).to_owned(), Layout::Csv { file: path.to_owned(), classes: None })
    } else {
        Source::new(path.to_owned(), Layout::Folder { classes: None })
    };
    let survey = survey(&source, Ingest::default().max_pixels)?;
    if let Some(index) = survey.counts.iter().position(|count| *count == 0) {
        return Err(CliError::BadData(format!(
            "class `{}` of {} has no image: add some, or remove the folder",
            terminal(&survey.classes[index]),
            path.display()
        )));
    }
    Ok(Data::Read { path: seen_from(base, path)?, is_table, survey: Box::new(survey) })
}

/// The weights, and the network that they are of.
fn weights(file: &Path, base: &Path) -> Result<(&'static str, String), CliError> {
    if !file.is_file() {
        return Err(CliError::Arguments(format!(
            "{} is not there; docs/pretrained.md says how to get it",
            file.display()
        )));
    }
    let Ok(worker) = super::torch::worker() else { return Ok(("resnet18", seen_from(base, file)?)) };
    let mut problem = String::new();
    for network in Architecture::all() {
        match worker.check_weights(network, file) {
            Ok(()) => return Ok((network.name(), seen_from(base, file)?)),
            Err(error) if problem.is_empty() => problem = error,
            Err(_) => {}
        }
    }
    Err(CliError::Arguments(format!("{problem}; docs/pretrained.md says what is needed")))
}

/// A path as an experiment file in `base` may name it: relative where it lies below.
fn seen_from(base: &Path, path: &Path) -> Result<String, CliError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let seen = path.strip_prefix(base).unwrap_or(&path);
    let unwritable = || {
        let path = path.display();
        CliError::BadData(format!(
            "{path} is not UTF-8, so that no experiment file can name it: rename it, or link to it"
        ))
    };
    seen.to_str().map(str::to_owned).ok_or_else(unwritable)
}

/// Writes the file; without `replace` only if there is none.
fn write(path: &Path, text: &str, replace: bool) -> Result<(), CliError> {
    let failed = |source| CliError::Write { path: path.to_owned(), source };
    if replace {
        return disk::replace_bytes(path, text.as_bytes(), Durability::Later).map_err(failed);
    }
    File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

/// What was found, what is proposed, and what to type next.
fn told(args: &InitArgs, known: &Known, proposal: &Proposal) -> Result<(), CliError> {
    if let (Data::Read { survey, .. }, Some(path)) = (&known.data, &args.data) {
        found(path, survey)?;
    }
    let (width, height) = proposal.size_px;
    let split = match proposal.shares {
        Some((validation, test)) => {
            format!("{:.0} % for validation, {:.0} % for test", 100.0 * validation, 100.0 * test)
        }
        None => "the parts that the folders prescribe".to_owned(),
    };
    paragraph(format_args!(
        "Proposed: pictures of {width}x{height} px; {split} ({}); {}; a margin of {} points; {}: {}.",
        plural(proposal.test_images as usize, "test image"),
        plural(proposal.seeds, "seed"),
        decimal(100.0 * proposal.delta, 0),
        plural(proposal.arms.len(), "arm"),
        proposal.arms.join(", ")
    ))?;
    let file = args.file.display();
    paragraph(format_args!("Wrote {file}; comments in it say why. Change what you like, then:\n"))?;
    for (command, what) in [
        ("check", "is all that it names there?"),
        ("plan", "what a run would do, and how long it takes"),
        ("run", "do it"),
    ] {
        let typed = format!("augtrial {command:<5} {file}");
        line(format_args!("  {}   {what}", styled(STRONG, typed)))?;
    }
    Ok(())
}

fn found(path: &Path, survey: &Survey) -> Result<(), CliError> {
    let classes = survey.classes.iter().zip(&survey.counts);
    let names: Vec<String> = classes.map(|(class, count)| format!("{} {count}", terminal(class))).collect();
    let names = if names.len() > 12 { format!("{}, ...", names[..12].join(", ")) } else { names.join(", ") };
    let parts = if survey.parts.is_some() { ", divided into parts" } else { "" };
    paragraph(format_args!(
        "Read {}: {} images of {} classes{parts} ({names}).",
        path.display(),
        count(survey.images()),
        survey.classes.len()
    ))?;
    for (file, reason) in survey.unusable.iter().take(SHOWN_FILES) {
        warning(format_args!("{} cannot be used, and will be left out: {}", terminal(file), terminal(reason)))?;
    }
    let fewest = survey.counts.iter().min().copied().unwrap_or(0);
    if fewest < 10 {
        warning(format_args!(
            "a class has {fewest} images only: in training, validation and test they are very few (docs/scope.md)"
        ))?;
    }
    Ok(())
}
