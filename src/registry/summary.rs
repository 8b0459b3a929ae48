//! Finding runs through the index: lists, and the attempts at a trial.

use std::str::FromStr;

use rusqlite::{Row, named_params};
use serde::Serialize;

use super::error::RegistryError;
use super::folder::RunFolder;
use super::id::RunId;
use super::record::Status;
use super::rows::Name;
use super::store::Registry;
use super::table::{Cell, METRIC_DECIMALS, SECS_DECIMALS, Table};
use crate::digest::Digest;
use crate::events::TestResult;
use crate::plan::arm::Role;
use crate::plan::dataset::Protocol;

/// Newest first; runs of the same instant in a fixed order.
pub(super) const NEWEST_FIRST: &str = "created_at DESC, study, arm, seed, attempt DESC, id";

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
    Lost,
}

/// The text is not a status.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a status: expected `finished`, `failed`, `running` or `lost`")]
pub struct ParseStatusError(String);

impl FromStr for StatusKind {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "finished" => Ok(Self::Finished),
            "failed" => Ok(Self::Failed),
            "running" => Ok(Self::Running),
            "lost" => Ok(Self::Lost),
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
            Self::Lost => StatusKind::Lost,
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
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

/// All attempts at one trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TrialState {
    /// The attempt that counts: the first that finished.
    pub counted: Option<RunSummary>,
    /// The newest lost attempt.
    pub resumable: Option<RunId>,
    /// The newest attempt that a live process holds.
    pub running: Option<RunId>,
    /// By attempt.
    pub failed: Vec<RunSummary>,
    /// Number of attempts of any status.
    pub attempts: u32,
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
        runs.truncate(filter.limit.unwrap_or(usize::MAX));
        Ok(runs)
    }

    /// What became of the attempts at a trial.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn trial_state(&self, trial_key: &Digest) -> Result<TrialState, RegistryError> {
        let mut runs = self.summaries("trial_key = :key", named_params! { ":key": trial_key })?;
        runs.sort_by_key(|run| run.attempt);
        let mut trial = TrialState { attempts: runs.len() as u32, ..TrialState::default() };
        for run in runs {
            match run.status {
                Status::Finished if run.counts => trial.counted = Some(run),
                Status::Finished => {}
                Status::Failed { .. } => trial.failed.push(run),
                Status::Running => trial.running = Some(run.run),
                Status::Lost => trial.resumable = Some(run.run),
            }
        }
        Ok(trial)
    }

    /// Runs in the index that meet an SQL condition, newest first, with their status of now.
    fn summaries(
        &self,
        condition: &str,
        parameters: &[(&str, &dyn rusqlite::ToSql)],
    ) -> Result<Vec<RunSummary>, RegistryError> {
        let sql = format!(
            "SELECT *, id IS (SELECT first.id FROM runs AS first
                 WHERE first.trial_key = runs.trial_key AND first.outcome = 'finished'
                 ORDER BY first.ended_at, first.attempt LIMIT 1) AS counts
             FROM runs WHERE {condition} ORDER BY {NEWEST_FIRST}"
        );
        let mut runs: Vec<RunSummary> = self.index.read(|db| {
            let mut statement = db.prepare_cached(&sql)?;
            statement.query_map(parameters, summary_of)?.collect()
        })?;
        for run in runs.iter_mut().filter(|run| run.status == Status::Lost) {
            run.status = RunFolder::of(&self.runs_dir, run.run).status()?;
        }
        Ok(runs)
    }
}

/// A row; without an outcome it is as good as lost, until its lock is asked.
fn summary_of(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    let status = match row.get::<_, Option<String>>("outcome")?.as_deref() {
        Some("finished") => Status::Finished,
        Some(_) => Status::Failed { reason: row.get("failure")? },
        None => Status::Lost,
    };
    let test = match (row.get("test_loss_nats")?, row.get("test_top1")?, row.get::<_, Option<i64>>("test_samples")?) {
        (Some(loss_nats), Some(top1), Some(samples)) => Some(TestResult { loss_nats, top1, samples: samples as u64 }),
        _ => None,
    };
    Ok(RunSummary {
        run: row.get("id")?,
        study: row.get("study")?,
        arm: row.get("arm")?,
        role: row.get::<_, Name<Role>>("role")?.0,
        seed: row.get::<_, i64>("seed")? as u64,
        attempt: row.get("attempt")?,
        trial_key: row.get("trial_key")?,
        plan: row.get("plan")?,
        split: row.get("split")?,
        protocol: row.get::<_, Name<Protocol>>("protocol")?.0,
        synthetic: row.get("synthetic")?,
        created_at: row.get("created_at")?,
        host: row.get("host")?,
        device: row.get("device")?,
        status,
        counts: row.get("counts")?,
        epochs: row.get("epochs")?,
        total_epochs: row.get("total_epochs")?,
        selected_epoch: row.get("selected_epoch")?,
        validation_top1: row.get("validation_top1")?,
        test,
        test_openings: row.get("test_openings")?,
        elapsed_secs: row.get("elapsed_secs")?,
        ended_at: row.get("ended_at")?,
    })
}

