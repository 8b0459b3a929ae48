//! `augtrial audit`: what is odd about a data set, as a page to look at and as tables.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;

use super::CliError;
use super::args::Global;
use super::init::proposed;
use super::output::line;
use super::probabilities;
use super::quality::features;
use super::session::{Signals, command_line, is_experiment_file, workspace};
use super::torch::worker_for;
use augtrial_audit::{Decided, Findings, Oddity, Reach, Site, Subject, SurveyError, write_audit};
use augtrial_base::progress::Progress;
use augtrial_base::text::terminal;
use augtrial_base::words::{chain, plural};
use augtrial_data::ingest::ingest;
use augtrial_data::source::{Layout, Source};
use augtrial_plan::Plan;
use augtrial_plan::classifier::Kernels;
use augtrial_plan::dataset::Ingest;
use augtrial_plan::decisions::Decisions;
use augtrial_study::{
    ArmAudit, Context, DataAudit, FeatureChoice, Options, StudyError, audit_arms, audit_folder, doubted_labels,
    picture_features, reach_of, survey_site,
};
use augtrial_trial::Engine;

/// Pairs that the terminal lists; the page and the tables have more.
const MOST_LISTED: usize = 10;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// An experiment file, or a folder of class folders.
    path: PathBuf,
    /// Folder of the page and the tables; `audit/NAME` in the folder of the reports if absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Bits of the 256-bit hash in which two images that look alike may differ; the experiment's, or 20, if absent.
    #[arg(long, value_name = "BITS")]
    radius: Option<u32>,
    /// Structural similarity that two images that look alike must have, 0 to 1; the experiment's, or 0.84, if absent.
    #[arg(long, value_name = "S")]
    similarity: Option<f64>,
    /// A file of decisions about a folder's images; an experiment names its own in `[audit]`.
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// A CSV table of probabilities, a column `path` and one for each class: labels that they doubt are found. They must come
    /// from models that were not trained on the images that they are about.
    #[arg(long, value_name = "FILE", conflicts_with = "label_issues")]
    probabilities: Option<PathBuf>,
    /// Train the experiment's control on all but one of K folds of the data set, each in turn, and find the labels that these networks
    /// doubt, each about images that it was not trained on. Of a folder, the control that `augtrial init` proposes.
    #[arg(long, value_name = "K")]
    label_issues: Option<u32>,
    /// A network that looks at the pictures: its name, such as `efficientnet-lite0`, or the folder of a TorchScript network. Finds what
    /// stands apart, and pairs with near hashes that it takes for one thing.
    #[arg(long, value_name = "NETWORK")]
    features: Option<String>,
    /// The weights of a network that is named; `models/NETWORK.safetensors` if absent.
    #[arg(long, value_name = "FILE", requires = "features")]
    weights: Option<PathBuf>,
    /// Threads of the network that looks; all cores if absent.
    #[arg(long, requires = "features")]
    threads: Option<u32>,
}

