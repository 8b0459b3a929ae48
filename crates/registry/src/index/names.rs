//! Names as people type them: which run, study or plan they mean.

use std::path::PathBuf;

use rusqlite::OptionalExtension as _;

use super::list::{NEWEST_FIRST, SetAside};
use super::rows::Name;
use crate::error::RegistryError;
use crate::id::{RUN_ID_HEX_DIGITS, RunId, is_lower_hex};
use crate::registry::Registry;
use augtrial_base::digest::Digest;
use augtrial_plan::Plan;

/// The newest run, or the study of the newest run.
const LATEST: &str = "latest";
/// Fewest digits of a plan's digest that name it.
const MIN_DIGEST_DIGITS: usize = 4;
/// Names offered for one that is unknown.
const SUGGESTIONS: usize = 3;
/// Candidates listed for an ambiguous prefix.
const CANDIDATES: usize = 10;

/// A study and one of its plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundStudy {
    pub study: String,
    pub plan: Digest,
    pub plan_toml: String,
}

impl FoundStudy {
    fn of(study: String, plan_toml: String) -> Result<Self, RegistryError> {
        match Plan::parse(&study, &plan_toml, PathBuf::new(), &[]) {
            Ok(plan) => Ok(Self { study, plan: plan.digest(), plan_toml }),
            Err(source) => Err(RegistryError::KeptPlan { study, source: Box::new(source) }),
        }
    }
}

impl Registry {
    /// The run that a name means: `latest`, `latest~N` (the N-th before it), or a prefix of its id that no other shares.
    ///
    /// # Errors
    /// [`RegistryError::AmbiguousRun`] with the candidates, [`RegistryError::UnknownRun`] with the nearest names, or
    /// [`RegistryError::NoRuns`].
    pub fn resolve(&self, name: &str) -> Result<RunId, RegistryError> {
        let ids: Vec<RunId> = self.index.borrow().read(|db| {
            let mut statement = db.prepare(&format!("SELECT id FROM runs ORDER BY {NEWEST_FIRST}"))?;
            statement.query_map([], |row| row.get(0))?.collect()
        })?;
        let aside = self.set_aside()?;
        if ids.is_empty() && aside.is_empty() {
            return Err(RegistryError::NoRuns);
        }
        let unknown = || RegistryError::UnknownRun { name: name.to_owned(), nearest: nearest_ids(name, &ids) };
        if let Some(back) = latest_offset(name) {
            // Where every run is set aside, it is said why rather than that there is none.
            let damaged = |SetAside { run, problem }| RegistryError::Damaged { run, problem };
            let none = || aside.into_iter().next().filter(|_| ids.is_empty()).map_or_else(unknown, damaged);
            return ids.get(back).copied().ok_or_else(none);
        }
        if name.is_empty() || name.len() > RUN_ID_HEX_DIGITS || !is_lower_hex(name) {
            return Err(unknown());
        }
        let mut matching: Vec<_> = ids.iter().filter(|id| id.to_string().starts_with(name)).copied().collect();
        matching.sort_unstable();
        let mut aside = aside.into_iter().filter(|aside| aside.run.to_string().starts_with(name));
        match matching.as_slice() {
            [] => Err(aside
                .next()
                .map_or_else(unknown, |SetAside { run, problem }| RegistryError::Damaged { run, problem })),
            [run] => Ok(*run),
            several => {
                let mut candidates: Vec<_> = several.iter().take(CANDIDATES).map(RunId::to_string).collect();
                if several.len() > CANDIDATES {
                    candidates.push(format!("and {} more", several.len() - CANDIDATES));
                }
                Err(RegistryError::AmbiguousRun { name: name.to_owned(), candidates })
            }
        }
    }
}

