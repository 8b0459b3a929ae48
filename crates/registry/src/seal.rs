//! `done.json` closes a record: it holds the size and digest of every file of the record, and a digest of itself.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::RegistryError;
use super::id::RunId;
use super::record::Done;
use augtrial_base::digest::Digest;

/// Fields of `done.json` beside those of [`Done`].
const FILES: &str = "files";
const DIGEST: &str = "digest";
/// A larger file is hashed only when everything is to be verified: weights have 45 MB and more.
const QUICK_BYTES: u64 = 8 << 20;

/// Names the weights that a record was exported without.
pub(super) const LEFT_OUT: &str = "left-out.json";
/// Endings of files that a record can do without.
const WEIGHTS: &str = ".safetensors";
/// Weights that a command of the user's left; a record can do without them, too.
pub(super) const TRAINER_WEIGHTS: &str = "trainer-weights";

/// A file of a closed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub bytes: u64,
    pub digest: Digest,
}

/// How closely files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Large files by their size alone.
    Quick,
    /// Every byte.
    Full,
}

/// The files of a closed record, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Seal(BTreeMap<String, Mark>);

impl Seal {
    /// Of these files in a run's folder.
    pub fn of(folder: &Path, names: &[&str]) -> Result<Self, RegistryError> {
        let mark = |name: &&str| {
            let path = folder.join(name);
            let failed = RegistryError::io("read", &path);
            let mark =
                path.metadata().and_then(|found| Ok(Mark { bytes: found.len(), digest: Digest::of_file(&path)? }));
            Ok(((*name).to_owned(), mark.map_err(failed)?))
        };
        names.iter().map(mark).collect::<Result<_, _>>().map(Self)
    }

    /// The files that it covers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The content of `done.json`.
    pub fn close(&self, done: &Done) -> Value {
        let mut value = serde_json::to_value(done).expect("plain data has a JSON form");
        let fields = value.as_object_mut().expect("it has fields");
        fields.insert(FILES.to_owned(), serde_json::to_value(self).expect("plain data has a JSON form"));
        let digest = digest_of(fields);
        fields.insert(DIGEST.to_owned(), digest.to_string().into());
        value
    }

    /// From the content of `done.json`; without a seal for a record of the first format.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(value: Value) -> Result<(Done, Option<Self>), String> {
        let seal = match value.get(DIGEST).and_then(Value::as_str) {
            None => None,
            Some(recorded) => {
                let mut fields = value.as_object().cloned().unwrap_or_default();
                fields.remove(DIGEST);
                if digest_of(&fields).to_string() != recorded {
                    return Err("done.json does not have the digest that it states".to_owned());
                }
                let files = fields.remove(FILES).unwrap_or_default();
                Some(serde_json::from_value(files).map_err(|error| format!("done.json lists no files: {error}"))?)
            }
        };
        Ok((serde_json::from_value(value).map_err(|error| format!("done.json: {error}"))?, seal))
    }

    /// Whether the files of `run` are those that were there when its record was closed.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] with the first that is not; [`RegistryError::Io`] if a file is there and the system cannot
    /// read it now, which says nothing of the record.
    pub fn check(&self, run: RunId, folder: &Path, depth: Depth) -> Result<(), RegistryError> {
        let damaged = |problem: String| RegistryError::Damaged { run, problem };
        let left_out: Vec<String> = std::fs::read(folder.join(LEFT_OUT))
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default();
        for (name, mark) in &self.0 {
            let path = folder.join(name);
            let are_weights = name.ends_with(WEIGHTS) || name == TRAINER_WEIGHTS;
            if are_weights && left_out.contains(name) && !path.exists() {
                continue;
            }
            let unreadable = |error: io::Error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => damaged(format!("{name} is missing")),
                io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory => {
                    damaged(format!("{name} cannot be read: {error}"))
                }
                _ => RegistryError::io("read", &path)(error),
            };
            let bytes = path.metadata().map_err(unreadable)?.len();
            if bytes != mark.bytes {
                return Err(damaged(format!("{name} has {bytes} bytes and had {} when the run ended", mark.bytes)));
            }
            if depth == Depth::Full || bytes <= QUICK_BYTES {
                let digest = Digest::of_file(&path).map_err(unreadable)?;
                if digest != mark.digest {
                    return Err(damaged(format!("{name} was changed since the run ended")));
                }
            }
        }
        Ok(())
    }
}

fn digest_of(fields: &Map<String, Value>) -> Digest {
    Digest::of_value("done-v1", fields)
}
