//! `augtrial-torch worker`, `setup` and `check-weights`: what the leader of a study starts.

use std::path::Path;

use augtrial_base::clock::Clock;
use augtrial_plan::classifier::Device;
use augtrial_plan::networks::Architecture;
use augtrial_trial::Engine;

use super::CliError;
use super::output::line;
use super::session::Signals;

pub(super) fn worker(engine: Option<&dyn Engine>) -> Result<(), CliError> {
    let signals = Signals::default();
    // Ctrl-C in a terminal reaches every process of the study.
    signals.listen()?;
    augtrial_study::work(std::io::stdin(), std::io::stdout(), Clock::System, &signals.stop, &signals.save, engine);
    Ok(())
}

/// Fails if the weights do not fit the network.
pub(super) fn weights(network: &str, file: &Path, engine: &dyn Engine) -> Result<(), CliError> {
    let unknown = || CliError::Arguments(format!("no network is named `{network}`"));
    let architecture = Architecture::named(network).ok_or_else(unknown)?;
    Ok(engine.check_weights(architecture, file).map_err(augtrial_study::StudyError::from)?)
}

/// Prints what this process computes on, as JSON.
pub(super) fn setup(device: Device, engine: &dyn Engine) -> Result<(), CliError> {
    let setup = engine.setup(device).map_err(|error| CliError::Arguments(error.to_string()))?;
    line(serde_json::to_string(&setup).expect("plain data has a JSON form"))
}
