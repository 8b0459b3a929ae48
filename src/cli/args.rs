//! What can be typed.

use std::path::{Path, PathBuf};

use clap::{Args, ColorChoice, Parser, Subcommand};

use super::seed_grammar::SeedSelection;
use augtrial_plan::Override;

/// Controlled trials of image augmentation: one TOML file in, paired training runs, a registry and a report out.
#[derive(Debug, Parser)]
#[command(name = "augtrial", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 internal, 2 experiment file or arguments, 3 data, 4 some trials failed \
                        or were interrupted, 5 registry, 6 a replay differs.")]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Heading of the options that every command has.
const GLOBAL: &str = "Options of every command";

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// Folder where everything is recorded.
    #[arg(long, global = true, help_heading = GLOBAL, env = "AUGTRIAL_RUNS", default_value = "runs", value_name = "DIR")]
    pub(super) runs: PathBuf,
    /// Folder of the rendered reports.
    #[arg(long, global = true, help_heading = GLOBAL, env = "AUGTRIAL_REPORTS", default_value = "reports", value_name = "DIR")]
    pub(super) reports: PathBuf,
    /// Show no progress.
    #[arg(long, short, global = true, help_heading = GLOBAL, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Show more of what is done: which sets are reused, how work is shared out, where every run is recorded.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(super) verbose: bool,
    /// When to use colors; `auto` does on a terminal, unless `NO_COLOR` is set.
    #[arg(long, global = true, help_heading = GLOBAL, default_value_t, value_name = "WHEN")]
    pub(super) color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a small complete study of rendered images, with its editor, and run it: three arms in a few minutes.
    Quickstart(super::quickstart::QuickstartArgs),
    /// Write a commented experiment file to start from.
    Init(super::init::InitArgs),
    /// Check experiment files: every error at once, with its place.
    Check(super::check::CheckArgs),
    /// Show what a run would do: arms, images, updates, what is cached, time, disk and the smallest reachable p.
    Plan(super::plan::PlanArgs),
    /// Show what the transforms of an arm make of images: a contact sheet, with what was drawn under each picture.
    Show(super::show::ShowArgs),
    /// Run a study to its report. Interrupted, it continues where it stopped.
    Run(super::run::RunArgs),
    /// Hand a study to a cluster or to other machines, as a folder of scripts that can be read and edited.
    Submit(super::submit::SubmitArgs),
    /// Show where the trials of a submitted study are.
    Status(super::batches::StatusArgs),
    /// Submit what has no result again.
    Resubmit(super::batches::ResubmitArgs),
    /// Put the results of a submitted study together: index, comparison, report. Safe to repeat.
    Collect(super::batches::CollectArgs),
    /// Run one task of a batch; the scripts that `submit` writes do so.
    #[command(hide = true)]
    Task(super::task::TaskArgs),
    /// Work for a `run`, which writes to this process and reads from it.
    #[command(hide = true)]
    Worker {
        /// Take only studies whose trials a command trains.
        #[arg(long)]
        without_torch: bool,
    },
    /// Print what `augtrial-torch` computes on, as JSON.
    #[command(hide = true)]
    Setup {
        #[arg(value_parser = super::edit::parse_named::<augtrial_plan::classifier::Device>)]
        device: augtrial_plan::classifier::Device,
    },
    /// Fail if the weights in a file do not fit a network.
    #[command(hide = true)]
    CheckWeights { network: String, file: PathBuf },
    /// Rerun one finished run from its record and say how near it comes: identical, numerically close or different.
    Replay(super::replay::ReplayArgs),
    /// Look into the registry.
    Runs(super::runs::RunsArgs),
    /// List what no record refers to (sets, decoded pixels, what killed processes left), and remove it after asking.
    Clean(super::clean::CleanArgs),
    /// Hand what is recorded to other tools: tables, MLflow, TensorBoard.
    Export(super::export::ExportArgs),
    /// Take in the records of another machine, as `export records` wrote them.
    Import(super::records::ImportArgs),
    /// Look at a data set, or make one.
    Dataset(super::dataset::DatasetArgs),
    /// Look for duplicates, contradicting labels, odd pictures and labels in doubt: a page to look at, and tables.
    Audit(super::audit::AuditArgs),
    /// Measure the images that a study's arms made: distance from real ones, coverage, diversity, labels, change. Trains nothing.
    Quality(super::quality::QualityArgs),
    /// Compare the arms of a study: the answer to each contrast, then the numbers behind it.
    Compare(super::compare::CompareArgs),
    /// Show every cell of a design, what its factors do, and where a published difference comes from.
    Explain(super::explain::ExplainArgs),
    /// Say how many more seeds each contrast needs, and the command that adds them.
    Seeds(super::seeds::SeedsArgs),
    /// Write the report of a study that was run, or check the one that is there.
    Report(super::report::ReportArgs),
    /// Edit a picture after an instruction, with a model bundle.
    Edit(super::edit::EditArgs),
    /// Look into a model bundle, or check it.
    Model(super::model::ModelArgs),
    /// Show studies, running trials, curves and reports in the browser, on this machine only.
    Serve(super::serve::ServeArgs),
    /// List the transforms, mixes and makers of features that a recipe may name, or show one with its parameters, bounds and source.
    Transforms(super::transforms::TransformsArgs),
    /// Get trained weights for a network.
    Weights(super::weights::WeightsArgs),
    /// Print `docs/reference.md`, or write the page of pictures.
    #[command(hide = true)]
    Reference(super::reference::ReferenceArgs),
    /// Say what this machine and this build can do.
    Doctor(Json),
    /// Print shell completions.
    Completions(super::shell::CompletionsArgs),
    /// Print the manual page.
    Man,
}

/// Results for programs.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Json {
    /// Print JSON instead of tables.
    #[arg(long)]
    pub(super) json: bool,
}

/// An experiment file and changes to it.
#[derive(Clone, Debug, Args)]
pub(super) struct Experiment {
    /// The experiment file.
    pub(super) file: PathBuf,
    /// Change a value of the file, e.g. `classifier.batch_size=16` or `arm[1].repeat=2`; recorded with every run.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<Override>,
    /// Seeds instead of the file's: `1,2,5`, `1-5`, or `+3` for three more than the file has; given again, the same
    /// command continues and adds no more.
    #[arg(long, value_name = "SEEDS")]
    pub(super) seeds: Option<SeedSelection>,
}

/// Trials of an experiment, and how many run at once.
#[derive(Clone, Debug, Args)]
pub(super) struct Trials {
    #[command(flatten)]
    pub(super) experiment: Experiment,
    #[command(flatten)]
    pub(super) cells: super::design::CellArgs,
    /// Only these arms.
    #[arg(long = "arm", value_name = "NAME")]
    pub(super) arms: Vec<String>,
    /// Trials at once, each in a process of its own; chosen by cores, memory and the size of a training step if absent. One
    /// alone runs on all cores unless `classifier.threads` says otherwise.
    #[arg(long, short, env = "AUGTRIAL_JOBS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) jobs: Option<u32>,
}

impl Experiment {
    /// A file as it is.
    pub(super) fn unchanged(file: &Path) -> Self {
        Self { file: file.to_owned(), set: Vec::new(), seeds: None }
    }
}

/// What `STUDY` may be.
pub(super) const STUDY_HELP: &str =
    "The study: its name, the beginning of its plan's digest, its experiment file, or `latest`";
