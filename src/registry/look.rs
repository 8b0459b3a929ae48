//! What exports and views read from the index: the runs of one study or of all, and the measurements of one run.

use rusqlite::Row;

use super::error::RegistryError;
use super::id::RunId;
use super::names::nearest;
use super::rows::Name;
use super::store::Registry;
use super::summary::{Filter, RunSummary};
use crate::events::EpochMetrics;

impl Registry {
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

    /// The measurements of a run by epoch and part; empty for a run that the index does not know.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn epochs(&self, run: RunId) -> Result<Vec<EpochMetrics>, RegistryError> {
        let sql = "SELECT epoch, split, loss_nats, top1, learning_rate, samples, updates, elapsed_secs
             FROM epochs WHERE run = ?1 ORDER BY epoch, split";
        self.index.read(|db| db.prepare_cached(sql)?.query_map([run], metrics_of)?.collect())
    }
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
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::events::Split;

    #[test]
    fn the_index_gives_every_measurement_back_as_it_was_recorded() {
        let runs = tempfile::tempdir().unwrap();
        let [finished, failed, _] = three_runs(runs.path());
        let registry = open(runs.path());
        let expected: Vec<_> = (1..=EPOCHS)
            .flat_map(|epoch| [Split::Train, Split::Validation].map(|split| metrics(epoch, split)))
            .collect();
        assert_eq!(registry.epochs(finished).unwrap(), expected);
        assert_eq!(registry.epochs(failed).unwrap(), []);
    }

    #[test]
    fn runs_are_of_one_study_or_of_all_and_a_typo_is_met_with_the_nearest_name() {
        let runs = tempfile::tempdir().unwrap();
        three_runs(runs.path());
        let registry = open(runs.path());
        begin(&registry, &plan("other"), 0, 1).fail("on purpose").unwrap();
        assert_eq!(registry.runs_of(None).unwrap().len(), 4);
        assert_eq!(registry.runs_of(Some("demo")).unwrap().len(), 3);
        let error = registry.runs_of(Some("dem")).unwrap_err();
        assert!(matches!(error, RegistryError::UnknownStudy { nearest, .. } if nearest == ["demo"]));
    }

    #[test]
    fn a_registry_opened_for_reading_writes_nothing_and_sees_what_others_write() {
        let runs = tempfile::tempdir().unwrap();
        assert!(Registry::open_read_only(runs.path()).unwrap().is_none());
        assert_eq!(std::fs::read_dir(runs.path()).unwrap().count(), 0, "looking makes nothing");
        let registry = open(runs.path());
        let look = Registry::open_read_only(runs.path()).unwrap().unwrap();
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        record_all(&mut guard, &start_events());
        train(&mut guard, 1, 2);
        assert_eq!(look.epochs(guard.run()).unwrap().len(), 4);
        assert_eq!(look.list(&Filter::default()).unwrap()[0].status, super::super::Status::Running);
        assert!(matches!(look.resume(guard.run()), Err(RegistryError::ReadOnly)));
        let plan = plan("demo");
        let trial = crate::plan::Trial { arm: &plan.arms[1], seed: 1 };
        let sets = guard.header().sets;
        let begin = super::super::BeginRun {
            plan: &plan,
            trial,
            trial_key: trial_key(&plan, trial),
            sets,
            provenance: provenance(),
        };
        assert!(matches!(look.begin(&begin), Err(RegistryError::ReadOnly)));
        assert_eq!(look.list(&Filter::default()).unwrap().len(), 1);
    }
}
