//! What can be typed.

use std::path::{Path, PathBuf};

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::seed_grammar::{SeedSelection, Seeds};
use augtrial_plan::Override;
use augtrial_registry::{QueryLimits, StatusKind};

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
    Init(InitArgs),
    /// Check experiment files: every error at once, with its place.
    Check(CheckArgs),
    /// Show what a run would do: arms, images, updates, what is cached, time, disk and the smallest reachable p.
    Plan(PlanArgs),
    /// Show what the transforms of an arm make of images: a contact sheet, with what was drawn under each picture.
    Show(ShowArgs),
    /// Run a study to its report. Interrupted, it continues where it stopped.
    Run(RunArgs),
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
    Replay(ReplayArgs),
    /// Look into the registry.
    Runs(RunsArgs),
    /// List what no record refers to (sets, decoded pixels, what killed processes left), and remove it after asking.
    Clean(super::clean::CleanArgs),
    /// Hand what is recorded to other tools: tables, MLflow, TensorBoard.
    Export(ExportArgs),
    /// Take in the records of another machine, as `export records` wrote them.
    Import(super::records::ImportArgs),
    /// Look at a data set, or make one.
    Dataset(DatasetArgs),
    /// Look for duplicates, contradicting labels, odd pictures and labels in doubt: a page to look at, and tables.
    Audit(super::audit::AuditArgs),
    /// Measure the images that a study's arms made: distance from real ones, coverage, diversity, labels, change. Trains nothing.
    Quality(super::quality::QualityArgs),
    /// Compare the arms of a study: the answer to each contrast, then the numbers behind it.
    Compare(CompareArgs),
    /// Show every cell of a design, what its factors do, and where a published difference comes from.
    Explain(super::explain::ExplainArgs),
    /// Say how many more seeds each contrast needs, and the command that adds them.
    Seeds(SeedsArgs),
    /// Write the report of a study that was run, or check the one that is there.
    Report(ReportArgs),
    /// Edit a picture after an instruction, with a model bundle.
    Edit(super::edit::EditArgs),
    /// Look into a model bundle, or check it.
    Model(super::model::ModelArgs),
    /// Show studies, running trials, curves and reports in the browser, on this machine only.
    Serve(ServeArgs),
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
    Completions(CompletionsArgs),
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

impl Experiment {
    /// A file as it is.
    pub(super) fn unchanged(file: &Path) -> Self {
        Self { file: file.to_owned(), set: Vec::new(), seeds: None }
    }
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to write.
    #[arg(default_value = "experiment.toml")]
    pub(super) file: PathBuf,
    /// Folder of class folders, or of folders `train`, `val` and `test` that hold them. It is read, and sizes, split, seeds and
    /// margin are proposed after it. Rendered images if absent.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Start from these weights: a safetensors file with torchvision's names (docs/pretrained.md).
    #[arg(long, value_name = "FILE")]
    pub(super) pretrained: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Experiment files.
    #[arg(required_unless_present = "schema")]
    pub(super) files: Vec<PathBuf>,
    /// Change a value before checking.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<Override>,
    /// Print the JSON schema of experiment files, for editors.
    #[arg(long)]
    pub(super) schema: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
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
    /// Show images of every class in every arm, too.
    #[arg(long)]
    pub(super) full: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) experiment: Experiment,
    /// Only these arms.
    #[arg(long = "arm", value_name = "NAME")]
    pub(super) arms: Vec<String>,
    /// Only these images, by their paths below the data set's folder; one of each class if absent.
    #[arg(long = "image", value_name = "PATH")]
    pub(super) images: Vec<String>,
    /// Pictures that are made of each image.
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) copies: u32,
    /// The PNG file; `show.png` in the study's folder of reports if absent.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
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
    /// What to do with attempts that were interrupted.
    #[arg(long, value_enum, default_value_t, num_args = 0..=1, default_missing_value = "auto", value_name = "WHEN")]
    pub(super) resume: Resume,
    /// Try failed trials once more, as new attempts.
    #[arg(long)]
    pub(super) retry_failed: bool,
    /// Save the state of a trial so often, e.g. `1epoch`, `5epochs`, `10min` or `30s` (times also in the middle of an epoch);
    /// if absent, at the end of an epoch when 30 s have passed since the last time. SIGUSR1 saves at once. Decides no result.
    #[arg(long, value_name = "RULE")]
    pub(super) checkpoint_every: Option<augtrial_trial::CheckpointRule>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

