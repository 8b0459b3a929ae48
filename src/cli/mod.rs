//! The command line: one file per command. Results go to standard output, everything else to standard error.

mod args;
mod check;
mod compare;
mod compare_json;
mod dataset;
mod doctor;
#[cfg(feature = "torch")]
mod edit;
#[cfg(feature = "torch")]
mod environment;
mod error;
mod export;
mod init;
#[cfg(feature = "torch")]
mod model;
mod output;
mod plan;
#[cfg(feature = "torch")]
mod replay;
mod report;
mod run;
mod runs;
mod seeds;
mod serve;
mod session;
mod shell;
mod study_name;
mod table;
#[cfg(feature = "torch")]
mod worker;

pub use args::Cli;
pub use error::CliError;

use args::Command;

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// [`CliError`], which knows its exit code.
    pub fn dispatch(self) -> Result<(), CliError> {
        let global = self.global;
        match self.command {
            Command::Init(args) => init::init(&args),
            Command::Check(args) => check::check(&args),
            Command::Plan(args) => plan::plan(&args, &global),
            Command::Run(args) => run::run(&args, &global),
            #[cfg(feature = "torch")]
            Command::Worker => worker::worker(),
            Command::Replay(args) => replay::replay(&args, &global),
            Command::Runs(args) => runs::runs(args, &global),
            Command::Export(args) => export::export(&args, &global),
            Command::Dataset(args) => dataset::dataset(&args, &global),
            Command::Compare(args) => compare::compare(&args, &global),
            Command::Seeds(args) => seeds::seeds(&args, &global),
            Command::Report(args) => report::report(&args, &global),
            #[cfg(feature = "torch")]
            Command::Edit(args) => {
                environment::prepare()?;
                edit::edit(&args, &global)
            }
            #[cfg(feature = "torch")]
            Command::Model(args) => model::model(&args),
            Command::Serve(args) => serve::serve(&args, &global),
            Command::Doctor => doctor::doctor(&global),
            Command::Completions(args) => shell::completions(&args),
            Command::Man => shell::man(),
        }
    }
}
