//! What a data set says of its own division: folders called train and test above the classes, a `split` column in a table, names
//! of shards.
//! Known before any image is opened, so that a plan can be completed with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::data_folder::resolve;
use super::dataset::Dataset;
use augtrial_base::disk;
use augtrial_base::events::Split;

/// Spellings of the parts that data sets use, in lower case.
const PARTS: [(&str, Split); 7] = [
    ("train", Split::Train),
    ("training", Split::Train),
    ("val", Split::Validation),
    ("valid", Split::Validation),
    ("validation", Split::Validation),
    ("test", Split::Test),
    ("testing", Split::Test),
];
/// Bytes of a table at most, as for whoever reads it.
const MOST_BYTES: u64 = 2 << 30;
/// What desktops and archives leave behind, besides names with a leading dot.
const LITTER: [&str; 3] = ["thumbs.db", "desktop.ini", "__macosx"];
/// Separators of tables, the first of equals.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Longest name of a class: what a file system takes for a folder's.
pub const MAX_CLASS_NAME_BYTES: usize = 255;

/// The part that is called so, in any case.
#[must_use]
pub fn part_named(name: &str) -> Option<Split> {
    let name = name.to_lowercase();
    PARTS.iter().find(|(spelling, _)| *spelling == name).map(|&(_, split)| split)
}

/// Whether a file or folder is none of a data set's business: hidden, or left behind by a desktop.
#[must_use]
pub fn is_litter(name: &str) -> bool {
    name.starts_with('.') || LITTER.contains(&name.to_lowercase().as_str())
}

/// Why a class cannot be called so; nothing if it can.
#[must_use]
pub fn class_name_problem(name: &str) -> Option<String> {
    /// Marks that turn the direction of what follows them (Unicode, UAX 9).
    fn turns(c: char) -> bool {
        matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    }
    if name.trim().is_empty() {
        Some("it is empty".to_owned())
    } else if name.len() > MAX_CLASS_NAME_BYTES {
        Some(format!("it has {} bytes, and a name has {MAX_CLASS_NAME_BYTES} at most", name.len()))
    } else {
        name.chars()
            .find(|&c| c.is_control() || turns(c))
            .map(|c| format!("it has the character {}, which cannot be printed", c.escape_unicode()))
    }
}

/// The character that separates the fields of a table with this first line.
#[must_use]
pub fn delimiter(header: &str) -> u8 {
    let count = |delimiter: u8| header.bytes().filter(|&byte| byte == delimiter).count();
    DELIMITERS.into_iter().rev().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

/// How the folders below the root of a folder data set are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// They are the classes.
    Classes,
    /// They are parts, with the classes below them. Sorted by name.
    Parts(Vec<(String, Split)>),
    /// Some are parts with folders below them, and some are not parts.
    Mixed { parts: Vec<String>, others: Vec<String> },
    /// All are called like parts, and these have no folders below them.
    Unlabeled(Vec<String>),
}

impl Level {
    /// Of the folders below `root`. One that `classes` names is a class, whatever it is called.
    ///
    /// # Errors
    /// Whatever reading the folders gives.
    pub fn below(root: &Path, classes: Option<&[String]>) -> io::Result<Self> {
        let folders = folders(root)?;
        let named = |folder: &&String| classes.is_some_and(|classes| classes.contains(folder));
        let part = |folder: &String| part_named(folder).filter(|_| !named(&folder));
        let (parts, others): (Vec<_>, Vec<_>) = folders.into_iter().partition(|folder| part(folder).is_some());
        let (mut deep, mut flat) = (Vec::new(), Vec::new());
        for folder in parts {
            let below = self::folders(&root.join(&folder))?;
            if below.is_empty() { flat.push(folder) } else { deep.push(folder) }
        }
        Ok(match (deep.is_empty(), flat.is_empty(), others.is_empty()) {
            (true, true, _) | (true, false, false) => Self::Classes,
            (_, false, true) => Self::Unlabeled(flat),
            (false, true, true) => Self::Parts(deep.into_iter().filter_map(|f| Some((f.clone(), part(&f)?))).collect()),
            (false, _, false) => Self::Mixed { parts: deep, others },
        })
    }
}

/// The folders below `folder` that are not litter, sorted; those whose names are not UTF-8 are for the reader to refuse.
fn folders(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !is_litter(&name)
            && entry.path().is_dir()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a data set prescribes its division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    Prescribed,
    None,
    /// It cannot be read, which is for the reader to say.
    Unknown,
}

impl Division {
    /// Of a data set whose relative paths start from `base`.
    #[must_use]
    pub fn of(dataset: &Dataset, base: &Path) -> Self {
        let known = |prescribed: io::Result<bool>| match prescribed {
            Ok(true) => Self::Prescribed,
            Ok(false) => Self::None,
            Err(_) => Self::Unknown,
        };
        match dataset {
            Dataset::Index(_) => Self::Prescribed,
            Dataset::Synthetic(_) => Self::None,
            Dataset::Folder(folder) => {
                let level = Level::below(&here(resolve(base, &folder.path)), folder.classes.as_deref());
                known(level.map(|level| matches!(level, Level::Parts(_))))
            }
            Dataset::Csv(csv) => known(has_splits(&resolve(base, &csv.file))),
            Dataset::Parquet(parquet) if parquet.split.is_some() => Self::Prescribed,
            Dataset::Parquet(parquet) => {
                known(shards(&here(resolve(base, &parquet.path))).map(|(_, names)| parts_of_shards(&names).is_some()))
            }
        }
    }
}