impl Registry {
    /// The study that a name means, with its plan: `latest` (the study of the newest run), a study's name (with the plan that
    /// was run last), or the first four or more digits of a plan's digest.
    ///
    /// # Errors
    /// [`RegistryError::UnknownStudy`] with the nearest names, [`RegistryError::AmbiguousPlan`], or
    /// [`RegistryError::NoRuns`].
    pub fn find_study(&self, name: &str) -> Result<FoundStudy, RegistryError> {
        let newest = |condition: &str, parameters: &[&dyn rusqlite::ToSql]| {
            let sql = format!(
                "SELECT runs.study, plan, toml, created_at FROM runs JOIN plans ON digest = plan
                 WHERE {condition} ORDER BY {} LIMIT 1",
                NEWEST_FIRST.replace("study", "runs.study")
            );
            let read = |row: &rusqlite::Row<'_>| Ok((found(row)?, row.get::<_, String>(3)?));
            self.index.borrow().read(|db| db.query_row(&sql, parameters, read).optional())
        };
        let by_run = match name {
            LATEST => Some(newest("true", &[])?.ok_or(RegistryError::NoRuns)?),
            _ => newest("runs.study = ?1", &[&name])?,
        };
        if let Some((study, begun_at)) = by_run {
            // A plan all of whose trials had ended before began no run.
            let kept = self.study_plans(&study.study)?.into_iter().next();
            return match kept.filter(|kept| kept.written_at > begun_at) {
                Some(kept) => FoundStudy::of(study.study, kept.toml),
                None => Ok(study),
            };
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
        let mut plans: Vec<FoundStudy> = self.index.borrow().read(|db| {
            let sql = "SELECT study, digest, toml FROM plans WHERE substr(digest, 1, ?2) = ?1 ORDER BY digest";
            db.prepare(sql)?.query_map(rusqlite::params![prefix, prefix.len() as i64], found)?.collect()
        })?;
        for (study, toml) in self.kept_under(prefix)? {
            let kept = FoundStudy::of(study, toml)?;
            if kept.plan.to_string().starts_with(prefix) && !plans.contains(&kept) {
                plans.push(kept);
            }
        }
        Ok(plans)
    }
}

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<FoundStudy> {
    Ok(FoundStudy { study: row.get(0)?, plan: row.get::<_, Name<Digest>>(1)?.0, plan_toml: row.get(2)? })
}

/// `latest` is 0, `latest~N` is N.
fn latest_offset(name: &str) -> Option<usize> {
    match name.strip_prefix(LATEST)? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

fn nearest_ids(name: &str, ids: &[RunId]) -> Vec<String> {
    let names = ids.iter().map(RunId::to_string).chain([LATEST.to_owned()]);
    // An id is typed by its beginning, and so compared by as much of it.
    nearest(name, names, |candidate| candidate.get(..name.len()).unwrap_or(candidate))
}

/// The candidates that differ from `name` by at most a third of its characters, the nearest first.
pub fn nearest(name: &str, candidates: impl Iterator<Item = String>, compared: impl Fn(&str) -> &str) -> Vec<String> {
    let bound = (name.chars().count() / 3).max(1);
    let mut ranked: Vec<_> = candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, compared(&candidate)), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(SUGGESTIONS).map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn a_run_is_named_by_age_or_by_the_beginning_of_its_id() {
        let runs = tempfile::tempdir().unwrap();
        let [finished, failed, lost] = three_runs(runs.path());
        let registry = open(runs.path());
        for (name, run) in [("latest", lost), ("latest~0", lost), ("latest~1", failed), ("latest~2", finished)] {
            assert_eq!(registry.resolve(name).unwrap(), run, "{name}");
        }
        let id = failed.to_string();
        assert_eq!(registry.resolve(&id).unwrap(), failed);
        assert_eq!(registry.resolve(&id[..6]).unwrap(), failed);
    }

    #[test]
    fn unknown_names_give_the_nearest_and_hostile_ones_nothing() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        assert!(matches!(registry.resolve("latest"), Err(RegistryError::NoRuns)));
        let [_, failed, _] = three_runs(runs.path());
        let nearest = |name: &str| match registry.resolve(name) {
            Err(RegistryError::UnknownRun { nearest, .. }) => nearest,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(nearest("lastest"), ["latest"]);
        let mut typo = failed.to_string()[..8].to_owned();
        typo.replace_range(3..4, if typo.as_bytes()[3] == b'0' { "1" } else { "0" });
        assert_eq!(nearest(&typo), [failed.to_string()]);
        for name in ["", "latest~9", "latest~x", "../../etc", "é", "%", "' OR 1=1", &"0".repeat(17)] {
            assert!(nearest(name).len() <= SUGGESTIONS, "{name}");
        }
    }

    #[test]
    fn a_prefix_that_several_runs_share_lists_them() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let plan = plan("demo");
        // Seventeen ids cannot begin with sixteen different digits.
        let ids: Vec<_> = (1..=17).map(|seed| begin(&registry, &plan, 0, seed).run().to_string()).collect();
        let beginning = |id: &String| id[..1].to_owned();
        let shared = ids.iter().map(beginning).find(|digit| ids.iter().filter(|id| id.starts_with(digit)).count() > 1);
        let shared = shared.expect("the pigeonhole principle");
        let mut expected: Vec<_> = ids.into_iter().filter(|id| id.starts_with(&shared)).collect();
        expected.sort_unstable();
        match registry.resolve(&shared) {
            Err(RegistryError::AmbiguousRun { candidates, .. }) => assert_eq!(candidates, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_study_is_named_by_age_name_or_the_beginning_of_its_plans_digest() {
        let runs = tempfile::tempdir().unwrap();
        assert!(matches!(open(runs.path()).find_study("latest"), Err(RegistryError::NoRuns)));
        let at = |secs| Registry::lead(runs.path(), clock(secs)).unwrap();
        let (old, mut new) = (plan("demo"), plan("demo"));
        new.study.seeds.push(4);
        complete(begin(&at(1), &old, 0, 1));
        complete(begin(&at(2), &new, 0, 4));
        begin(&at(3), &plan("other"), 0, 1).fail("on purpose").unwrap();
        let registry = at(4);
        assert_eq!(registry.find_study("latest").unwrap().study, "other");
        assert_eq!(registry.find_study("demo").unwrap().plan_toml, new.to_toml());
        let mut of_no_run = old.clone();
        of_no_run.study.seeds = vec![1, 4];
        registry.keep_study_plan("demo", &of_no_run.digest(), &of_no_run.to_toml()).unwrap();
        let write = |at: &str| {
            let sheet = serde_json::json!({ "written_at": at });
            registry.write_study("demo", &of_no_run.digest(), &sheet).unwrap();
        };
        write("1999-01-01T00:00:00.000Z");
        assert_eq!(registry.find_study("demo").unwrap().plan, new.digest(), "the newest run is newer");
        write("2999-01-01T00:00:00.000Z");
        for name in ["demo", &of_no_run.digest().to_string()[..12], &of_no_run.digest().to_string()[..5]] {
            let found = registry.find_study(name).unwrap();
            assert_eq!((found.plan, found.plan_toml), (of_no_run.digest(), of_no_run.to_toml()), "{name}");
        }
        registry.keep_study_plan("demo", &of_no_run.digest(), "no plan").unwrap();
        assert!(matches!(registry.find_study("demo"), Err(RegistryError::KeptPlan { .. })));
        registry.keep_study_plan("demo", &of_no_run.digest(), &of_no_run.to_toml()).unwrap();
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
}
