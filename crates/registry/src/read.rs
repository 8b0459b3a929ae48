//! What run folders say, read and checked: whole records of a run and of a study.

use std::fs;

use serde::Serialize;
use strum::VariantNames as _;

use super::error::RegistryError;
use super::files::{read_lines, read_required};
use super::folder::{HEADER, Look, PLAN, PREDICTIONS, PROVENANCE, RunFolder};
use super::id::RunId;
use super::index::list::RunSummary;
use super::provenance::Provenance;
use super::record::{Done, Header, RECORD_FORMAT, RunState, SEALED_SINCE, Status};
use super::registry::Registry;
use super::seal::{Depth, Seal};
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, RunEvent};

/// Everything about one run but its predictions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRecord {
    pub header: Header,
    pub status: Status,
    /// Whether this is the attempt that counts: the trial's first to finish.
    pub counts: bool,
    /// Selected epoch, result on the test split, and the rest that the events add up to.
    pub state: RunState,
    /// In the order of their recording.
    pub epochs: Vec<EpochMetrics>,
    pub provenance: Provenance,
    pub plan_toml: String,
}

/// A study's records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyRecords {
    pub study: String,
    /// Digest of the plan of the study's newest run.
    pub plan: Digest,
    /// That plan as TOML.
    pub plan_toml: String,
    /// Every run of the study under any plan, by arm, seed and attempt.
    pub runs: Vec<RunRecord>,
}

/// A study in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StudySummary {
    pub study: String,
    /// Attempts of any status.
    pub runs: u32,
    pub finished: u32,
    pub failed: u32,
    pub arms: u32,
    /// When the newest run was created.
    pub last_run_at: String,
}

/// The true class of a test image and what a run said of it, as far as metrics ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classified {
    pub label: u32,
    pub predicted: u32,
    /// Absent if there is none for the class, as in the next.
    pub label_probability: Option<f64>,
    pub predicted_probability: Option<f64>,
    /// Sum over the classes of the squared probabilities.
    pub squares: f64,
}

impl Classified {
    /// What a prediction says.
    #[must_use]
    pub fn of(prediction: &Prediction) -> Self {
        let Prediction { label, predicted, probabilities, .. } = prediction;
        let of = |class: u32| probabilities.get(class as usize).copied().map(f64::from);
        Self {
            label: *label,
            predicted: *predicted,
            label_probability: of(*label),
            predicted_probability: of(*predicted),
            squares: probabilities.iter().map(|&p| f64::from(p) * f64::from(p)).sum(),
        }
    }
}

/// Everything that is in a run folder, but checkpoint and weights.
#[derive(Clone, Debug)]
pub(super) struct RunFiles {
    pub header: Header,
    pub provenance: Provenance,
    pub plan_toml: String,
    pub events: Vec<RunEvent>,
    pub predictions: Vec<Prediction>,
    pub done: Option<Done>,
}

impl RunFiles {
    pub fn state(&self) -> RunState {
        RunState::after(&self.events)
    }

    /// In the order of their recording: by epoch, then by part.
    pub fn epochs(&self) -> impl Iterator<Item = &EpochMetrics> {
        epochs_of(&self.events)
    }
}

/// The measurements among the events.
pub(super) fn epochs_of(events: &[RunEvent]) -> impl Iterator<Item = &EpochMetrics> {
    events.iter().filter_map(|event| match event {
        RunEvent::Epoch { metrics } => Some(metrics),
        _ => None,
    })
}

impl RunFolder {
    /// Where the run stands now.
    pub fn status(&self) -> Result<Status, RegistryError> {
        // The lock first: a run that ends between the two looks has its `done.json` by the time its lock is free.
        let held = matches!(self.look()?, Look::Held);
        Ok(match self.done()? {
            Some((done, _)) => Status::from(&done),
            None if held => Status::Running,
            None => Status::Interrupted,
        })
    }

    /// The header, checked to be of this folder and of a known format.
    pub fn header(&self) -> Result<Header, RegistryError> {
        let path = self.file(HEADER);
        let value: serde_json::Value = read_required(&path)?;
        let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0) as u32;
        if found > RECORD_FORMAT {
            return Err(RegistryError::NewerFormat { path, found, known: RECORD_FORMAT });
        }
        let header: Header = serde_json::from_value(value).map_err(RegistryError::json(&path))?;
        let found = header.run;
        if found == self.run() { Ok(header) } else { Err(RegistryError::WrongFolder { path, found }) }
    }

    /// The key of the trial that a header states, of whatever format it is.
    pub fn stated_trial_key(&self) -> Option<Digest> {
        let value: serde_json::Value = read_required(&self.file(HEADER)).ok()?;
        value.get("trial_key")?.as_str()?.parse().ok()
    }

    pub fn provenance(&self) -> Result<Provenance, RegistryError> {
        read_required(&self.file(PROVENANCE))
    }

    pub fn plan_toml(&self) -> Result<String, RegistryError> {
        let path = self.file(PLAN);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(RegistryError::Missing { path }),
            text => text.map_err(RegistryError::io("read", &path)),
        }
    }

    /// The events in their order. A torn last line is ignored, and so are events of a newer version.
    pub fn events(&self) -> Result<Vec<RunEvent>, RegistryError> {
        read_lines(&self.events_path(), |line, error| if is_foreign_event(line) { Ok(()) } else { Err(error) })
    }

    pub fn predictions(&self) -> Result<Vec<Prediction>, RegistryError> {
        read_lines(&self.file(PREDICTIONS), |_, error| Err(error))
    }

    /// All of the folder. The record of a run that has ended is checked against what was there when it ended; large files
    /// only by their size.
    pub fn read(&self) -> Result<RunFiles, RegistryError> {
        self.read_to(Depth::Quick)
    }

    /// The same, with every byte of every file checked.
    pub fn verify(&self) -> Result<(), RegistryError> {
        self.read_to(Depth::Full).map(drop)
    }

    fn read_to(&self, depth: Depth) -> Result<RunFiles, RegistryError> {
        let header = self.header()?;
        let done = self.done()?;
        let damaged = |problem: String| RegistryError::Damaged { run: self.run(), problem };
        match &done {
            Some((_, Some(seal))) => seal.check(self.run(), self.path(), depth)?,
            Some((_, None)) if header.format >= SEALED_SINCE => {
                return Err(damaged("done.json has no digests of the record's files".to_owned()));
            }
            _ => {}
        }
        let files = RunFiles {
            header,
            provenance: self.provenance()?,
            plan_toml: self.plan_toml()?,
            events: self.events()?,
            predictions: self.predictions()?,
            done: done.map(|(done, _): (Done, Option<Seal>)| done),
        };
        files.check_counts().map_err(damaged)?;
        Ok(files)
    }
}

