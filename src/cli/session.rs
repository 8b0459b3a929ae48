//! What several commands need: the plan with its overrides, the stop flag, the context of a study.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::CliError;
use super::args::{Experiment, Global};
use crate::clock::Clock;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::study::{Context, Workspace};

/// Exit code of a process that a second signal ends at once.
const KILLED: i32 = 130;

/// What a command works with.
pub(super) struct Session {
    pub(super) plan: Plan,
    overrides: Vec<String>,
    experiment: std::path::PathBuf,
    workspace: Workspace,
    progress: Progress,
    signals: Signals,
    command_line: Vec<String>,
}

impl Session {
    /// Reads the experiment, with the overrides of the command line.
    pub(super) fn open(experiment: &Experiment, global: &Global) -> Result<Self, CliError> {
        let mut overrides = experiment.set.clone();
        if let Some(selection) = &experiment.seeds {
            let seeds = match selection {
                SeedSelection::These(seeds) => seeds.clone(),
                SeedSelection::More(count) => more(Plan::load(&experiment.file, &experiment.set)?.study.seeds, *count),
            };
            let seeds: Vec<_> = seeds.iter().map(u64::to_string).collect();
            overrides.push(format!("study.seeds=[{}]", seeds.join(", ")));
        }
        Ok(Self {
            plan: Plan::load(&experiment.file, &overrides)?,
            overrides,
            experiment: experiment.file.clone(),
            workspace: workspace(global),
            progress: Progress::new(global.quiet),
            signals: Signals::default(),
            command_line: std::env::args().collect(),
        })
    }

    /// As [`Signals::listen`].
    pub(super) fn listen_to_signals(&self) -> Result<(), CliError> {
        self.signals.listen()
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            workspace: &self.workspace,
            progress: &self.progress,
            clock: Clock::System,
            stop: &self.signals.stop,
            save: &self.signals.save,
            command_line: &self.command_line,
            experiment: Some(&self.experiment),
            overrides: &self.overrides,
        }
    }
}

/// What signals have asked for.
#[derive(Default)]
pub(super) struct Signals {
    /// Save and stop.
    pub(super) stop: Arc<AtomicBool>,
    /// Save and go on.
    pub(super) save: Arc<AtomicBool>,
}

impl Signals {
    /// Makes the first SIGINT or SIGTERM stop at the next resumable point, and the second one end the process at once;
    /// SIGUSR1 saves the state and lets the work go on.
    pub(super) fn listen(&self) -> Result<(), CliError> {
        let failed = |source| CliError::System { action: "listen to signals", source };
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, KILLED, Arc::clone(&self.stop))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&self.stop)))
                .map_err(failed)?;
        }
        #[cfg(unix)]
        signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&self.save)).map_err(failed)?;
        Ok(())
    }
}

/// The folders that the options name.
pub(super) fn workspace(global: &Global) -> Workspace {
    Workspace { runs: global.runs.clone(), reports: global.reports.clone() }
}

/// Whether the argument names an experiment file rather than a study or a folder.
pub(super) fn is_experiment_file(argument: &Path) -> bool {
    argument.extension().is_some_and(|extension| extension == "toml")
}

/// Seeds asked for on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SeedSelection {
    These(Vec<u64>),
    /// So many beyond those of the file.
    More(u64),
}

impl FromStr for SeedSelection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` names no seeds: expected e.g. `1,2,5`, `1-5` or `+3`");
        if let Some(count) = text.strip_prefix('+') {
            return count.parse().ok().filter(|&count| count > 0).map(Self::More).ok_or_else(wrong);
        }
        let mut seeds = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let bound = |bound: &str| bound.trim().parse::<u64>().map_err(|_| wrong());
            let (first, last) = (bound(first)?, bound(last)?);
            if first > last || last - first > 10_000 {
                return Err(wrong());
            }
            seeds.extend(first..=last);
        }
        Ok(Self::These(seeds))
    }
}

/// The seeds, and `count` more, the smallest above all of them.
fn more(mut seeds: Vec<u64>, count: u64) -> Vec<u64> {
    let next = seeds.iter().max().map_or(1, |largest| largest + 1);
    seeds.extend(next..next + count);
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_listed_spanned_or_added() {
        assert_eq!("1,4-6".parse(), Ok(SeedSelection::These(vec![1, 4, 5, 6])));
        assert_eq!("+3".parse(), Ok(SeedSelection::More(3)));
        assert_eq!(more(vec![2, 7, 1], 2), [2, 7, 1, 8, 9]);
        for text in ["", "a", "3-1", "+0", "1,,2", "-3"] {
            assert!(text.parse::<SeedSelection>().is_err(), "{text}");
        }
    }
}