/// The Parquet files at `path`: itself, or all below it. Their folder, and their names below it, with `/`, sorted.
///
/// # Errors
/// Whatever reading the folders gives.
pub fn shards(path: &Path) -> io::Result<(PathBuf, Vec<String>)> {
    if !path.metadata()?.is_dir() {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
        return Ok((here(path.parent().unwrap_or(Path::new("")).to_owned()), vec![name.to_owned()]));
    }
    let mut names = Vec::new();
    let mut left = vec![String::new()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(path.join(&folder))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if is_litter(&name) {
                continue;
            }
            // A link to a folder may lead in a circle.
            if entry.file_type()?.is_dir() {
                left.push(below);
            } else if Path::new(&name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
                names.push(below);
            }
        }
    }
    names.sort();
    Ok((path.to_owned(), names))
}

/// The part that a shard is named after: its name up to the first `-`, `_` or `.`, else the folder that it is in.
#[must_use]
pub fn part_of_shard(name: &str) -> Option<Split> {
    let (folders, file) = name.rsplit_once('/').unwrap_or(("", name));
    let first = file.split(['-', '_', '.']).next().unwrap_or_default();
    part_named(first).or_else(|| part_named(folders.rsplit('/').next().unwrap_or_default()))
}

/// The parts of shards, if all are named after one, and not all after the same: a download of `train` alone is to be divided.
#[must_use]
pub fn parts_of_shards(names: &[String]) -> Option<Vec<Split>> {
    let parts: Vec<Split> = names.iter().map(|name| part_of_shard(name)).collect::<Option<_>>()?;
    parts.iter().any(|part| *part != parts[0]).then_some(parts)
}

/// The same path, if it is not the empty one.
fn here(path: PathBuf) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
}

/// Whether a table has a column `split` in which something stands.
fn has_splits(file: &Path) -> io::Result<bool> {
    let bytes = disk::read_regular(file, MOST_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    let delimiter = delimiter(text.lines().next().unwrap_or_default());
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let header = reader.headers()?;
    let Some(column) = header.iter().position(|name| name.eq_ignore_ascii_case("split")) else { return Ok(false) };
    for row in reader.records() {
        if row?.get(column).is_some_and(|value| !value.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        root
    }

    #[test]
    fn folders_called_like_parts_are_parts_if_they_have_folders_and_all_are_such() {
        let level = |paths: &[&str], classes: Option<&[&str]>| {
            let classes = classes.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            Level::below(tree(paths).path(), classes.as_deref()).unwrap()
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            level(&["Train/a/1", "VALID/a/1", "testing/a/1", ".cache/x", "README"], None),
            Level::Parts(vec![
                ("Train".to_owned(), Split::Train),
                ("VALID".to_owned(), Split::Validation),
                ("testing".to_owned(), Split::Test)
            ])
        );
        assert_eq!(level(&["glass/1", "paper/1"], None), Level::Classes);
        // A class may be called so: the vehicle.
        assert_eq!(level(&["bus/1", "car/1", "train/1"], None), Level::Classes);
        assert_eq!(level(&["train/a/1", "test/a/1"], Some(&["train", "test"])), Level::Classes);
        assert_eq!(level(&["train/1", "test/1"], None), Level::Unlabeled(owned(&["test", "train"])));
        assert_eq!(
            level(&["train/a/1", "test/a/1", "glass/1"], None),
            Level::Mixed { parts: owned(&["test", "train"]), others: owned(&["glass"]) }
        );
    }

    #[test]
    fn shards_are_found_in_folders_and_named_after_parts() {
        let found = |paths: &[&str]| shards(tree(paths).path()).unwrap().1;
        let of_hub = ["data/validation-00000-of-00001.parquet", "data/train-00001-of-00002.parquet"];
        let names = found(&[&of_hub[..], &["README.md", ".cache/x.parquet", "data/notes.txt"]].concat());
        assert_eq!(names, ["data/train-00001-of-00002.parquet", "data/validation-00000-of-00001.parquet"]);
        assert_eq!(parts_of_shards(&names), Some(vec![Split::Train, Split::Validation]));
        let converted = found(&["default/test/0000.parquet", "default/train/0000.parquet"]);
        assert_eq!(parts_of_shards(&converted), Some(vec![Split::Test, Split::Train]));
        for undivided in [&["train-0.parquet", "train-1.parquet"][..], &["a.parquet", "train.parquet"], &["b.PARQUET"]]
        {
            assert_eq!(parts_of_shards(&found(undivided)), None, "{undivided:?}");
        }
        let root = tree(&["x/one.parquet"]);
        let (folder, names) = shards(&root.path().join("x/one.parquet")).unwrap();
        assert_eq!((folder, names), (root.path().join("x"), vec!["one.parquet".to_owned()]));
        assert!(shards(&root.path().join("nowhere")).is_err());
    }

    #[test]
    fn tables_are_separated_by_commas_semicolons_or_tabs() {
        assert_eq!(["path,class", "path;class", "path\tclass", "path"].map(delimiter), *b",;\t,");
    }

    #[test]
    fn names_of_classes_are_short_and_can_be_printed() {
        for name in ["glass", "gl\u{e4}s \u{2713}", "a/b", &"x".repeat(255)] {
            assert_eq!(class_name_problem(name), None, "{name}");
        }
        for name in ["", "  ", &"x".repeat(256), "a\u{1b}[31m", "a\nb", "\u{202e}ssalg"] {
            assert!(class_name_problem(name).is_some(), "{name:?}");
        }
    }
}
