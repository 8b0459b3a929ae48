//! Finding runs through the index: lists, the attempts at a trial, and what the index alone can tell fast.
//!
//! The index knows all of a run that has ended. What has not ended is read from its folder, so that it is told as it is now.

use std::str::FromStr;

use rusqlite::{OptionalExtension as _, Row, named_params};
use serde::Serialize;

use super::names::nearest;
use super::rows::Name;
use crate::error::RegistryError;
use crate::folder::RunFolder;
use crate::id::RunId;
use crate::read::{Classified, StudySummary, epochs_of};
use crate::record::{RunState, Status};
use crate::registry::Registry;
use crate::standing::{Attempt, Standing};
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, TestResult};
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::Protocol;

/// Newest first; runs of the same instant in a fixed order.
pub const NEWEST_FIRST: &str = "created_at DESC, study, arm, seed, attempt DESC, id";

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    pub run: RunId,
    pub study: String,
    pub arm: String,
    pub role: Role,
    pub seed: u64,
    pub attempt: u32,
    pub trial_key: Digest,
    pub plan: Digest,
    /// Digest of the division of the data.
    pub split: Digest,
    pub protocol: Protocol,
    pub synthetic: bool,
    pub created_at: String,
    pub host: String,
    pub device: String,
    pub status: Status,
    /// Whether this is the attempt that counts: the trial's first to finish.
    pub counts: bool,
    /// Epochs that validation was measured after.
    pub epochs: u32,
    pub total_epochs: Option<u32>,
    pub selected_epoch: Option<u32>,
    /// Of the selected epoch.
    pub validation_top1: Option<f64>,
    pub test: Option<TestResult>,
    pub test_openings: u32,
    pub elapsed_secs: f64,
    pub ended_at: Option<String>,
}

/// One word for a [`Status`], to filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusKind {
    Finished,
    Failed,
    Running,
    Interrupted,
}

/// The text is not a status.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a status: expected `finished`, `failed`, `running` or `interrupted`")]
pub struct ParseStatusError(String);

impl FromStr for StatusKind {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "finished" => Ok(Self::Finished),
            "failed" => Ok(Self::Failed),
            "running" => Ok(Self::Running),
            "interrupted" => Ok(Self::Interrupted),
            _ => Err(ParseStatusError(text.to_owned())),
        }
    }
}

impl Status {
    /// The status without its details.
    #[must_use]
    pub fn kind(&self) -> StatusKind {
        match self {
            Self::Finished => StatusKind::Finished,
            Self::Failed { .. } => StatusKind::Failed,
            Self::Running => StatusKind::Running,
            Self::Interrupted => StatusKind::Interrupted,
        }
    }
}

/// Which runs to list. The default is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub study: Option<String>,
    pub arm: Option<String>,
    pub seed: Option<u64>,
    pub status: Option<StatusKind>,
    /// Only attempts that count.
    pub counted: bool,
}

/// A run whose record is damaged, and which counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    pub run: RunId,
    pub problem: String,
}

/// All attempts at one trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TrialState {
    /// The attempt that counts: the first that finished.
    pub counted: Option<RunSummary>,
    /// The newest interrupted attempt.
    pub resumable: Option<RunId>,
    /// The newest attempt that a live process holds.
    pub running: Option<RunId>,
    /// By attempt.
    pub failed: Vec<RunSummary>,
    /// Number of attempts of any status.
    pub attempts: u32,
    standing: Standing,
}

impl TrialState {
    /// Where the trial stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.clone()
    }
}

impl RunSummary {
    /// The run as one attempt at its trial.
    pub(crate) fn as_attempt(&self) -> Attempt {
        Attempt { run: self.run, number: self.attempt, status: self.status.clone(), counts: self.counts }
    }

    /// Where a trial stands whose attempts are these runs.
    #[must_use]
    pub fn standing<'a>(attempts: impl IntoIterator<Item = &'a Self>) -> Standing {
        Standing::of(attempts.into_iter().map(Self::as_attempt))
    }
}

