//! The command line: one file per command. Results go to standard output, everything else to standard error.

mod args;
mod audit;
mod batches;
mod check;
mod clean;
mod compare;
mod compare_audit_json;
mod compare_full;
mod compare_json;
mod compare_metrics;
mod compare_tuning_json;
mod dataset;
mod design;
mod doctor;
mod edit;
mod error;
mod examples;
mod explain;
mod export;
mod foreseen;
mod gaps;
mod given;
mod init;
mod libtorch;
mod model;
mod output;
mod pictures;
mod plan;
mod plan_json;
mod probabilities;
mod proposal;
mod quality;
mod quickstart;
mod records;
mod reference;
mod replay;
mod report;
mod run;
mod run_tables;
mod runs;
mod screen;
mod seed_grammar;
mod seeds;
mod serve;
mod session;
mod shell;
mod show;
mod study_name;
mod submit;
mod table;
mod task;
mod torch;
mod transforms;
mod weights;
mod worker;

use std::process::ExitCode;

use augtrial_base::words::causes;
use augtrial_plan::classifier::Kernels;
use augtrial_trial::Engine;
use clap::FromArgMatches as _;

use args::{Cli, Command};
pub use error::CliError;
pub use quickstart::Carried;

/// Parses the arguments, does what was asked, shows the error, and says the exit code.
///
/// Without an `engine`, what needs one is done by the program `augtrial-torch` beside this one. `carried` are the files that
/// `augtrial quickstart` writes.
#[must_use]
pub fn main(engine: Option<&'static dyn Engine>, carried: &[Carried]) -> ExitCode {
    screen::use_color(screen::color_of(std::env::args_os()));
    let cli = Cli::from_arg_matches(&examples::command().get_matches()).unwrap_or_else(|error| error.exit());
    match dispatch(cli, engine, carried) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::tell(format_args!("{} {}", screen::styled(screen::ERROR, "error:"), error.shown()));
            causes(&error).for_each(|cause| output::tell(format_args!("  because: {cause}")));
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(
    Cli { global, command }: Cli,
    engine: Option<&'static dyn Engine>,
    carried: &[Carried],
) -> Result<(), CliError> {
    match command {
        Command::Quickstart(args) => quickstart::quickstart(&args, carried, &global),
        Command::Init(args) => init::init(&args),
        Command::Check(args) => check::check(&args, &global),
        Command::Plan(args) => plan::plan(&args, &global),
        Command::Run(args) => run::run(&args, &global),
        Command::Submit(args) => submit::submit(args, &global),
        Command::Status(args) => batches::status(&args, &global),
        Command::Resubmit(args) => batches::resubmit(&args, &global),
        Command::Collect(args) => batches::collect(&args, &global),
        // Whoever starts a worker or a task has set the environment of its kernels.
        Command::Task(args) => task::task(&args, &global, || torch::engine(engine, Kernels::Native)),
        Command::Worker { without_torch: true } => worker::worker(None),
        Command::Worker { without_torch: false } => worker::worker(Some(torch::engine(engine, Kernels::Native)?)),
        Command::Setup { device } => worker::setup(device, torch::engine(engine, Kernels::Native)?),
        Command::CheckWeights { network, file } => {
            worker::weights(&network, &file, torch::engine(engine, Kernels::Native)?)
        }
        Command::Replay(args) => replay::replay(&args, &global, |kernels| torch::engine(engine, kernels)),
        Command::Runs(args) => runs::runs(args, &global),
        Command::Clean(args) => clean::clean(&args, &global),
        Command::Export(args) => export::export(&args, &global),
        Command::Audit(args) => audit::audit(&args, &global, |kernels| torch::engine(engine, kernels)),
        Command::Quality(args) => quality::quality(&args, &global, |kernels| torch::engine(engine, kernels)),
        Command::Import(args) => records::import(&args, &global),
        Command::Dataset(args) => dataset::dataset(&args, &global),
        Command::Compare(args) => compare::compare(&args, &global),
        Command::Explain(args) => explain::explain(&args, &global),
        Command::Seeds(args) => seeds::seeds(&args, &global),
        Command::Report(args) => report::report(&args, &global),
        Command::Edit(args) => edit::edit(&args, &global, torch::engine(engine, args.kernels)?),
        Command::Model(args) => model::model(&args, engine),
        Command::Serve(args) => serve::serve(&args, &global),
        Command::Show(args) => show::show(&args, &global),
        Command::Transforms(args) => transforms::transforms(&args),
        Command::Weights(args) => weights::weights(&args),
        Command::Reference(args) => reference::reference(&args),
        Command::Doctor(json) => doctor::doctor(json, &global),
        Command::Completions(args) => shell::completions(&args),
        Command::Man => shell::man(),
    }
}
