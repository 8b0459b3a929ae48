//! `--set key=value` and `--seeds`: changes to an experiment file from the command line, recorded with every run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml_edit::{DocumentMut, Item, TableLike, Value};

/// Parts of a key at most: no file has tables so deep, and each part is a step of a recursion.
const MOST_PARTS: usize = 16;
/// Bytes of an assignment at most.
const MOST_BYTES: usize = 64 * 1024;
/// Brackets and braces of a value that may be open at once.
const MOST_NESTED: usize = 32;
/// Seeds of a study at most: each is a trial of every arm.
pub const MOST_SEEDS: usize = 10_000;
/// The key of a study's seeds.
const SEEDS_KEY: &str = "study.seeds";

/// A change to an experiment file. As text it is of the form `key=value`; so it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    /// These seeds instead of the file's. Whatever is run of a study, its file still declares its own.
    Seeds(Vec<u64>),
    /// Another value, as it was typed.
    Value { key: String, value: String },
}

/// Why a text is not an [`Override`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseOverrideError {
    #[error("`{0}` is not of the form key=value")]
    Form(String),
    #[error("a change may have {MOST_BYTES} bytes, keys of {MOST_PARTS} parts and {MOST_NESTED} nested values at most")]
    TooLarge,
}

impl FromStr for Override {
    type Err = ParseOverrideError;

    fn from_str(text: &str) -> Result<Self, ParseOverrideError> {
        if text.len() > MOST_BYTES {
            return Err(ParseOverrideError::TooLarge);
        }
        let (key, value) = text.split_once('=').ok_or_else(|| ParseOverrideError::Form(text.to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        if key.split('.').count() > MOST_PARTS || nesting(value) > MOST_NESTED {
            return Err(ParseOverrideError::TooLarge);
        }
        let seeds = (key == SEEDS_KEY).then(|| seeds_of(value)).flatten();
        Ok(seeds.map_or_else(|| Self::Value { key: key.to_owned(), value: value.to_owned() }, Self::Seeds))
    }
}

/// As it can be typed again.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seeds(seeds) => write!(f, "{SEEDS_KEY}={seeds:?}"),
            Self::Value { key, value } => write!(f, "{key}={value}"),
        }
    }
}

impl Serialize for Override {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Override {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whole numbers of zero and more; another value is left to the checks, which say what is wrong with it.
fn seeds_of(value: &str) -> Option<Vec<u64>> {
    let value: Value = value.parse().ok()?;
    value.as_array()?.iter().map(|seed| u64::try_from(seed.as_integer()?).ok()).collect()
}

/// How many brackets and braces are open at once, at most. Those in strings are counted too: the bound is generous.
fn nesting(value: &str) -> usize {
    let mut open = 0_usize;
    let mut most = 0;
    for byte in value.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Writes `overrides` (`classifier.batch_size=16`, `arm[1].repeat=2`) into a TOML text. A value that is not TOML is taken for
/// a string.
///
/// # Errors
/// A sentence that says which assignment is wrong, and why.
pub(super) fn apply(text: &str, overrides: &[Override]) -> Result<String, String> {
    if overrides.is_empty() {
        return Ok(text.to_owned());
    }
    // A text that does not parse is left alone: the parser that follows says where it is wrong.
    let Ok(mut document) = text.parse::<DocumentMut>() else { return Ok(text.to_owned()) };
    for assignment in overrides {
        let (key, value) = match assignment {
            Override::Seeds(seeds) => (SEEDS_KEY, format!("{seeds:?}")),
            Override::Value { key, value } => (key.as_str(), value.clone()),
        };
        let value: Value = value.parse().unwrap_or_else(|_| value.into());
        set(document.as_table_mut(), key, value).map_err(|why| format!("`{assignment}`: {why}"))?;
    }
    Ok(document.to_string())
}

fn set(root: &mut dyn TableLike, path: &str, value: Value) -> Result<(), String> {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let (key, index) = match head.strip_suffix(']').and_then(|head| head.split_once('[')) {
        Some((key, index)) => {
            let index: usize = index.parse().map_err(|_| format!("`{index}` is not an index"))?;
            (key, Some(index))
        }
        None => (head, None),
    };
    if key.is_empty() {
        return Err("a part of the key is empty".to_owned());
    }
    match (rest, index) {
        (None, None) => {
            root.insert(key, Item::Value(value));
            Ok(())
        }
        (None, Some(_)) => Err("an index must be followed by a key".to_owned()),
        (Some(rest), None) => {
            let below = root.entry(key).or_insert_with(|| Item::Table(toml_edit::Table::new()));
            let below = below.as_table_like_mut().ok_or_else(|| format!("`{key}` is not a table"))?;
            set(below, rest, value)
        }
        (Some(rest), Some(index)) => {
            let missing = || format!("there is no `{key}[{index}]`");
            match root.get_mut(key).ok_or_else(missing)? {
                Item::ArrayOfTables(tables) => set(tables.get_mut(index).ok_or_else(missing)?, rest, value),
                Item::Value(Value::Array(values)) => {
                    let table = values.get_mut(index).and_then(Value::as_inline_table_mut).ok_or_else(missing)?;
                    set(table, rest, value)
                }
                _ => Err(missing()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[study]\nname = \"a\"\n\n[[arm]]\nname = \"x\"\n\n[[arm]]\nname = \"y\"\n";

    fn with(assignment: &str) -> Result<String, String> {
        apply(TEXT, &[assignment.parse().map_err(|error: ParseOverrideError| error.to_string())?])
    }

    #[test]
    fn values_are_replaced_added_and_reached_by_index() {
        assert!(with("study.name=b").unwrap().contains("name = \"b\""));
        assert!(with("study.seeds=[1, 2]").unwrap().contains("seeds = [1, 2]"));
        assert!(with("arm[1].repeat=2").unwrap().ends_with("name = \"y\"\nrepeat = 2\n"));
        assert!(with("classifier.budget={ epochs = 2 }").unwrap().contains("[classifier]\nbudget = { epochs = 2 }"));
    }

    #[test]
    fn a_wrong_assignment_says_why() {
        for (assignment, why) in [
            ("study.name", "not of the form key=value"),
            ("arm[7].repeat=2", "there is no `arm[7]`"),
            ("study.name.x=2", "`name` is not a table"),
            ("arm[1]=2", "an index must be followed by a key"),
            (".x=2", "a part of the key is empty"),
        ] {
            let error = with(assignment).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn seeds_are_seeds_however_they_are_typed_and_are_recorded_as_text() {
        for text in ["study.seeds=[1, 2]", " study.seeds = [1,2] "] {
            assert_eq!(text.parse(), Ok(Override::Seeds(vec![1, 2])), "{text}");
        }
        let recorded = serde_json::to_string(&Override::Seeds(vec![1, 2])).unwrap();
        assert_eq!(recorded, "\"study.seeds=[1, 2]\"");
        assert_eq!(serde_json::from_str::<Override>(&recorded).unwrap(), Override::Seeds(vec![1, 2]));
        let value = |value: &str| Ok(Override::Value { key: "study.seeds".to_owned(), value: value.to_owned() });
        assert_eq!("study.seeds=all".parse(), value("all"), "the checks say what is wrong with it");
        assert_eq!("study.seeds=[-1]".parse(), value("[-1]"));
    }

    #[test]
    fn what_is_nested_without_end_is_refused_before_it_is_read() {
        for text in [format!("a={}", "[".repeat(60_000)), format!("{}x=1", "a.".repeat(60_000)), "x".repeat(100_000)] {
            assert_eq!(text.parse::<Override>(), Err(ParseOverrideError::TooLarge));
        }
    }
}
