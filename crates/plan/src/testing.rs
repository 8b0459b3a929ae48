//! Odd experiment files, for the fuzzing of this crate and of those that take a plan further.

use augtrial_base::testing::Mutation;
use proptest::prelude::{Strategy, any, prop};
use toml_edit::{DocumentMut, Item, TableLike, Value};

/// What stands where something else is expected: ends of types, other types, texts that nobody means.
const ODD: [&str; 24] = [
    "0",
    "1",
    "2",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "65536",
    "0.0",
    "-0.0",
    "1e308",
    "1e-320",
    "nan",
    "inf",
    "true",
    "\"\"",
    "\"missing\"",
    "\"../missing\"",
    "\"\\u0000\\u001b[31m\"",
    "[]",
    "[1, 1]",
    "[[0]]",
    "{}",
    "{ a = {} }",
];

/// One change of an experiment file.
#[derive(Clone, Debug)]
pub enum Edit {
    /// The value of a key, given as a share of all keys, becomes an odd one.
    Value(f64, usize),
    /// A key is taken away.
    Remove(f64),
    /// Bytes are changed.
    Bytes(Mutation),
}

impl Edit {
    /// Any one: mostly files that are TOML still, so that the checks behind the parser are reached.
    pub fn any() -> impl Strategy<Value = Self> {
        let place = 0.0..1.0_f64;
        proptest::prop_oneof![
            6 => (place.clone(), any::<prop::sample::Index>()).prop_map(|(at, odd)| Self::Value(at, odd.index(ODD.len()))),
            2 => place.prop_map(Self::Remove),
            1 => Mutation::any().prop_map(Self::Bytes),
        ]
    }

    /// The file after all `edits`, one after the other; what is no TOML any more is changed by bytes alone.
    #[must_use]
    pub fn all(edits: &[Self], text: &str) -> String {
        edits.iter().fold(text.to_owned(), |text, edit| edit.apply(&text))
    }

    fn apply(&self, text: &str) -> String {
        let (share, odd) = match self {
            Self::Bytes(change) => {
                let bytes = Mutation::all(std::slice::from_ref(change), text.as_bytes());
                return String::from_utf8_lossy(&bytes).into_owned();
            }
            Self::Value(share, odd) => (share, Some(ODD[*odd])),
            Self::Remove(share) => (share, None),
        };
        let Ok(mut document) = text.parse::<DocumentMut>() else { return text.to_owned() };
        let keys = count(document.as_table_mut());
        let mut at = (keys as f64 * share) as usize;
        change(document.as_table_mut(), &mut at, odd);
        document.to_string()
    }
}

/// Every table directly below an item, those of arrays too.
fn tables(item: &mut Item) -> Vec<&mut dyn TableLike> {
    if let Item::ArrayOfTables(tables) = item {
        return tables.iter_mut().map(|table| table as &mut dyn TableLike).collect();
    }
    if let Item::Value(Value::Array(values)) = item {
        return values.iter_mut().filter_map(|v| Some(v.as_inline_table_mut()? as &mut dyn TableLike)).collect();
    }
    item.as_table_like_mut().into_iter().collect()
}

fn count(table: &mut dyn TableLike) -> usize {
    table.iter_mut().map(|(_, item)| 1 + tables(item).into_iter().map(count).sum::<usize>()).sum()
}

/// Changes the key that `at` counts down to; says whether it was met.
fn change(table: &mut dyn TableLike, at: &mut usize, odd: Option<&str>) -> bool {
    let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        if *at == 0 {
            match odd {
                Some(odd) => table.insert(&key, Item::Value(odd.parse().expect("odd values are TOML"))),
                None => table.remove(&key),
            };
            return true;
        }
        *at -= 1;
        let item = table.get_mut(&key).expect("the key was just listed");
        if tables(item).into_iter().any(|below| change(below, at, odd)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::{Override, Plan, PlanError};
    use augtrial_base::testing::fuzz;
    use proptest::{prop_assert, prop_assert_eq};

    /// The text of every shipped experiment.
    fn shipped() -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    fn parse(text: &str, overrides: &[Override]) -> Result<Plan, PlanError> {
        Plan::parse("changed.toml", text, PathBuf::new(), overrides)
    }

    /// What a file gave: an error that can be read, or a plan that is itself again when it is written out and read.
    fn check(given: Result<Plan, PlanError>) -> Result<(), proptest::test_runner::TestCaseError> {
        match given {
            Err(error) => {
                let text = error.to_string();
                prop_assert!(!text.is_empty() && text.len() < 1_000_000, "{} bytes", text.len());
            }
            Ok(plan) => {
                let again = parse(&plan.to_toml(), &[]).map_err(|error| {
                    proptest::test_runner::TestCaseError::fail(format!("{}\n{error}", plan.to_toml()))
                })?;
                prop_assert_eq!(again.digest(), plan.digest());
                let _ = (plan.trials().take(5).count(), plan.input_px());
            }
        }
        Ok(())
    }

    #[test]
    fn no_change_of_an_experiment_file_makes_its_reader_panic_or_give_a_plan_that_cannot_be_read_again() {
        let files = shipped();
        let strategy = (any::<prop::sample::Index>(), prop::collection::vec(Edit::any(), 1..5));
        fuzz("changed experiment files", 200, &strategy, |(file, edits)| {
            check(parse(&Edit::all(&edits, &files[file.index(files.len())]), &[]))
        });
    }

    #[test]
    fn no_change_from_the_command_line_makes_its_reader_panic_or_give_a_plan_that_cannot_be_read_again() {
        const SOUND: [&str; 6] = [
            "study.seeds=[1,2,3]",
            "classifier.budget={ epochs = 2 }",
            "arm.0.name=\"plain\"",
            "study.alpha = 0.01",
            "ingest.width_px=96",
            "split.stratified={ validation = 0.1, test = 0.2 }",
        ];
        let text = &shipped()[0];
        let strategy = (any::<prop::sample::Index>(), prop::collection::vec(Mutation::any(), 0..4), 0..ODD.len() * 2);
        fuzz("changed overrides", 200, &strategy, |(sound, changes, odd)| {
            let sound = SOUND[sound.index(SOUND.len())];
            let odd = ODD.get(odd).map(|odd| format!("{}={odd}", sound.split('=').next().unwrap()));
            let bytes = Mutation::all(&changes, odd.as_deref().unwrap_or(sound).as_bytes());
            let Ok(change) = String::from_utf8_lossy(&bytes).parse::<Override>() else { return Ok(()) };
            check(parse(text, std::slice::from_ref(&change)))?;
            let again: Result<Override, _> = change.to_string().parse();
            prop_assert_eq!(again.as_ref(), Ok(&change));
            Ok(())
        });
    }
}
