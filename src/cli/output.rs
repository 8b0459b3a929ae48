//! Writing results to standard output, and everything else to standard error. A reader that stops early (`| head`) is no
//! error.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use super::CliError;
use super::screen;
use augtrial_base::text;

/// Writes one line.
pub(super) fn line(line: impl Display) -> Result<(), CliError> {
    match writeln!(anstream::stdout(), "{}", text::screen(&line.to_string())) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// Writes a paragraph that wraps at the screen's edge.
pub(super) fn paragraph(text: impl Display) -> Result<(), CliError> {
    line(screen::paragraph(&text.to_string(), ""))
}

/// Writes something that the reader should know before they go on, beside the results.
pub(super) fn warning(text: impl Display) -> Result<(), CliError> {
    line(screen::warning_within(&text.to_string(), screen::columns()))
}

/// Writes one JSON value.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let value = serde_json::to_value(value).expect("plain data has a JSON form");
    line(text::json(&format!("{value:#}")))
}

/// Writes one line to standard error; where that cannot be written to, the line is gone and nothing else.
pub(super) fn tell(line: impl Display) {
    let _ = writeln!(anstream::stderr(), "{}", text::screen(&line.to_string()));
}
