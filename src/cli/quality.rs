//! `augtrial quality`: how good the sets of a study are, as a table, a page and files for other tools.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::TypedValueParser as _;

use super::CliError;
use super::args::Global;
use super::output::{json, line, paragraph};
use super::screen::link;
use super::session::{Signals, progress, workspace};
use super::study_name::open_study;
use super::table::table;
use augtrial_base::text::terminal;
use augtrial_base::words::nearest;
use augtrial_plan::classifier::Kernels;
use augtrial_plan::networks::{Architecture, NETWORKS};
use augtrial_quality::{MEASURES, QualityRow, QualitySettings, RowSubject, SetQuality, Subjects, write_quality};
use augtrial_study::{Context, FeatureChoice, QualityOptions, quality as measured};
use augtrial_trial::Engine;

/// What asks for the control's own networks.
const CONTROL: &str = "control";
/// What stands where a measure has no value.
const NONE: &str = "-";

#[derive(Debug, Args)]
pub(super) struct QualityArgs {
    /// Which study: an experiment file, a study's name, the beginning of its plan's digest, or `latest`.
    #[arg(default_value = "latest")]
    study: String,
    /// Which network sees the images: `control` (the control's own, each on images that it was not trained on; for studies with
    /// `[split.folds]`, a split that is redrawn, a gate that asks networks, or `[cross_fit]`), a network's name such
    /// as `efficientnet-lite0`, or the folder of a TorchScript network.
    #[arg(long, default_value = CONTROL, value_name = "NETWORK")]
    features: String,
    /// The weights of a network that is named; `models/NETWORK.safetensors` if absent.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Nearest neighbors that precision, recall, density and coverage reach to.
    #[arg(long, default_value_t = QualitySettings::default().k, value_name = "K", value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    k: usize,
    /// Shuffles behind each p value of the kernel distance; 0: no p.
    #[arg(long, default_value_t = QualitySettings::default().permutations, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    permutations: u32,
    /// Images of a class and a half that are compared at most; more are drawn from.
    #[arg(long, default_value_t = QualitySettings::default().most, value_name = "N", value_parser = clap::value_parser!(u16).range(2..).map(usize::from))]
    most: usize,
    /// Threads of one CPU operation; all cores if absent.
    #[arg(long)]
    threads: Option<u32>,
    /// Folder of the page and the tables; `quality/STUDY` in the folder of the reports if absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// `engine` gives an engine with these kernels, or makes this process one that has it.
pub(super) fn quality(
    args: &QualityArgs,
    global: &Global,
    engine: impl FnOnce(Kernels) -> Result<&'static dyn Engine, CliError>,
) -> Result<(), CliError> {
    let features = features(&args.features, args.weights.as_deref())?;
    let (registry, plan) = open_study(&args.study, global)?;
    let engine = engine(plan.classifier.kernels)?;
    let (workspace, progress, signals) = (workspace(global), progress(global), Signals::default());
    signals.listen()?;
    let context = Context { engine: Some(engine), ..Context::new(&workspace, &progress, &signals.stop, &signals.save) };
    let settings = QualitySettings { k: args.k, permutations: args.permutations, most: args.most };
    let options = QualityOptions { features, settings, threads: args.threads };
    let found = measured(&plan, &options, &registry, &context)?;
    let folder = args.out.clone().unwrap_or_else(|| global.reports.join("quality").join(&plan.study.name));
    let subjects =
        Subjects { quality: &found.quality, arms: &found.arms, found: &found.found, pictures: &found.pictures };
    write_quality(&subjects, &folder)?;
    if args.json {
        return json(&found.quality);
    }
    tell(&found.quality)?;
    line(format_args!("\npage: {}", link(&folder.join("index.html"))))
}

/// The network that a name, or a folder, means.
pub(super) fn features(name: &str, weights: Option<&Path>) -> Result<FeatureChoice, CliError> {
    let refused = |text: String| Err(CliError::Arguments(text));
    if name == CONTROL {
        return Ok(FeatureChoice::Control);
    }
    if let Some(architecture) = Architecture::named(name) {
        let default = PathBuf::from(format!("models/{name}.safetensors"));
        let weights = weights.map_or(default, Path::to_path_buf);
        if !weights.is_file() {
            return refused(format!(
                "there are no weights for {name} in {}: get them with `augtrial weights fetch {name}`, or name a file with \
                 --weights",
                weights.display()
            ));
        }
        return Ok(FeatureChoice::Table { row: architecture.network(), weights });
    }
    if Path::new(name).is_dir() {
        return Ok(FeatureChoice::Bundle(PathBuf::from(name)));
    }
    let names = || NETWORKS.iter().map(|network| network.name).chain([CONTROL]);
    let advice = nearest(name, names()).map_or_else(
        || format!("give {}, or the folder of a network (docs/networks.md)", names().collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    refused(format!("there is no network and no folder `{name}`: {advice}"))
}

/// The rows about all images as columns, and what must be known of them.
fn tell(quality: &SetQuality) -> Result<(), CliError> {
    paragraph(terminal(&format!(
        "study {}: {} real images in halves by class, features of {}",
        quality.study, quality.real_images, quality.features
    )))?;
    paragraph(terminal(&format!("labels are judged by {}", quality.judges)))?;
    let columns: Vec<&QualityRow> = quality.whole().collect();
    let names: Vec<String> = columns.iter().map(|row| name(&row.subject)).collect();
    let mut header = vec!["measure"];
    header.extend(names.iter().map(String::as_str));
    let mut rows = vec![
        std::iter::once("images".to_owned())
            .chain(columns.iter().map(|row| row.images.to_string()))
            .collect::<Vec<_>>(),
    ];
    for measure in &MEASURES {
        let shown: Vec<Option<String>> = columns.iter().map(|row| row.shown(measure)).collect();
        if shown.iter().any(Option::is_some) {
            let cells = shown.into_iter().map(|shown| shown.unwrap_or_else(|| NONE.to_owned()));
            rows.push(std::iter::once(measure.title.to_owned()).chain(cells).collect());
        }
    }
    line(table(&header, &rows))?;
    for reason in quality.reasons() {
        paragraph(terminal(&format!("- {reason}")))?;
    }
    for note in &quality.notes {
        paragraph(terminal(&format!("! {note}")))?;
    }
    Ok(())
}

fn name(subject: &RowSubject) -> String {
    match subject {
        RowSubject::Arm(name) => terminal(name),
        RowSubject::Floor => "floor".to_owned(),
        RowSubject::Ceiling => "ceiling".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_is_not_there_is_told_with_what_to_do() {
        let told = |name: &str, weights: Option<&str>| {
            features(name, weights.map(Path::new)).unwrap_err().to_string() //
        };
        assert!(told("resnet18", Some("nowhere.safetensors")).contains("`augtrial weights fetch resnet18`"));
        assert!(told("efficentnet-lite0", None).ends_with("did you mean `efficientnet-lite0`?"));
        assert!(told("/no/such/folder", None).contains("the folder of a network"));
        assert!(matches!(features("control", None), Ok(FeatureChoice::Control)));
    }
}
