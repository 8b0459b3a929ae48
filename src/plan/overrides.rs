//! `--set key=value`: changes to an experiment file from the command line, recorded with every run.

use toml_edit::{DocumentMut, Item, TableLike, Value};

/// Writes `assignments` (`classifier.batch_size=16`, `arm[1].repeat=2`) into a TOML text. A value that is not TOML is taken
/// for a string.
///
/// # Errors
/// A sentence that says which assignment is wrong, and why.
pub(super) fn apply(text: &str, assignments: &[String]) -> Result<String, String> {
    if assignments.is_empty() {
        return Ok(text.to_owned());
    }
    // A text that does not parse is left alone: the parser that follows says where it is wrong.
    let Ok(mut document) = text.parse::<DocumentMut>() else { return Ok(text.to_owned()) };
    for assignment in assignments {
        let (path, value) =
            assignment.split_once('=').ok_or_else(|| format!("`{assignment}` is not of the form key=value"))?;
        let value: Value = value.trim().parse().unwrap_or_else(|_| value.trim().into());
        set(document.as_table_mut(), path.trim(), value).map_err(|why| format!("`{assignment}`: {why}"))?;
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
            let tables = root.get_mut(key).and_then(Item::as_array_of_tables_mut).ok_or_else(missing)?;
            set(tables.get_mut(index).ok_or_else(missing)?, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[study]\nname = \"a\"\n\n[[arm]]\nname = \"x\"\n\n[[arm]]\nname = \"y\"\n";

    fn with(assignment: &str) -> Result<String, String> {
        apply(TEXT, &[assignment.to_owned()])
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
}
