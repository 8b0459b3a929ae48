//! Tables with columns `path`, `class` and, if wanted, `split` and `group`; other columns are not looked at.

use std::collections::BTreeSet;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::error::{FileLine, IngestError, KnownNames};
use super::listing::{Candidate, Listing, confine, read_listing, refuse_names, refuse_repeats};
use crate::inside::Root;
use augtrial_base::events::Split;
use augtrial_base::words::plural;
use augtrial_plan::declared;

/// What other programs call the columns, for whoever has to rename them.
const OTHER_NAMES: [(&str, &[&str]); 2] = [
    ("path", &["file", "file_name", "filename", "filepath", "image", "image_id", "image_path", "img", "name"]),
    ("class", &["category", "class_name", "label", "labels", "species", "target", "y"]),
];

struct Columns {
    path: usize,
    class: usize,
    split: Option<usize>,
    group: Option<usize>,
}

/// Lists the rows of a table.
pub(super) fn list(root: &Path, file: &Path, classes: Option<&[String]>) -> Result<Listing, IngestError> {
    let text = text(file)?;
    let delimiter = declared::delimiter(text.lines().next().unwrap_or_default());
    // The number of fields is checked here: a line of blanks is one field, and no row.
    let mut reader =
        ReaderBuilder::new().trim(Trim::All).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| refused(file, e))?.clone();
    let columns = columns(file, &header)?;
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| refused(file, e))?;
        if row.iter().all(str::is_empty) {
            continue;
        }
        if row.len() == header.len() {
            rows.push(row);
        } else {
            let problem = format!(
                "the line has {}, and the first line names {}",
                plural(row.len(), "field"),
                plural(header.len(), "column")
            );
            return Err(IngestError::Malformed { place: place(file, &row), problem });
        }
    }
    let found: BTreeSet<&str> = rows.iter().map(|row| &row[columns.class]).filter(|class| !class.is_empty()).collect();
    let classes = classes.map_or_else(|| found.into_iter().map(str::to_owned).collect(), <[String]>::to_vec);
    refuse_names(&classes)?;
    let root = Root::new(root);
    let candidate = |row| candidate(&root, file, &columns, &classes, row);
    let candidates: Vec<_> = rows.iter().map(candidate).collect::<Result<_, _>>()?;
    refuse_repeats(&candidates)?;
    Ok(Listing { classes, candidates, ..Listing::default() })
}

/// The text of a table. Bytes that are no text are for the reader to refuse, each with its line.
fn text(file: &Path) -> Result<String, IngestError> {
    let bytes = read_listing(file)?;
    let malformed = |line, problem: &str| IngestError::Malformed {
        place: FileLine { file: file.to_owned(), line },
        problem: problem.to_owned(),
    };
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(malformed(None, "the file is UTF-16: save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let lines = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
            Err(malformed(Some(lines as u64), "the line is not UTF-8: save the file as UTF-8"))
        }
    }
}

fn columns(file: &Path, header: &StringRecord) -> Result<Columns, IngestError> {
    let place = || FileLine::line(file, 1);
    let find = |name: &str| -> Result<Option<usize>, IngestError> {
        let mut places =
            header.iter().enumerate().filter(|(_, column)| column.eq_ignore_ascii_case(name)).map(|(i, _)| i);
        match (places.next(), places.next()) {
            (_, Some(_)) => {
                let problem = format!("there are two columns `{name}`: rename one");
                Err(IngestError::Malformed { place: place(), problem })
            }
            (found, None) => Ok(found),
        }
    };
    let need = |name: &str| {
        find(name)?.ok_or_else(|| IngestError::Malformed { place: place(), problem: missing(name, header) })
    };
    Ok(Columns { path: need("path")?, class: need("class")?, split: find("split")?, group: find("group")? })
}

/// What to say of a column that is not there.
fn missing(name: &str, header: &StringRecord) -> String {
    let found: Vec<String> = header.iter().take(20).map(|column| format!("`{}`", column.escape_debug())).collect();
    let others = OTHER_NAMES.iter().find(|(wanted, _)| *wanted == name).map_or(&[][..], |(_, others)| others);
    let meant = header.iter().find(|column| others.contains(&column.to_lowercase().as_str()));
    let help = meant.map_or_else(
        || "the first line must name the columns `path` and `class`".to_owned(),
        |meant| format!("rename `{meant}` to `{name}`, if that is what it holds"),
    );
    format!("there is no column `{name}` among {}: {help}", found.join(", "))
}

fn place(file: &Path, row: &StringRecord) -> FileLine {
    FileLine::line(file, row.position().map_or(0, csv::Position::line))
}

fn candidate(
    root: &Root,
    file: &Path,
    columns: &Columns,
    classes: &[String],
    row: &StringRecord,
) -> Result<Candidate, IngestError> {
    let place = place(file, row);
    let path = confine(root, &row[columns.path], &place)?;
    let class = &row[columns.class];
    let Some(index) = classes.iter().position(|known| known == class) else {
        let known = KnownNames::near(class, classes);
        return Err(IngestError::UnknownClass { place, class: class.to_owned(), known });
    };
    let optional = |column: Option<usize>| column.map(|column| &row[column]).filter(|value| !value.is_empty());
    let split = optional(columns.split).map(|name| split(name, &place)).transpose()?;
    let group = optional(columns.group).map(str::to_owned);
    Ok(Candidate { path, class: index as u32, group, split, place: Some(place) })
}

fn split(name: &str, place: &FileLine) -> Result<Split, IngestError> {
    declared::part_named(name).ok_or_else(|| IngestError::Malformed {
        place: place.clone(),
        problem: format!("split `{name}` is not one of `train`, `validation`, `test`"),
    })
}

fn refused(file: &Path, error: csv::Error) -> IngestError {
    let line = error.position().map(csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => IngestError::Unreadable { path: file.to_owned(), source },
        kind => {
            let place = FileLine { file: file.to_owned(), line };
            IngestError::Malformed { place, problem: format!("not readable as CSV: {kind:?}") }
        }
    }
}
