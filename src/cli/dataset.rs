//! `augtrial dataset`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::CliError;
use super::args::{Experiment, Global, Json};
use super::output::{json, line, paragraph};
use super::session::{Session, is_experiment_file, progress};
use super::table::table;
use augtrial_base::seed::StudySeed;
use augtrial_base::text;
use augtrial_base::words::plural;
use augtrial_data::audit::Duplicates;
use augtrial_data::fetch::{Fetched, Origin, Recipe};
use augtrial_data::ingest::ingest;
use augtrial_data::manifest::{LeftOut, Manifest};
use augtrial_data::source::{Layout, Source};
use augtrial_data::stat::ClassTable;
use augtrial_plan::DATA_VARIABLE;
use augtrial_plan::dataset::Ingest;
use augtrial_study::StudyData;
use augtrial_synth::write_dataset;

#[derive(Debug, Args)]
pub(super) struct DatasetArgs {
    #[command(subcommand)]
    pub(super) command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DatasetCommand {
    /// Print the class table of a folder of class folders, or of an experiment's data set.
    Stat {
        /// A folder, or an experiment file.
        path: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Read every image, and fail if any cannot be used or if bytes are there twice under different labels.
    Verify {
        /// A folder, or an experiment file.
        path: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Get a data set from the network, compare it with pinned digests, and unpack it below `data`.
    Fetch {
        /// `trashnet`, or a recipe of your own: a TOML file with addresses and digests (docs/data.md).
        name: String,
        /// Take files that are here instead: an archive, or a folder that holds files of the recipe's names.
        #[arg(long, value_name = "PATH")]
        from: Vec<PathBuf>,
        /// The folder of data sets.
        #[arg(long, env = augtrial_plan::DATA_VARIABLE, default_value = "data", value_name = "DIR")]
        to: PathBuf,
        /// The program that gets files: curl, or one that takes its options.
        #[arg(long, env = "AUGTRIAL_CURL", default_value = "curl", value_name = "PROGRAM")]
        curl: String,
    },
    /// Render the synthetic data set into a folder.
    Render {
        /// The folder to make.
        path: PathBuf,
        /// Number of images.
        #[arg(long, default_value_t = 600)]
        images: u32,
        /// Width and height, px.
        #[arg(long, default_value = "64x48", value_parser = parse_size)]
        size: (u32, u32),
        /// Seed of the scenes.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("`{text}` is not a size: expected WIDTHxHEIGHT, e.g. 64x48");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |side: &str| side.parse().ok().filter(|side| (8..=8192).contains(side)).ok_or_else(wrong);
    Ok((side(width)?, side(height)?))
}

pub(super) fn dataset(args: &DatasetArgs, global: &Global) -> Result<(), CliError> {
    match &args.command {
        DatasetCommand::Stat { path, json } => stat(path, json.json, global),
        DatasetCommand::Verify { path, json } => verify(path, json.json, global),
        DatasetCommand::Fetch { name, from, to, curl } => fetch(name, to, Origin { given: from, curl }, global),
        DatasetCommand::Render { path, images, size, seed } => {
            let progress = progress(global);
            let stage = progress.stage("render", u64::from(*images), "images");
            write_dataset(StudySeed(*seed), u64::from(*images), size.0, size.1, path, &|done| stage.set(done, ""))?;
            line(format_args!("rendered {images} synthetic images into {}", path.display()))
        }
    }
}

/// Gets a data set, and says what to type next.
fn fetch(name: &str, data: &Path, origin: Origin<'_>, global: &Global) -> Result<(), CliError> {
    let recipe = Recipe::named(name)?;
    let progress = progress(global);
    let found = augtrial_data::fetch::fetch(&recipe, data, origin, &|text| progress.note(&text::terminal(text)))?;
    let title = if recipe.title.is_empty() { recipe.name.clone() } else { recipe.title.clone() };
    let license = if recipe.license.is_empty() { String::new() } else { format!(", license {}", recipe.license) };
    paragraph(format_args!("{}{}", text::terminal(&title), text::terminal(&license)))?;
    let state = match (found.reused, recipe.content.is_some()) {
        (true, _) => "was there, and is what the recipe pins",
        (false, true) => "is what the recipe pins",
        (false, false) => "is new",
    };
    let Fetched { folder, files, content, .. } = &found;
    paragraph(format_args!("{}: {}, content {content}: it {state}", folder.display(), plural(*files, "file")))?;
    if recipe.content.is_none() {
        paragraph(
            "Write `content = \"...\"` with this digest into the recipe: then what is unpacked is compared too.",
        )?;
    }
    let other = (data != Path::new("data")).then(|| format!("{}/", data.display()));
    let stat = format!("augtrial dataset stat {}", folder.display());
    let next = if recipe.next.is_empty() { vec![stat] } else { recipe.next };
    line("Next:")?;
    for command in next {
        let command =
            other.as_ref().map_or_else(|| command.clone(), |other| command.replace(" data/", &format!(" {other}")));
        line(format_args!("  {}", text::terminal(&command)))?;
    }
    match other {
        Some(_) => paragraph(format_args!("Set {DATA_VARIABLE} to this folder, so that experiments find it there.")),
        None => Ok(()),
    }
}

fn stat(path: &Path, as_json: bool, global: &Global) -> Result<(), CliError> {
    let (manifest, rules) = read(path, global)?;
    if as_json {
        return json(&described(&manifest, &rules));
    }
    line(class_table(&manifest, &rules))?;
    if manifest.synthetic {
        line("synthetic: rendered by augtrial, not photographs")?;
    }
    left_out("ignored", &manifest.ignored)?;
    left_out("quarantined", &manifest.quarantined)?;
    duplicates(&manifest).map(|_| ())
}

fn verify(path: &Path, as_json: bool, global: &Global) -> Result<(), CliError> {
    let (manifest, rules) = read(path, global)?;
    let contradicting = if as_json {
        json(&described(&manifest, &rules))?;
        Duplicates::find(&manifest).contradicting().count()
    } else {
        line(class_table(&manifest, &rules))?;
        left_out("quarantined", &manifest.quarantined)?;
        duplicates(&manifest)?
    };
    match (manifest.quarantined.len(), contradicting) {
        (0, 0) if as_json => Ok(()),
        (0, 0) => line(format_args!("ok: {} images, manifest {}", manifest.images.len(), manifest.digest())),
        (unusable, contradicting) => Err(CliError::BadData(format!(
            "{unusable} files cannot be used and {contradicting} contents have contradicting labels: \
             repair or remove the files listed above"
        ))),
    }
}

/// Everything that is told of a data set, for programs.
fn described(manifest: &Manifest, rules: &Ingest) -> serde_json::Value {
    let table = ClassTable::new(manifest, &rules.declared);
    let twins = |set: &augtrial_data::audit::DuplicateSet| {
        let paths: Vec<&str> = set.images.iter().map(|image| image.path.as_str()).collect();
        json!({ "images": paths, "contradicting": set.is_contradicting() })
    };
    json!({
        "manifest": manifest.digest().to_string(),
        "images": manifest.images.len(),
        "synthetic": manifest.synthetic,
        "classes": table.rows,
        "quarantined": manifest.quarantined,
        "ignored": manifest.ignored,
        "duplicates": Duplicates::find(manifest).sets.iter().map(twins).collect::<Vec<_>>(),
    })
}

/// Reads a folder, or the data set of an experiment.
fn read(path: &Path, global: &Global) -> Result<(Manifest, Ingest), CliError> {
    if is_experiment_file(path) {
        let session = Session::open(&Experiment::unchanged(path), global)?;
        let manifest = Arc::unwrap_or_clone(StudyData::read(&session.plan, &session.context())?.manifest);
        return Ok((manifest, session.plan.ingest));
    }
    let rules = Ingest::default();
    let source = Source::new(path.to_owned(), Layout::Folder { classes: None });
    let progress = progress(global);
    let stage = progress.stage("read images", 0, "images");
    let manifest = ingest(&source, &rules, &|done, total| stage.set_of(done, total, ""))?;
    Ok((manifest, rules))
}

fn class_table(manifest: &Manifest, rules: &Ingest) -> comfy_table::Table {
    let counted = ClassTable::new(manifest, &rules.declared);
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = counted
        .rows
        .iter()
        .chain([&counted.total])
        .map(|row| {
            vec![
                row.class.clone(),
                row.read.to_string(),
                optional(row.declared.map(|n| n.to_string())),
                optional(row.difference().map(|n| format!("{n:+}"))),
                row.quarantined.to_string(),
            ]
        })
        .collect();
    table(&["class", "read", "declared", "difference", "quarantined"], &rows)
}

fn left_out(title: &str, files: &[LeftOut]) -> Result<(), CliError> {
    if !files.is_empty() {
        line(format_args!("{title}: {}", files.len()))?;
    }
    files
        .iter()
        .try_for_each(|file| line(format_args!("  {}: {}", text::terminal(&file.path), text::terminal(&file.reason))))
}

/// Lists byte-identical images, and counts the contents whose labels contradict each other.
fn duplicates(manifest: &Manifest) -> Result<usize, CliError> {
    let found = Duplicates::find(manifest);
    if found.sets.is_empty() {
        line("duplicates: none")?;
        return Ok(0);
    }
    line(format_args!("duplicates: {} contents are there more than once", found.sets.len()))?;
    for set in &found.sets {
        let paths: Vec<_> = set.images.iter().map(|image| text::terminal(&image.path)).collect();
        let note = if set.is_contradicting() { " (contradicting labels)" } else { "" };
        line(format_args!("  {}{note}", paths.join(" = ")))?;
    }
    Ok(found.contradicting().count())
}
