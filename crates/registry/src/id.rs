//! Names of runs and studies: the only user-given texts that become paths, and so checked here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::RegistryError;
use augtrial_base::digest::Digest;

/// Hexadecimal digits of a run's id.
pub(super) const RUN_ID_HEX_DIGITS: usize = 16;
/// Longest name of a study that becomes a folder, bytes.
const STUDY_NAME_MAX_BYTES: usize = 100;

/// Id of a run: the first 64 bits of SHA-256 over trial key and attempt, shown as 16 lower-case hexadecimal digits.
///
/// Deterministic: the same attempt at the same trial has the same id on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(u64);

/// The text is not a run's id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the id of a run: expected 16 lower-case hexadecimal digits")]
pub struct ParseRunIdError(String);

impl RunId {
    /// The id of attempt `attempt` (from 1) at the trial with this key.
    #[must_use]
    pub fn derive(trial_key: &Digest, attempt: u32) -> Self {
        let digest = Digest::of_value("run-v1", &(trial_key, attempt));
        let (first, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
        Self(u64::from_be_bytes(*first))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.0, width = RUN_ID_HEX_DIGITS)
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseRunIdError(text.to_owned());
        if text.len() != RUN_ID_HEX_DIGITS || !is_lower_hex(text) {
            return Err(wrong());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| wrong())
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether the text consists of lower-case hexadecimal digits.
pub(super) fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Lets only names through that are one harmless path component.
pub(super) fn check_study_name(name: &str) -> Result<&str, RegistryError> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let sound = (1..=STUDY_NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(allowed);
    if sound { Ok(name) } else { Err(RegistryError::StudyName(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_is_pinned_and_depends_on_key_and_attempt() {
        let key = Digest::of_bytes(b"trial");
        assert_eq!(RunId::derive(&key, 1).to_string(), "9c8f8f861f43cf06");
        assert_ne!(RunId::derive(&key, 1), RunId::derive(&key, 2));
        assert_ne!(RunId::derive(&key, 1), RunId::derive(&Digest::of_bytes(b"other"), 1));
    }

    #[test]
    fn ids_keep_their_leading_zeros() {
        let id: RunId = "000000000000002a".parse().unwrap();
        assert_eq!(id.to_string(), "000000000000002a");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"000000000000002a\"");
    }

    #[test]
    fn names_that_would_leave_the_store_are_refused() {
        for name in ["", ".", "..", "../up", "a/b", "a\\b", "/etc", "A", "a b", "é", "a\0", &"a".repeat(101)] {
            assert!(check_study_name(name).is_err(), "{name:?}");
            assert!(name.parse::<RunId>().is_err(), "{name:?}");
        }
        assert_eq!(check_study_name("trashnet-2").unwrap(), "trashnet-2");
    }

    proptest! {
        #[test]
        fn whatever_parses_as_an_id_is_one_path_component(text in ".{0,20}") {
            if let Ok(id) = text.parse::<RunId>() {
                prop_assert_eq!(id.to_string(), text.clone());
                prop_assert_eq!(std::path::Path::new(&text).components().count(), 1);
            }
        }

        #[test]
        fn every_id_survives_its_text(value: u64) {
            let id = RunId(value);
            prop_assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        }
    }
}
