//! Which study and plan a name means, and what the index alone can tell fast.

use rusqlite::OptionalExtension as _;

use super::error::RegistryError;
use super::id::{RunId, is_lower_hex};
use super::store::Registry;
use super::summary::NEWEST_FIRST;
use crate::digest::Digest;

/// The study of the newest run.
const LATEST: &str = "latest";
/// Fewest digits of a plan's digest that name it.
const MIN_DIGEST_DIGITS: usize = 4;

/// A study and one of its plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundStudy {
    pub study: String,
    pub plan: Digest,
    pub plan_toml: String,
}

/// The true class of a test image and the one that a run gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    pub label: u32,
    pub predicted: u32,
}

impl Registry {
    /// The study that a name means, with its plan: `latest` (the study of the newest run), a study's name (with the plan of
    /// its newest run), or the first four or more digits of a plan's digest.
    ///
    /// # Errors
    /// [`RegistryError::UnknownStudy`] with the nearest names, [`RegistryError::AmbiguousPlan`], or
    /// [`RegistryError::NoRuns`].
    pub fn find_study(&self, name: &str) -> Result<FoundStudy, RegistryError> {
        let newest = |condition: &str, parameters: &[&dyn rusqlite::ToSql]| {
            let sql = format!(
                "SELECT runs.study, plan, toml FROM runs JOIN plans ON digest = plan
                 WHERE {condition} ORDER BY {} LIMIT 1",
                NEWEST_FIRST.replace("study", "runs.study")
            );
            self.index.read(|db| db.query_row(&sql, parameters, found).optional())
        };
        if name == LATEST {
            return newest("true", &[])?.ok_or(RegistryError::NoRuns);
        }
        if let Some(study) = newest("runs.study = ?1", &[&name])? {
            return Ok(study);
        }
        let mut plans = self.plans_of(name)?;
        match plans.len() {
            1 => Ok(plans.remove(0)),
            0 => Err(self.unknown_study(name)?),
            _ => {
                let candidates = plans.iter().map(|plan| format!("{} ({})", plan.plan.short(), plan.study)).collect();
                Err(RegistryError::AmbiguousPlan { name: name.to_owned(), candidates })
            }
        }
    }

    /// Plans whose digest begins so.
    fn plans_of(&self, prefix: &str) -> Result<Vec<FoundStudy>, RegistryError> {
        if prefix.len() < MIN_DIGEST_DIGITS || !is_lower_hex(prefix) {
            return Ok(Vec::new());
        }
        self.index.read(|db| {
            let sql = "SELECT study, digest, toml FROM plans WHERE substr(digest, 1, ?2) = ?1 ORDER BY digest";
            db.prepare(sql)?.query_map(rusqlite::params![prefix, prefix.len() as i64], found)?.collect()
        })
    }

    /// What a run made of each test image, in the order of the test set; empty before it was tested.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn classified(&self, run: RunId) -> Result<Vec<Classified>, RegistryError> {
        self.index.read(|db| {
            let sql = "SELECT label, predicted FROM predictions WHERE run = ?1 ORDER BY position";
            let mut statement = db.prepare_cached(sql)?;
            let rows =
                statement.query_map([run], |row| Ok(Classified { label: row.get(0)?, predicted: row.get(1)? }))?;
            rows.collect()
        })
    }

    /// Where and by what a run was made.
    ///
    /// # Errors
    /// If there is no such run or its record is damaged.
    pub fn provenance(&self, run: RunId) -> Result<super::Provenance, RegistryError> {
        self.folder(run)?.provenance()
    }
}

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<FoundStudy> {
    Ok(FoundStudy { study: row.get(0)?, plan: row.get(1)?, plan_toml: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_study_is_named_by_age_name_or_the_beginning_of_its_plans_digest() {
        let runs = tempfile::tempdir().unwrap();
        assert!(matches!(open(runs.path()).find_study("latest"), Err(RegistryError::NoRuns)));
        let at = |secs| Registry::open(runs.path(), clock(secs)).unwrap();
        let (old, mut new) = (plan("demo"), plan("demo"));
        new.study.seeds.push(4);
        complete(begin(&at(1), &old, 0, 1));
        complete(begin(&at(2), &new, 0, 4));
        begin(&at(3), &plan("other"), 0, 1).fail("on purpose").unwrap();
        let registry = at(4);
        assert_eq!(registry.find_study("latest").unwrap().study, "other");
        assert_eq!(registry.find_study("demo").unwrap().plan_toml, new.to_toml());
        let prefix = &old.digest().to_string()[..12];
        assert_eq!(registry.find_study(prefix).unwrap().plan, old.digest());
        match registry.find_study("demoo") {
            Err(RegistryError::UnknownStudy { nearest, .. }) => assert_eq!(nearest, ["demo"]),
            other => panic!("{other:?}"),
        }
        for name in ["", "zz", "..", "%", "_"] {
            assert!(matches!(registry.find_study(name), Err(RegistryError::UnknownStudy { .. })), "{name}");
        }
    }

    #[test]
    fn what_a_run_made_of_its_images_comes_in_their_order() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        complete(begin(&registry, &plan("demo"), 0, 1));
        let run = registry.resolve("latest").unwrap();
        let expected: Vec<_> =
            predictions().iter().map(|p| Classified { label: p.label, predicted: p.predicted }).collect();
        assert_eq!(registry.classified(run).unwrap(), expected);
    }
}
