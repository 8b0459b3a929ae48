//! What can be typed.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::session::SeedSelection;

/// Controlled trials of image augmentation: one TOML file in, paired training runs, a registry and a report out.
#[derive(Debug, Parser)]
#[command(name = "augtrial", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 internal, 2 experiment file or arguments, 3 data, 4 some trials failed \
                        or were interrupted, 5 registry, 6 a replay differs.")]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// Folder where everything is recorded.
    #[arg(long, global = true, env = "AUGTRIAL_RUNS", default_value = "runs", value_name = "DIR")]
    pub(super) runs: PathBuf,
    /// Folder of the rendered reports.
    #[arg(long, global = true, env = "AUGTRIAL_REPORTS", default_value = "reports", value_name = "DIR")]
    pub(super) reports: PathBuf,
    /// Show no progress.
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a commented experiment file to start from.
    Init(InitArgs),
    /// Check experiment files: every error at once, with its place.
    Check(CheckArgs),
    /// Show what a run would do: arms, images, updates, what is cached, time, disk and the smallest reachable p.
    Plan(PlanArgs),
    /// Run a study to its report. Interrupted, it continues where it stopped.
    Run(RunArgs),
    /// Work for a `run` of several jobs, which writes to this process and reads from it.
    #[cfg(feature = "torch")]
    #[command(hide = true)]
    Worker,
    /// Rerun one finished run from its record and say how near it comes: identical, numerically close or different.
    #[cfg(feature = "torch")]
    Replay(ReplayArgs),
    /// Look into the registry.
    Runs(RunsArgs),
    /// Hand what is recorded to other tools: tables, MLflow, TensorBoard.
    Export(ExportArgs),
    /// Look at a data set, or make one.
    Dataset(DatasetArgs),
    /// Compare the arms of a study: the answer to each contrast, then the numbers behind it.
    Compare(CompareArgs),
    /// Say how many more seeds each contrast needs, and the command that adds them.
    Seeds(SeedsArgs),
    /// Write the report of a study that was run, or check the one that is there.
    Report(ReportArgs),
    /// Edit a picture after an instruction, with a model bundle.
    #[cfg(feature = "torch")]
    Edit(super::edit::EditArgs),
    /// Look into a model bundle, or check it.
    #[cfg(feature = "torch")]
    Model(super::model::ModelArgs),
    /// Show studies, running trials, curves and reports in the browser, on this machine only.
    Serve(ServeArgs),
    /// Say what this machine and this build can do.
    Doctor,
    /// Print shell completions.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man,
}

/// An experiment file and changes to it.
#[derive(Clone, Debug, Args)]
pub(super) struct Experiment {
    /// The experiment file.
    pub(super) file: PathBuf,
    /// Change a value of the file, e.g. `classifier.batch_size=16` or `arm[1].repeat=2`; recorded with every run.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
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
    /// The file to write; never overwrites one.
    #[arg(default_value = "experiment.toml")]
    pub(super) file: PathBuf,
    /// Folder of class folders that the study is about; rendered images if absent.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Experiment files.
    #[arg(required_unless_present = "schema")]
    pub(super) files: Vec<PathBuf>,
    /// Change a value before checking.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Print the JSON schema of experiment files, for editors.
    #[arg(long)]
    pub(super) schema: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) experiment: Experiment,
    /// Only these arms.
    #[arg(long = "arm", value_name = "NAME")]
    pub(super) arms: Vec<String>,
    /// Trials at once, each in a process of its own; chosen by cores, memory and the size of a training step if absent. One
    /// is run by this process, on all cores unless `classifier.threads` says otherwise.
    #[arg(long, short, env = "AUGTRIAL_JOBS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) jobs: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) experiment: Experiment,
    /// Only these arms.
    #[arg(long = "arm", value_name = "NAME")]
    pub(super) arms: Vec<String>,
    /// Trials at once, each in a process of its own; chosen by cores, memory and the size of a training step if absent. One
    /// is run by this process, on all cores unless `classifier.threads` says otherwise.
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
    #[cfg(feature = "torch")]
    #[arg(long, value_name = "RULE")]
    pub(super) checkpoint_every: Option<crate::train::CheckpointRule>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
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

#[cfg(feature = "torch")]
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
    List {
        /// Only runs of this study.
        #[arg(long)]
        study: Option<String>,
    },
    /// Show one run: `latest`, or a unique prefix of its id.
    Show { run: String },
    /// Show how two runs differ: plan, environment, results.
    Diff { a: String, b: String },
    /// Ask the registry in SQL; nothing can be changed.
    Query { sql: String },
    /// Rebuild the registry from the run folders.
    Reindex,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(subcommand)]
    pub(super) command: ExportCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// Write a table of the runs.
    Runs(TableArgs),
    /// Write a table of every part of every epoch.
    Epochs(TableArgs),
    /// Write a table of every prediction for the test split.
    Predictions(TableArgs),
    /// Bring an MLflow server up to date; made again, it changes nothing.
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
    },
    /// Read every image, and fail if any cannot be used or if bytes are there twice under different labels.
    Verify {
        /// A folder, or an experiment file.
        path: PathBuf,
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
    /// Print one JSON object instead of tables; docs/compare.schema.json describes it.
    #[arg(long)]
    pub(super) json: bool,
    /// Print the JSON schema of `--json`.
    #[arg(long, conflicts_with = "json")]
    pub(super) schema: bool,
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