/// `engine` gives an engine with these kernels, or makes this process one that has it.
pub(super) fn audit(
    args: &AuditArgs,
    global: &Global,
    engine: impl FnOnce(Kernels) -> Result<&'static dyn Engine, CliError>,
) -> Result<(), CliError> {
    let asked = args.features.as_deref().map(|name| network(name, args.weights.as_deref())).transpose()?;
    let plan = is_experiment_file(&args.path).then(|| Plan::load(&args.path, &[])).transpose()?;
    // Networks look at a folder in the study that would be proposed for it.
    let of_folder = plan.is_none() && (asked.is_some() || args.label_issues.is_some());
    let mut proposal = of_folder.then(|| proposed(&args.path)).transpose()?;
    let decisions = match (&plan, &args.decisions) {
        (None, Some(file)) => Decisions::load(file)?,
        _ => Decisions::default(),
    };
    if let Some(proposal) = &mut proposal {
        proposal.audit.decided = decisions.clone();
    }
    let looking = plan.as_ref().or(proposal.as_ref());
    // Before anything is read: this may start another program in place of this one.
    let engine = match (&asked, looking) {
        (Some(_), Some(plan)) => Some(engine(plan.classifier.kernels)?),
        _ => None,
    };
    let worker = match (args.label_issues, looking) {
        (Some(_), Some(plan)) => Some(worker_for(plan)?),
        _ => None,
    };
    let (workspace, progress, signals) =
        (workspace(global), Progress::new(global.quiet, global.verbose), Signals::default());
    signals.listen()?;
    let command_line = command_line();
    let context = Context {
        worker: worker.as_ref(),
        engine,
        command_line: &command_line,
        experiment: plan.as_ref().map(|_| args.path.as_path()),
        ..Context::new(&workspace, &progress, &signals.stop, &signals.save)
    };
    let audited = match &plan {
        Some(plan) => {
            let default = reach_of(plan);
            let asked = Reach {
                radius: args.radius.unwrap_or(default.radius),
                similarity: args.similarity.unwrap_or(default.similarity),
            };
            augtrial_study::audit(plan, asked, &context)?
        }
        None => audit_of_folder(args, &decisions, &context)?,
    };
    let rules = plan.as_ref().map_or_else(Ingest::default, |plan| plan.ingest.clone());
    let name = name(&args.path, plan.as_ref());
    let folder = args.out.clone().unwrap_or_else(|| global.reports.join("audit").join(&name));
    let found = findings(args, &audited, looking, asked.as_ref(), &context)?;
    let (found, arms) = match &plan {
        Some(plan) => {
            let mut arms = audit_arms(plan, &audited, &context)?;
            let listed = std::mem::take(&mut arms.found);
            (found.with_arms(listed), arms)
        }
        None => (found, ArmAudit::default()),
    };
    let (cache, stop) = (audit_folder(&context), || signals.stop.load(Ordering::Relaxed));
    let site = Site {
        manifest: &audited.manifest,
        root: audited.source.root(),
        max_pixels: rules.max_pixels,
        cache: &cache,
        stop: &stop,
    };
    let DataAudit { data_set, survey, decided, .. } = &audited;
    write_audit(
        &Subject { name: &name, data_set: *data_set, site, survey, found: &found, stale: &decided.stale },
        &folder,
    )?;
    tell(&audited, &found)?;
    tell_arms(&arms, &found)?;
    line(format_args!("\nwrote {}", folder.join("index.html").display()))
}

/// The network that a name, or a folder, means.
fn network(name: &str, weights: Option<&Path>) -> Result<FeatureChoice, CliError> {
    match features(name, weights)? {
        FeatureChoice::Control => Err(CliError::Arguments(
            "an audit looks with a network that knows nothing of the study: name one, such as efficientnet-lite0, or a folder"
                .to_owned(),
        )),
        named => Ok(named),
    }
}

/// Everything that was found in the data set, by networks of the plan too where they were asked.
fn findings(
    args: &AuditArgs,
    audited: &DataAudit,
    looking: Option<&Plan>,
    asked: Option<&FeatureChoice>,
    context: &Context<'_>,
) -> Result<Findings, CliError> {
    let DataAudit { manifest, survey, decided, .. } = audited;
    let labels = match (&args.probabilities, args.label_issues, looking) {
        (Some(file), ..) => probabilities::doubts(file, manifest)?,
        (None, Some(folds), Some(plan)) => doubted_labels(plan, folds, manifest, &Options::default(), context)?,
        _ => Vec::new(),
    };
    let found = Findings::of(manifest, survey, decided, labels);
    let (Some(plan), Some(choice)) = (looking, asked) else { return Ok(found) };
    let features = picture_features(plan, audited, choice, args.threads, context)?;
    let found = found.with_features(manifest, survey, decided, &features);
    Ok(found.map_err(SurveyError::from).map_err(StudyError::from)?)
}

/// What was asked about the images of arms.
fn tell_arms(arms: &ArmAudit, found: &Findings) -> Result<(), CliError> {
    if arms.images > 0 {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for finding in &found.arms {
            match counts.last_mut() {
                Some((name, count)) if *name == finding.question.name() => *count += 1,
                _ => counts.push((finding.question.name(), 1)),
            }
        }
        let told: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let told = if told.is_empty() { "nothing to ask".to_owned() } else { told.join(", ") };
        line(format_args!("images of arms: {} looked at, {told}", plural(arms.images, "image")))?;
    }
    arms.notes.iter().try_for_each(|note| line(terminal(&format!("! {note}"))))
}

