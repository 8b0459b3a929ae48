//! Names of runs as people type them.

use super::error::RegistryError;
use super::id::{RUN_ID_HEX_DIGITS, RunId, is_lower_hex};
use super::store::Registry;
use super::summary::NEWEST_FIRST;

/// The newest run's name.
const LATEST: &str = "latest";
/// Names offered for one that is unknown.
const SUGGESTIONS: usize = 3;
/// Candidates listed for an ambiguous prefix.
const CANDIDATES: usize = 10;

impl Registry {
    /// The run that a name means: `latest`, `latest~N` (the N-th before it), or a prefix of its id that no other shares.
    ///
    /// # Errors
    /// [`RegistryError::AmbiguousRun`] with the candidates, [`RegistryError::UnknownRun`] with the nearest names, or
    /// [`RegistryError::NoRuns`].
    pub fn resolve(&self, name: &str) -> Result<RunId, RegistryError> {
        let ids: Vec<RunId> = self.index.read(|db| {
            let mut statement = db.prepare(&format!("SELECT id FROM runs ORDER BY {NEWEST_FIRST}"))?;
            statement.query_map([], |row| row.get(0))?.collect()
        })?;
        if ids.is_empty() {
            return Err(RegistryError::NoRuns);
        }
        let unknown = || RegistryError::UnknownRun { name: name.to_owned(), nearest: nearest_ids(name, &ids) };
        if let Some(back) = latest_offset(name) {
            return ids.get(back).copied().ok_or_else(unknown);
        }
        if name.is_empty() || name.len() > RUN_ID_HEX_DIGITS || !is_lower_hex(name) {
            return Err(unknown());
        }
        let mut matching: Vec<_> = ids.iter().filter(|id| id.to_string().starts_with(name)).copied().collect();
        matching.sort_unstable();
        match matching.as_slice() {
            [] => Err(unknown()),
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
pub(super) fn nearest(
    name: &str,
    candidates: impl Iterator<Item = String>,
    compared: impl Fn(&str) -> &str,
) -> Vec<String> {
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
    use super::super::testing::*;
    use super::*;

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
}
