//! Parses the arguments, does what was asked, shows the error, exits with its code.

use std::error::Error as _;
use std::process::ExitCode;

use augtrial::cli::Cli;
use clap::Parser as _;

fn main() -> ExitCode {
    match Cli::parse().dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::from(error.exit_code())
        }
    }
}