impl Registry {
    /// Runs that pass the filter, newest first.
    ///
    /// # Errors
    /// Whatever reading the index or a lock gives.
    pub fn list(&self, filter: &Filter) -> Result<Vec<RunSummary>, RegistryError> {
        let condition = "(:study IS NULL OR study = :study) AND (:arm IS NULL OR arm = :arm)
             AND (:seed IS NULL OR seed = :seed)";
        // A seed beyond SQLite's integers is in no row.
        let seed = filter.seed.map(|seed| i64::try_from(seed).unwrap_or(-1));
        let parameters = named_params! { ":study": filter.study, ":arm": filter.arm, ":seed": seed };
        let mut runs = self.summaries(condition, parameters)?;
        runs.retain(|run| {
            filter.status.is_none_or(|status| run.status.kind() == status) && (run.counts || !filter.counted)
        });
        Ok(runs)
    }

    /// What became of the attempts at a trial.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn trial_state(&self, trial_key: &Digest) -> Result<TrialState, RegistryError> {
        self.refuse_newer(trial_key)?;
        let mut runs = self.summaries("trial_key = :key", named_params! { ":key": Name(trial_key) })?;
        runs.sort_by_key(|run| run.attempt);
        let standing = RunSummary::standing(&runs);
        let mut trial = TrialState { attempts: runs.len() as u32, standing, ..TrialState::default() };
        for run in runs {
            match run.status {
                Status::Finished if run.counts => trial.counted = Some(run),
                Status::Finished => {}
                Status::Failed { .. } => trial.failed.push(run),
                Status::Running => trial.running = Some(run.run),
                Status::Interrupted => trial.resumable = Some(run.run),
            }
        }
        Ok(trial)
    }

    /// What a newer augtrial did must not be done again by this one.
    fn refuse_newer(&self, trial_key: &Digest) -> Result<(), RegistryError> {
        let sql = "SELECT run, problem FROM set_aside WHERE trial_key = ?1 AND newer";
        let found = self.index.borrow().read(|db| {
            db.prepare_cached(sql)?.query_row([Name(trial_key)], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        found.map_or(Ok(()), |(run, problem)| Err(RegistryError::Damaged { run, problem }))
    }

    /// Runs that are set aside because their record is damaged, each with what is wrong with it.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn set_aside(&self) -> Result<Vec<SetAside>, RegistryError> {
        let sql = "SELECT run, problem FROM set_aside ORDER BY run";
        let aside = |row: &Row<'_>| Ok(SetAside { run: row.get(0)?, problem: row.get(1)? });
        self.index.borrow().read(|db| db.prepare_cached(sql)?.query_map([], aside)?.collect())
    }

    /// The runs of a study (at least one), or of every study, newest first.
    ///
    /// # Errors
    /// [`RegistryError::UnknownStudy`] with the nearest names; else as [`list`](Self::list).
    pub fn runs_of(&self, study: Option<&str>) -> Result<Vec<RunSummary>, RegistryError> {
        let runs = self.list(&Filter { study: study.map(str::to_owned), ..Filter::default() })?;
        match study {
            Some(name) if runs.is_empty() => Err(self.unknown_study(name)?),
            _ => Ok(runs),
        }
    }

    /// That there is no such study, with the nearest names.
    pub(super) fn unknown_study(&self, name: &str) -> Result<RegistryError, RegistryError> {
        let names = self.studies()?.into_iter().map(|study| study.study);
        Ok(RegistryError::UnknownStudy { name: name.to_owned(), nearest: nearest(name, names, |n| n) })
    }

    /// Every study that has runs, by name.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn studies(&self) -> Result<Vec<StudySummary>, RegistryError> {
        self.index.borrow().read(|db| {
            let mut statement = db.prepare(
                "SELECT study, count(*), count(*) FILTER (WHERE outcome = 'finished'),
                     count(*) FILTER (WHERE outcome = 'failed'), count(DISTINCT arm), max(created_at)
                 FROM runs GROUP BY study ORDER BY study",
            )?;
            let studies = statement.query_map([], |row| {
                Ok(StudySummary {
                    study: row.get(0)?,
                    runs: row.get(1)?,
                    finished: row.get(2)?,
                    failed: row.get(3)?,
                    arms: row.get(4)?,
                    last_run_at: row.get(5)?,
                })
            })?;
            studies.collect()
        })
    }

    /// The TOML of a plan that some run was made by.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn plan_toml(&self, plan: &Digest) -> Result<Option<String>, RegistryError> {
        let sql = "SELECT toml FROM plans WHERE digest = ?1";
        self.index.borrow().read(|db| db.query_row(sql, [plan.to_string()], |row| row.get(0)).optional())
    }

    /// What a run made of each test image, in the order of the test set; empty before it was tested.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn classified(&self, run: RunId) -> Result<Vec<Classified>, RegistryError> {
        self.index.borrow().read(|db| {
            let sql = "SELECT label, predicted, label_probability, predicted_probability, probability_squares
                FROM predictions WHERE run = ?1 ORDER BY position";
            db.prepare_cached(sql)?.query_map([run], classified_of)?.collect()
        })
    }

    /// The measurements of a run by epoch and part; of a run that has not ended as far as they are recorded. Empty for a run
    /// that is not known.
    ///
    /// # Errors
    /// Whatever reading the index or the folder gives.
    pub fn epochs(&self, run: RunId) -> Result<Vec<EpochMetrics>, RegistryError> {
        let ended = "SELECT outcome IS NOT NULL FROM runs WHERE id = ?1";
        let ended: Option<bool> =
            self.index.borrow().read(|db| db.prepare_cached(ended)?.query_row([run], |row| row.get(0)).optional())?;
        if ended == Some(false) {
            let mut epochs: Vec<_> = epochs_of(&self.folder(run)?.events()?).cloned().collect();
            epochs.sort_by_key(|metrics| (metrics.epoch, metrics.split));
            return Ok(epochs);
        }
        let sql = "SELECT epoch, split, loss_nats, top1, learning_rate, samples, updates, elapsed_secs
             FROM epochs WHERE run = ?1 ORDER BY epoch, split";
        self.index.borrow().read(|db| db.prepare_cached(sql)?.query_map([run], metrics_of)?.collect())
    }

    /// Runs in the index that meet an SQL condition, newest first, with their status of now.
    fn summaries(
        &self,
        condition: &str,
        parameters: &[(&str, &dyn rusqlite::ToSql)],
    ) -> Result<Vec<RunSummary>, RegistryError> {
        let sql = format!(
            "SELECT {SUMMARY}, id IS (SELECT first.id FROM runs AS first
                 WHERE first.trial_key = runs.trial_key AND first.outcome = 'finished'
                 ORDER BY first.ended_at, first.attempt LIMIT 1) AS counts
             FROM runs WHERE {condition} ORDER BY {NEWEST_FIRST}"
        );
        let mut runs: Vec<RunSummary> = self.index.borrow().read(|db| {
            let mut statement = db.prepare_cached(&sql)?;
            statement.query_map(parameters, summary_of)?.collect()
        })?;
        for run in runs.iter_mut().filter(|run| run.status == Status::Interrupted) {
            self.make_live(run)?;
        }
        Ok(runs)
    }

    /// Whether no attempt at the trial had finished when it was indexed.
    fn is_first_to_finish(&self, trial_key: &Digest) -> Result<bool, RegistryError> {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM runs WHERE trial_key = ?1 AND outcome = 'finished')";
        self.index.borrow().read(|db| db.prepare_cached(sql)?.query_row([Name(trial_key)], |row| row.get(0)))
    }

    /// Where a run that had not ended when it was indexed is now, by its folder. One that was damaged since stays as it was.
    fn make_live(&self, run: &mut RunSummary) -> Result<(), RegistryError> {
        let folder = RunFolder::of(self.runs_dir(), run.run);
        let live = folder.status().and_then(|status| Ok((status, RunState::after(&folder.events()?))));
        match live {
            Ok((status, state)) => {
                run.status = status;
                (run.epochs, run.total_epochs) = (state.epochs, state.total_epochs);
                (run.selected_epoch, run.validation_top1) = (state.selected_epoch, state.validation_top1);
                (run.test, run.test_openings) = (state.test, state.test_openings);
                run.elapsed_secs = state.elapsed_secs;
                if run.status == Status::Finished {
                    run.counts = self.is_first_to_finish(&run.trial_key)?;
                }
                Ok(())
            }
            Err(error) if error.is_damage() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The columns of a [`RunSummary`], in the order in which [`summary_of`] reads them; `counts` follows.
const SUMMARY: &str = "outcome, failure, test_loss_nats, test_top1, test_samples, id, study, arm, role, seed, attempt, trial_key, plan,
    split, protocol, synthetic, created_at, host, device, epochs, total_epochs, selected_epoch, validation_top1, test_openings,
    elapsed_secs, ended_at";

/// A row; without an outcome it is as good as lost, until its lock is asked. Columns are read by their place: finding them by name
/// takes as long as the rest.
fn summary_of(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    let mut places = 0..;
    let mut next = || places.next().unwrap_or_default();
    let (outcome, failure): (Option<String>, Option<String>) = (row.get(next())?, row.get(next())?);
    let status = match outcome.as_deref() {
        Some("finished") => Status::Finished,
        Some(_) => Status::Failed { reason: failure.unwrap_or_default() },
        None => Status::Interrupted,
    };
    let test = match (row.get(next())?, row.get(next())?, row.get::<_, Option<i64>>(next())?) {
        (Some(loss_nats), Some(top1), Some(samples)) => Some(TestResult { loss_nats, top1, samples: samples as u64 }),
        _ => None,
    };
    Ok(RunSummary {
        run: row.get(next())?,
        study: row.get(next())?,
        arm: row.get(next())?,
        role: row.get::<_, Name<Role>>(next())?.0,
        seed: row.get::<_, i64>(next())? as u64,
        attempt: row.get(next())?,
        trial_key: row.get::<_, Name<Digest>>(next())?.0,
        plan: row.get::<_, Name<Digest>>(next())?.0,
        split: row.get::<_, Name<Digest>>(next())?.0,
        protocol: row.get::<_, Name<Protocol>>(next())?.0,
        synthetic: row.get(next())?,
        created_at: row.get(next())?,
        host: row.get(next())?,
        device: row.get(next())?,
        status,
        epochs: row.get(next())?,
        total_epochs: row.get(next())?,
        selected_epoch: row.get(next())?,
        validation_top1: row.get(next())?,
        test,
        test_openings: row.get(next())?,
        elapsed_secs: row.get(next())?,
        ended_at: row.get(next())?,
        counts: row.get(next())?,
    })
}

fn classified_of(row: &Row<'_>) -> rusqlite::Result<Classified> {
    Ok(Classified {
        label: row.get(0)?,
        predicted: row.get(1)?,
        label_probability: row.get(2)?,
        predicted_probability: row.get(3)?,
        squares: row.get(4)?,
    })
}

fn metrics_of(row: &Row<'_>) -> rusqlite::Result<EpochMetrics> {
    Ok(EpochMetrics {
        epoch: row.get(0)?,
        split: row.get::<_, Name<_>>(1)?.0,
        loss_nats: row.get(2)?,
        top1: row.get(3)?,
        learning_rate: row.get(4)?,
        samples: row.get::<_, i64>(5)? as u64,
        updates: row.get::<_, i64>(6)? as u64,
        elapsed_secs: row.get(7)?,
    })
}

#[cfg(test)]
mod tests;