impl RunFiles {
    /// Whether events and predictions are as many as the end of the run says.
    fn check_counts(&self) -> Result<(), String> {
        let Some(done) = &self.done else { return Ok(()) };
        let (Done::Finished { summary, .. } | Done::Failed { summary, .. }) = done;
        let (found, recorded) = (self.events.len() as u64, summary.events);
        if found != recorded {
            return Err(format!("events.jsonl has {found} events and had {recorded} when the run ended"));
        }
        if matches!(done, Done::Failed { .. }) {
            return Ok(());
        }
        let tested = summary.test.as_ref().ok_or("it finished without a result on the test split")?;
        let (found, recorded) = (self.predictions.len() as u64, tested.samples);
        if found != recorded {
            return Err(format!("predictions.jsonl has {found} predictions, and {recorded} images were tested"));
        }
        Ok(())
    }
}

fn is_foreign_event(line: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let name = value.as_ref().and_then(|value| value.get("event")?.as_str());
    name.is_some_and(|name| !RunEvent::VARIANTS.contains(&name))
}

impl Registry {
    /// The record of the run that a name means; see [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// As `resolve`, or if the record is damaged.
    pub fn show(&self, name: &str) -> Result<RunRecord, RegistryError> {
        let run = self.resolve(name)?;
        let header = self.folder(run)?.header()?;
        let trial = self.trial_state(&header.trial_key)?;
        self.record(run, trial.counted.is_some_and(|counted| counted.run == run))
    }

    /// All that is recorded of a study's runs.
    ///
    /// # Errors
    /// [`RegistryError::UnknownStudy`] with the nearest names, or if a record is damaged.
    pub fn study(&self, name: &str) -> Result<StudyRecords, RegistryError> {
        let mut found = self.runs_of(Some(name))?;
        let newest = &found[0];
        let plan = newest.plan;
        let plan_toml = self.folder(newest.run)?.plan_toml()?;
        found.sort_by(|a, b| (&a.arm, a.seed, a.attempt, a.run).cmp(&(&b.arm, b.seed, b.attempt, b.run)));
        let runs = found.iter().map(|run| self.record_of(run)).collect::<Result<_, _>>()?;
        Ok(StudyRecords { study: name.to_owned(), plan, plan_toml, runs })
    }

    /// All that is recorded of a run that was found.
    ///
    /// # Errors
    /// If the record is damaged.
    pub fn record_of(&self, found: &RunSummary) -> Result<RunRecord, RegistryError> {
        self.record(found.run, found.counts)
    }

    fn record(&self, run: RunId, counts: bool) -> Result<RunRecord, RegistryError> {
        let folder = self.folder(run)?;
        let status = folder.status()?;
        let files = folder.read()?;
        Ok(RunRecord {
            status,
            counts,
            state: files.state(),
            epochs: files.epochs().cloned().collect(),
            header: files.header,
            provenance: files.provenance,
            plan_toml: files.plan_toml,
        })
    }

    /// The events of a run, in their order.
    ///
    /// # Errors
    /// If there is no such run or its record is damaged.
    pub fn events(&self, run: RunId) -> Result<Vec<RunEvent>, RegistryError> {
        self.folder(run)?.events()
    }

    /// What a run predicted for each image of the test split; empty before it was tested.
    ///
    /// # Errors
    /// If there is no such run or its record is damaged.
    pub fn predictions(&self, run: RunId) -> Result<Vec<Prediction>, RegistryError> {
        self.folder(run)?.predictions()
    }

    /// What a run predicted for each image of a further evaluation set.
    ///
    /// # Errors
    /// If there is no such run or its record is damaged.
    pub fn evaluation(&self, run: RunId, name: &str) -> Result<Vec<Prediction>, RegistryError> {
        read_lines(&self.folder(run)?.evaluation(name), |_, error| Err(error))
    }

    /// Where and by what a run was made.
    ///
    /// # Errors
    /// If there is no such run or its record is damaged.
    pub fn provenance(&self, run: RunId) -> Result<Provenance, RegistryError> {
        self.folder(run)?.provenance()
    }

    /// Compares every byte of a run's record, weights included, with what was there when it ended. A run that has not ended
    /// has nothing to compare yet.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] with the first difference; else whatever is wrong with a file.
    pub fn verify(&self, run: RunId) -> Result<(), RegistryError> {
        self.folder(run)?.verify()
    }
}

#[cfg(test)]
mod tests;
