//! What a study itself leaves behind, beside its runs: `runs/studies/<study>/<plan>/`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::RegistryError;
use super::files;
use super::id::check_study_name;
use super::registry::Registry;
use augtrial_base::clock::{Clock, rfc3339};
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability};

const PEEKED: &str = "peeked.json";
const PLAN: &str = "plan.toml";
const SHEET: &str = "study.json";

/// A plan that a study was run by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPlan {
    pub toml: String,
    /// When [`Registry::write_study`] last wrote under it, RFC 3339 in UTC.
    pub written_at: String,
}

/// What this module reads of a study's file.
#[derive(Deserialize)]
struct Written {
    written_at: String,
}

/// When results on the test split were first shown although trials of the plan had not ended.
#[derive(Serialize, Deserialize)]
struct Peeked {
    /// RFC 3339 in UTC.
    first_at: String,
}
pub(super) const STUDIES: &str = "studies";

impl Registry {
    /// Writes, whole or not at all, what a study itself found under a plan: class tables, set digests, flow, timings.
    ///
    /// # Errors
    /// If the study's name is not usable or the file cannot be written.
    pub fn write_study<T: Serialize + ?Sized>(
        &self,
        study: &str,
        plan: &Digest,
        value: &T,
    ) -> Result<PathBuf, RegistryError> {
        let path = self.study_path(study, plan)?;
        let folder = disk::parent(&path);
        disk::create_folder(folder).map_err(RegistryError::io("create", folder))?;
        files::replace_json(&path, value, Durability::Now)?;
        Ok(path)
    }

    /// What [`write_study`](Self::write_study) wrote; `None` if nothing was.
    ///
    /// # Errors
    /// If the study's name is not usable, or the file cannot be read as a `T`.
    pub fn read_study<T: DeserializeOwned>(&self, study: &str, plan: &Digest) -> Result<Option<T>, RegistryError> {
        files::read_json(&self.study_path(study, plan)?)
    }

    /// Keeps a PNG file beside what [`write_study`](Self::write_study) wrote, under its digest.
    ///
    /// # Errors
    /// If the study's name is not usable or the file cannot be written.
    pub fn write_picture(&self, study: &str, plan: &Digest, png: &[u8]) -> Result<Digest, RegistryError> {
        let digest = Digest::of_bytes(png);
        let path = self.picture_path(study, plan, &digest)?;
        keep(&path, png)?;
        Ok(digest)
    }

    /// A picture that [`write_picture`](Self::write_picture) wrote.
    ///
    /// # Errors
    /// If it is not there, or has another content than its digest says.
    pub fn read_picture(&self, study: &str, plan: &Digest, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let path = self.picture_path(study, plan, digest)?;
        let png = fs::read(&path).map_err(RegistryError::io("read", &path))?;
        if Digest::of_bytes(&png) == *digest { Ok(png) } else { Err(RegistryError::Picture { path }) }
    }

    /// Keeps a file of this name, one path component, beside what [`write_study`](Self::write_study) wrote.
    ///
    /// # Errors
    /// If the study's name is not usable or the file cannot be written.
    pub fn write_study_file(
        &self,
        study: &str,
        plan: &Digest,
        name: &str,
        bytes: &[u8],
    ) -> Result<PathBuf, RegistryError> {
        let path = disk::parent(&self.study_path(study, plan)?).join(name);
        keep(&path, bytes)?;
        Ok(path)
    }

    /// A file that [`write_study_file`](Self::write_study_file) wrote; `None` if there is none.
    ///
    /// # Errors
    /// If the study's name is not usable or the file cannot be read.
    pub fn read_study_file(&self, study: &str, plan: &Digest, name: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        files::read_optional(&disk::parent(&self.study_path(study, plan)?).join(name))
    }

    /// The value in a JSON file that [`write_study_file`](Self::write_study_file) wrote; `None` if there is none of this name.
    ///
    /// # Errors
    /// If the study's name is not usable, or the file cannot be read as a `T`.
    pub fn read_study_json<T: DeserializeOwned>(
        &self,
        study: &str,
        plan: &Digest,
        name: &str,
    ) -> Result<Option<T>, RegistryError> {
        files::read_json(&disk::parent(&self.study_path(study, plan)?).join(name))
    }

    /// Keeps the plan itself beside what [`write_study`](Self::write_study) writes under it: no run need have begun under it, if
    /// all of its trials had ended before.
    ///
    /// # Errors
    /// If the study's name is not usable or the file cannot be written.
    pub fn keep_study_plan(&self, study: &str, plan: &Digest, toml: &str) -> Result<(), RegistryError> {
        self.write_study_file(study, plan, PLAN, toml.as_bytes()).map(drop)
    }

