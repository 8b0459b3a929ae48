//! Writing results to standard output. A reader that stops early (`| head`) is no error.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

use super::CliError;

/// Writes one line.
pub(super) fn line(text: impl Display) -> Result<(), CliError> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}