/// What the page and its folder are called after.
fn name(path: &Path, plan: Option<&Plan>) -> String {
    let of_folder = || {
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        whole.file_name().map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned())
    };
    plan.map_or_else(of_folder, |plan| plan.study.name.clone())
}

/// A folder of class folders, without an experiment.
fn audit_of_folder(args: &AuditArgs, decisions: &Decisions, context: &Context<'_>) -> Result<DataAudit, CliError> {
    let (rules, default) = (Ingest::default(), Reach::default());
    let source = Source::new(args.path.clone(), Layout::Folder { classes: None });
    let stage = context.progress.stage("read images", 0, "images");
    let mut manifest = ingest(&source, &rules, &|done, total| stage.set_of(done, total, ""))?;
    drop(stage);
    let (cache, stop) = (audit_folder(context), || context.stop.load(Ordering::Relaxed));
    let site =
        Site { manifest: &manifest, root: source.root(), max_pixels: rules.max_pixels, cache: &cache, stop: &stop };
    let reach = Reach {
        radius: args.radius.unwrap_or(default.radius),
        similarity: args.similarity.unwrap_or(default.similarity),
    };
    let survey = survey_site(&site, reach, context)?;
    let (data_set, read) = (manifest.digest(), manifest.clone());
    let decided = Decided::of(decisions, &manifest);
    decided.relabel(&mut manifest);
    Ok(DataAudit { source, manifest, read, data_set, survey, decided, undivided: None })
}

/// The findings in a few lines.
fn tell(audited: &DataAudit, found: &Findings) -> Result<(), CliError> {
    let manifest = &audited.manifest;
    let named = |image: usize| {
        let image = &manifest.images[image];
        let part = image.split.map(|split| format!(", {}", split.name())).unwrap_or_default();
        format!("{} ({}{part})", image.path, manifest.classes[image.class as usize])
    };
    line(format_args!("{} in {} classes", plural(manifest.images.len(), "image"), manifest.classes.len()))?;
    line(format_args!("the same picture: {}", plural(found.same.len(), "set")))?;
    for same in found.same.iter().take(MOST_LISTED) {
        let images: Vec<String> = same.images.iter().map(|&image| named(image)).collect();
        line(terminal(&format!("  {}", images.join(" = "))))?;
    }
    let straddling = found.near.iter().filter(|near| near.straddling).count();
    let contradicting = found.near.iter().filter(|near| near.contradicting).count();
    line(format_args!(
        "look alike: {}, {straddling} across parts, {contradicting} across classes ({} more with near hashes were not confirmed)",
        plural(found.near.len(), "pair"),
        found.unconfirmed
    ))?;
    for near in found.near.iter().take(MOST_LISTED) {
        let pair = near.pair;
        let measures = format!("{} bits, similarity {:.3}", pair.distance, pair.similarity);
        line(terminal(&format!("  {} ~ {}: {measures}", named(pair.a), named(pair.b))))?;
    }
    line(format_args!("contradicting labels: {}", plural(found.contradicting.len(), "set")))?;
    let odd = Oddity::ALL.map(|o| (o.name(), found.odd.iter().filter(|odd| odd.oddity == o).count()));
    let odd: Vec<String> = odd.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    line(format_args!("odd pictures: {}", if odd.is_empty() { "none".to_owned() } else { odd.join(", ") }))?;
    if !found.labels.is_empty() {
        line(format_args!("labels in doubt: {}", found.labels.len()))?;
    }
    if !found.alike.is_empty() {
        line(format_args!("alike to a network, with near hashes: {}", plural(found.alike.len(), "pair")))?;
    }
    if !found.outliers.is_empty() {
        line(format_args!("stand apart: {}", plural(found.outliers.len(), "picture")))?;
    }
    if found.decided > 0 {
        line(format_args!("decided before, not listed: {}", found.decided))?;
    }
    for stale in &audited.decided.stale {
        line(terminal(&format!("! decision {} fits no longer: {}", stale.place, stale.problem)))?;
    }
    if let Some(error) = &audited.undivided {
        line(terminal(&format!("! shown without parts, since the data cannot be divided: {}", chain(error))))?;
    }
    Ok(())
}