    /// The plans that [`keep_study_plan`](Self::keep_study_plan) kept, the one that was last written under first. Plans of
    /// programs that kept none are left out, and a name that no study can have has none.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn study_plans(&self, study: &str) -> Result<Vec<KeptPlan>, RegistryError> {
        let Ok(study) = check_study_name(study) else { return Ok(Vec::new()) };
        let folder = self.runs_dir().join(STUDIES).join(study);
        let mut kept = Vec::new();
        for name in files::folders_in(&folder)? {
            let folder = folder.join(name);
            let Some(toml) = plan_in(&folder)? else { continue };
            let written: Option<Written> = files::read_json(&folder.join(SHEET))?;
            kept.extend(written.map(|Written { written_at }| KeptPlan { toml, written_at }));
        }
        kept.sort_by(|one, other| other.written_at.cmp(&one.written_at));
        Ok(kept)
    }

    /// Studies and kept plans in folders whose name begins as these digits of a plan's digest do.
    pub(crate) fn kept_under(&self, digits: &str) -> Result<Vec<(String, String)>, RegistryError> {
        let studies = self.runs_dir().join(STUDIES);
        let mut kept = Vec::new();
        for study in files::folders_in(&studies)? {
            for plan in files::folders_in(&studies.join(&study))? {
                if plan.starts_with(digits) || digits.starts_with(&plan) {
                    let toml = plan_in(&studies.join(&study).join(&plan))?;
                    kept.extend(toml.map(|toml| (study.clone(), toml)));
                }
            }
        }
        Ok(kept)
    }

    /// Notes, once a plan, that results on the test split were shown before all of its trials had ended.
    ///
    /// # Errors
    /// If the study's name is not usable or the note cannot be written.
    pub fn note_peek(&self, study: &str, plan: &Digest, clock: Clock) -> Result<(), RegistryError> {
        if self.peeked_at(study, plan)?.is_some() {
            return Ok(());
        }
        let path = self.peek_path(study, plan)?;
        let folder = disk::parent(&path);
        disk::create_folder(folder).map_err(RegistryError::io("create", folder))?;
        files::replace_json(&path, &Peeked { first_at: rfc3339(clock.now()) }, Durability::Now)
    }

    /// When [`note_peek`](Self::note_peek) was first told of this plan; `None` if it never was.
    ///
    /// # Errors
    /// If the study's name is not usable or the note cannot be read.
    pub fn peeked_at(&self, study: &str, plan: &Digest) -> Result<Option<String>, RegistryError> {
        let peeked: Option<Peeked> = files::read_json(&self.peek_path(study, plan)?)?;
        Ok(peeked.map(|peeked| peeked.first_at))
    }

    fn peek_path(&self, study: &str, plan: &Digest) -> Result<PathBuf, RegistryError> {
        Ok(disk::parent(&self.study_path(study, plan)?).join(PEEKED))
    }

    fn picture_path(&self, study: &str, plan: &Digest, digest: &Digest) -> Result<PathBuf, RegistryError> {
        let sheet = self.study_path(study, plan)?;
        Ok(disk::parent(&sheet).join("gallery").join(format!("{digest}.png")))
    }

    fn study_path(&self, study: &str, plan: &Digest) -> Result<PathBuf, RegistryError> {
        let study = check_study_name(study)?;
        Ok(self.runs_dir().join(STUDIES).join(study).join(plan.short()).join(SHEET))
    }
}

/// The plan that was kept in a folder, if one was.
fn plan_in(folder: &Path) -> Result<Option<String>, RegistryError> {
    Ok(files::read_optional(&folder.join(PLAN))?.map(|toml| String::from_utf8_lossy(&toml).into_owned()))
}

/// Writes a file, and the folder that it is in, unless it is so already.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    if files::read_optional(path)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    let folder = disk::parent(path);
    disk::create_folder(folder).map_err(RegistryError::io("create", folder))?;
    disk::replace_bytes(path, bytes, Durability::Now).map_err(RegistryError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn what_a_study_leaves_is_kept_by_plan_and_inside_the_store() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let (one, two) = (Digest::of_bytes(b"one"), Digest::of_bytes(b"two"));
        let path = registry.write_study("demo", &one, &vec![1, 2]).unwrap();
        assert_eq!(path, runs.path().join("studies/demo").join(one.short()).join("study.json"));
        registry.write_study("demo", &one, &vec![3]).unwrap();
        assert_eq!(registry.read_study::<Vec<u32>>("demo", &one).unwrap(), Some(vec![3]));
        assert_eq!(registry.read_study::<Vec<u32>>("demo", &two).unwrap(), None);
        for name in ["../up", "a/b", "", ".."] {
            assert!(matches!(registry.write_study(name, &one, &1), Err(RegistryError::StudyName(_))), "{name}");
        }
    }

    #[test]
    fn the_first_peek_of_a_plan_is_kept_and_no_other() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let (one, two) = (Digest::of_bytes(b"one"), Digest::of_bytes(b"two"));
        assert_eq!(registry.peeked_at("demo", &one).unwrap(), None);
        registry.note_peek("demo", &one, clock(0)).unwrap();
        registry.note_peek("demo", &one, clock(60)).unwrap();
        assert_eq!(registry.peeked_at("demo", &one).unwrap().as_deref(), Some(AT));
        assert_eq!(registry.peeked_at("demo", &two).unwrap(), None);
    }

    #[test]
    fn pictures_come_back_as_they_were_or_not_at_all() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let plan = Digest::of_bytes(b"plan");
        let digest = registry.write_picture("demo", &plan, b"pixels").unwrap();
        assert_eq!(registry.read_picture("demo", &plan, &digest).unwrap(), b"pixels");
        let path = registry.picture_path("demo", &plan, &digest).unwrap();
        fs::write(&path, b"others").unwrap();
        assert!(matches!(registry.read_picture("demo", &plan, &digest), Err(RegistryError::Picture { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(registry.read_picture("demo", &plan, &digest), Err(RegistryError::Io { .. })));
    }
}