/// What to do with attempts that were interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Resume {
    /// Continue from the last checkpoint.
    #[default]
    Auto,
    /// Begin a new attempt.
    Never,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The run: `latest`, or a unique prefix of its id.
    pub(super) run: String,
    /// Threads of the trial instead of the recorded number; other numbers give other bits.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) threads: Option<u32>,
    /// Stop after so many epochs and compare those: a quick check.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) epochs: Option<u32>,
    /// Folder that relative paths of the recorded plan start from; the recorded experiment file's if absent.
    #[arg(long, value_name = "DIR")]
    pub(super) base: Option<PathBuf>,
    /// Print one JSON object: the grade, the surroundings, and every quantity that was compared.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    pub(super) command: RunsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// List runs, the newest first.
    List(ListArgs),
    /// Show one run: `latest`, `latest~1` for the one before it, or a unique prefix of its id.
    Show {
        run: String,
        #[command(flatten)]
        json: Json,
    },
    /// Show how two runs differ: plan, environment, results.
    Diff {
        a: String,
        b: String,
        #[command(flatten)]
        json: Json,
    },
    /// Ask the registry in SQL; nothing can be changed.
    Query {
        sql: String,
        /// Rows at most.
        #[arg(long, value_name = "N", default_value_t = QueryLimits::default().rows)]
        rows: usize,
        /// Seconds at most.
        #[arg(long, value_name = "N", default_value_t = QueryLimits::default().time.as_secs())]
        secs: u64,
        #[command(flatten)]
        json: Json,
    },
    /// Compare every byte of finished and failed runs with what was there when they ended.
    Verify {
        /// Only this run: `latest`, or a unique prefix of its id.
        run: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Rebuild the registry from the run folders.
    Reindex,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only runs of this study.
    #[arg(long)]
    pub(super) study: Option<String>,
    /// Only runs of this arm.
    #[arg(long)]
    pub(super) arm: Option<String>,
    /// Only runs with these seeds, e.g. `3` or `1-5`.
    #[arg(long, value_name = "SEEDS", value_parser = super::seed_grammar::these)]
    pub(super) seeds: Option<Seeds>,
    /// Only runs that are `finished`, `failed`, `running` or `interrupted`.
    #[arg(long)]
    pub(super) status: Option<StatusKind>,
    /// Only runs that count: of each trial the first that finished.
    #[arg(long)]
    pub(super) counted: bool,
    /// So many at most.
    #[arg(long, short = 'n', value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Show every column.
    #[arg(long)]
    pub(super) full: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(subcommand)]
    pub(super) command: ExportCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// The records of a study or of all cells of a design as one file, for another machine; weights stay behind.
    Records(super::records::RecordsArgs),
    /// Write a table of the runs.
    Runs(TableArgs),
    /// Write a table of every part of every epoch.
    Epochs(TableArgs),
    /// Write a table of every prediction for the test split.
    Predictions(TableArgs),
    /// Bring an MLflow server up to date; safe to repeat: runs already exported are skipped.
    Mlflow {
        /// The study's name; every study if absent.
        study: Option<String>,
        #[arg(long, env = "MLFLOW_TRACKING_URI", help = "Address of the server, e.g. http://127.0.0.1:5000")]
        uri: String,
    },
    /// Write event files for TensorBoard.
    Tensorboard {
        /// The study's name; every study if absent.
        study: Option<String>,
        /// The folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct TableArgs {
    /// The file; its ending (`csv`, `parquet`, `jsonl`) decides the format.
    pub(super) file: PathBuf,
    /// The study's name; every study if absent.
    pub(super) study: Option<String>,
}

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

/// What `STUDY` may be.
const STUDY_HELP: &str = "The study: its name, the beginning of its plan's digest, its experiment file, or `latest`";

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    #[arg(default_value = "latest", help = STUDY_HELP)]
    pub(super) study: String,
    /// Show every statistic of every contrast, image by image too, and what was not varied.
    #[arg(long)]
    pub(super) full: bool,
    /// Print one JSON object instead of tables; docs/compare.schema.json describes it.
    #[arg(long)]
    pub(super) json: bool,
    /// Print the JSON schema of `--json`.
    #[arg(long, conflicts_with = "json")]
    pub(super) schema: bool,
    #[command(flatten)]
    pub(super) given: super::given::GivenArgs,
}

#[derive(Debug, Args)]
pub(super) struct SeedsArgs {
    #[arg(default_value = "latest", help = STUDY_HELP)]
    pub(super) study: String,
    /// Probability of finding the difference if it is real.
    #[arg(long, default_value_t = 0.8)]
    pub(super) power: f64,
    /// Difference that is to be found, on the scale of the metric (0.01 is one percentage point); the one observed, and the
    /// study's delta, if absent.
    #[arg(long, value_name = "D")]
    pub(super) effect: Option<f64>,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[arg(default_value = "latest", help = STUDY_HELP)]
    pub(super) study: String,
    /// Write nothing: make the report again in memory, list every file that differs, is missing or is extra, and fail if any
    /// does.
    #[arg(long)]
    pub(super) verify: bool,
    /// Leave the gallery out: for data whose pictures may not be passed on.
    #[arg(long)]
    pub(super) without_pictures: bool,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Port of 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = 8642)]
    pub(super) port: u16,
    /// Show test results before all trials of a study have ended. The study's report then says that somebody looked.
    #[arg(long)]
    pub(super) peek: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    pub(super) shell: Shell,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("`{text}` is not a size: expected WIDTHxHEIGHT, e.g. 64x48");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |side: &str| side.parse().ok().filter(|side| (8..=8192).contains(side)).ok_or_else(wrong);
    Ok((side(width)?, side(height)?))
}
