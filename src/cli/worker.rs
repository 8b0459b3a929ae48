//! `augtrial worker`: what `augtrial run --jobs N` starts N times.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::session::stop_on_signals;
use super::{CliError, environment};
use crate::clock::Clock;
use crate::study;

pub(super) fn worker() -> Result<(), CliError> {
    environment::prepare()?;
    let stop = Arc::new(AtomicBool::new(false));
    // Ctrl-C in a terminal reaches every process of the study.
    stop_on_signals(&stop)?;
    study::work(std::io::stdin(), std::io::stdout(), Clock::System, &stop);
    Ok(())
}
