//! `augtrial worker`: what `augtrial run --jobs N` starts N times.

use super::session::Signals;
use super::{CliError, environment};
use crate::clock::Clock;
use crate::study;

pub(super) fn worker() -> Result<(), CliError> {
    environment::prepare()?;
    let signals = Signals::default();
    // Ctrl-C in a terminal reaches every process of the study.
    signals.listen()?;
    study::work(std::io::stdin(), std::io::stdout(), Clock::System, &signals.stop, &signals.save);
    Ok(())
}
