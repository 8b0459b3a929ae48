//! Where `data/` is: beside the folder of the experiments, or where `AUGTRIAL_DATA` says, so that shipped experiments find data sets
//! that lie elsewhere.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Names the folder that stands for `data/`.
pub const DATA_VARIABLE: &str = "AUGTRIAL_DATA";

/// What [`DATA_VARIABLE`] names, if it names anything.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    std::env::var_os(DATA_VARIABLE).filter(|name: &OsString| !name.is_empty()).map(PathBuf::from)
}

/// A path of an experiment file in the folder `base`.
pub(super) fn resolve(base: &Path, path: &str) -> PathBuf {
    resolve_with(base, Path::new(path), data_folder().as_deref())
}

/// The same with `data` for the folder `data` beside the experiment, or above it.
fn resolve_with(base: &Path, path: &Path, data: Option<&Path>) -> PathBuf {
    let mut parts = path.components().skip_while(|part| matches!(part, Component::CurDir | Component::ParentDir));
    match (data, parts.next()) {
        (Some(data), Some(Component::Normal(first))) if first == "data" && path.is_relative() => {
            data.join(parts.collect::<PathBuf>())
        }
        _ => base.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_data_is_where_the_variable_says_and_nothing_else_moves() {
        let resolved = |path: &str, data: Option<&str>| {
            resolve_with(Path::new("experiments"), Path::new(path), data.map(Path::new)).display().to_string()
        };
        for path in ["data/trashnet/a", "../data/trashnet/a", "./../../data/trashnet/a"] {
            assert_eq!(resolved(path, Some("/big/sets")), "/big/sets/trashnet/a");
            assert_eq!(resolved(path, None), format!("experiments/{path}"));
        }
        assert_eq!(resolved("../data", Some("/big/sets")), "/big/sets/");
        for path in ["database/x", "../models/data/x", "/data/x", "../mine/data"] {
            assert_eq!(resolved(path, Some("/big/sets")), Path::new("experiments").join(path).display().to_string());
        }
    }
}