/// The runs as a table for people.
#[must_use]
pub fn runs_table(runs: &[RunSummary]) -> Table {
    let mut table = Table::new(&[
        "run",
        "study",
        "arm",
        "seed",
        "attempt",
        "status",
        "counts",
        "epochs",
        "validation_top1",
        "test_top1",
        "elapsed_secs",
        "created_at",
    ]);
    for run in runs {
        let epochs = run.total_epochs.map_or_else(|| run.epochs.to_string(), |n| format!("{}/{n}", run.epochs));
        table.push(vec![
            run.run.to_string().into(),
            run.study.as_str().into(),
            run.arm.as_str().into(),
            run.seed.into(),
            run.attempt.into(),
            run.status.name().into(),
            run.counts.into(),
            epochs.into(),
            Cell::rounded(run.validation_top1, METRIC_DECIMALS),
            Cell::rounded(run.test.as_ref().map(|test| test.top1), METRIC_DECIMALS),
            Cell::rounded(run.elapsed_secs, SECS_DECIMALS),
            run.created_at.as_str().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::super::record::{Done, Header, RunState};
    use super::super::testing::*;
    use super::*;
    use crate::events::RunEvent;

    #[test]
    fn a_list_is_filtered_limited_and_newest_first() {
        let runs = tempfile::tempdir().unwrap();
        let [finished, failed, lost] = three_runs(runs.path());
        let registry = open(runs.path());
        let list =
            |filter: &Filter| -> Vec<RunId> { registry.list(filter).unwrap().into_iter().map(|run| run.run).collect() };
        let all = Filter::default;
        assert_eq!(list(&all()), [lost, failed, finished]);
        assert_eq!(list(&Filter { limit: Some(1), ..all() }), [lost]);
        assert_eq!(list(&Filter { arm: Some("plain".to_owned()), ..all() }), [lost, finished]);
        assert_eq!(list(&Filter { seed: Some(1), ..all() }), [failed, finished]);
        assert_eq!(list(&Filter { seed: Some(u64::MAX), ..all() }), []);
        assert_eq!(list(&Filter { study: Some("other".to_owned()), ..all() }), []);
        assert_eq!(list(&Filter { counted: true, ..all() }), [finished]);
        for (kind, run) in [("finished", finished), ("failed", failed), ("lost", lost)] {
            assert_eq!(list(&Filter { status: Some(kind.parse().unwrap()), ..all() }), [run]);
        }
    }

    #[test]
    fn the_list_as_a_table_is_what_people_see() {
        let runs = tempfile::tempdir().unwrap();
        three_runs(runs.path());
        let table = runs_table(&open(runs.path()).list(&Filter::default()).unwrap());
        let lines: Vec<String> = std::iter::once(table.columns.join(" | "))
            .chain(table.rows.iter().map(|row| row.iter().map(Cell::to_string).collect::<Vec<_>>().join(" | ")))
            .collect();
        let ids = |line: &String| line.split_once(" | ").unwrap().1.to_owned();
        insta::assert_snapshot!(lines.iter().map(ids).collect::<Vec<_>>().join("\n"), @r"
        study | arm | seed | attempt | status | counts | epochs | validation_top1 | test_top1 | elapsed_secs | created_at
        demo | plain | 2 | 1 | lost | no | 0 |  |  | 0 | 2026-01-31T12:00:03.000Z
        demo | flips | 1 | 1 | failed | no | 0 |  |  | 0 | 2026-01-31T12:00:02.000Z
        demo | plain | 1 | 1 | finished | yes | 3/3 | 0.75 | 0.6667 | 0.6 | 2026-01-31T12:00:01.000Z
        ");
    }

    /// A finished run's folder, written without syncing.
    fn write_folder(runs_dir: &Path, seed: u64, epochs: u32) {
        let plan = plan("large");
        let key = Digest::of_value("test-trial", &seed);
        let run = RunId::derive(&key, 1);
        let dir = runs_dir.join("trials").join(run.to_string());
        fs::create_dir_all(&dir).unwrap();
        let digest = Digest::of_bytes(b"set");
        let sets = super::super::SetDigests {
            manifest: digest,
            split: digest,
            training: digest,
            validation: digest,
            test: digest,
        };
        let header = Header {
            format: 1,
            run,
            study: "large".to_owned(),
            arm: "plain".to_owned(),
            role: Role::Control,
            seed,
            attempt: 1,
            trial_key: key,
            plan: plan.digest(),
            sets,
            protocol: Protocol::LeakFree,
            synthetic: true,
            created_at: AT.to_owned(),
        };
        let events: Vec<RunEvent> =
            start_events().into_iter().chain((1..=epochs).flat_map(epoch_events)).chain(end_events()).collect();
        let lines: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
        let done = Done::Finished { at: AT.to_owned(), summary: RunState::after(&events) };
        fs::write(dir.join("header.json"), serde_json::to_string(&header).unwrap()).unwrap();
        fs::write(dir.join("provenance.json"), "{}").unwrap();
        fs::write(dir.join("plan.toml"), plan.to_toml()).unwrap();
        fs::write(dir.join("events.jsonl"), lines).unwrap();
        fs::write(dir.join("done.json"), serde_json::to_string(&done).unwrap()).unwrap();
    }

    #[test]
    #[ignore = "writes a thousand run folders; run it by name to see how long a list takes"]
    fn a_thousand_runs_of_a_hundred_epochs_are_listed_in_a_fifth_of_a_second() {
        let runs = tempfile::tempdir().unwrap();
        (0..1000).for_each(|seed| write_folder(runs.path(), seed, 100));
        let start = Instant::now();
        assert_eq!(Registry::reindex(runs.path()).unwrap(), 1000);
        eprintln!("reindex: {:?}", start.elapsed());
        let start = Instant::now();
        let registry = open(runs.path());
        eprintln!("open: {:?}", start.elapsed());
        let start = Instant::now();
        let listed = registry.list(&Filter::default()).unwrap();
        let elapsed = start.elapsed();
        eprintln!("list: {elapsed:?}");
        assert!(listed.len() == 1000 && listed.iter().all(|run| run.counts));
        assert!(elapsed < Duration::from_millis(200), "{elapsed:?}");
        let start = Instant::now();
        assert_eq!(registry.study("large").unwrap().runs.len(), 1000);
        eprintln!("study: {:?}", start.elapsed());
    }
}
