//! CSV files with columns `path`, `class` and, if wanted, `split` and `group`; other columns are not looked at.

use std::collections::BTreeSet;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::error::{IngestError, KnownNames, Place};
use super::listing::{Candidate, Listing, confine, refuse_repeats};
use crate::events::Split;

/// Spellings of the parts that data sets use.
const SPLITS: [(&str, Split); 5] = [
    ("train", Split::Train),
    ("validation", Split::Validation),
    ("val", Split::Validation),
    ("valid", Split::Validation),
    ("test", Split::Test),
];

struct Columns {
    path: usize,
    class: usize,
    split: Option<usize>,
    group: Option<usize>,
}

/// Lists the rows of a CSV file.
pub(super) fn list(root: &Path, file: &Path, classes: Option<&[String]>) -> Result<Listing, IngestError> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_path(file).map_err(|e| refused(file, e))?;
    let columns = columns(file, reader.headers().map_err(|e| refused(file, e))?)?;
    let mut rows = Vec::new();
    for row in reader.records() {
        rows.push(row.map_err(|e| refused(file, e))?);
    }
    let found: BTreeSet<&str> = rows.iter().map(|row| &row[columns.class]).filter(|class| !class.is_empty()).collect();
    let classes = classes.map_or_else(|| found.into_iter().map(str::to_owned).collect(), <[String]>::to_vec);
    let candidate = |row| candidate(root, file, &columns, &classes, row);
    let candidates: Vec<_> = rows.iter().map(candidate).collect::<Result<_, _>>()?;
    refuse_repeats(&candidates)?;
    Ok(Listing { classes, candidates, ..Listing::default() })
}

fn columns(file: &Path, header: &StringRecord) -> Result<Columns, IngestError> {
    let find = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let need = |name: &str| {
        let problem =
            || format!("there is no column `{name}`: the first line must name the columns `path` and `class`");
        find(name).ok_or_else(|| IngestError::Malformed { place: Place::line(file, 1), problem: problem() })
    };
    Ok(Columns { path: need("path")?, class: need("class")?, split: find("split"), group: find("group") })
}

fn candidate(
    root: &Path,
    file: &Path,
    columns: &Columns,
    classes: &[String],
    row: &StringRecord,
) -> Result<Candidate, IngestError> {
    let place = Place::line(file, row.position().map_or(0, csv::Position::line));
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

fn split(name: &str, place: &Place) -> Result<Split, IngestError> {
    let lower = name.to_lowercase();
    let known = SPLITS.iter().find(|(spelling, _)| *spelling == lower);
    known.map(|&(_, split)| split).ok_or_else(|| IngestError::Malformed {
        place: place.clone(),
        problem: format!("split `{name}` is not one of `train`, `validation`, `test`"),
    })
}

fn refused(file: &Path, error: csv::Error) -> IngestError {
    let line = error.position().map(csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => IngestError::Unreadable { path: file.to_owned(), source },
        kind => {
            let place = Place { file: file.to_owned(), line };
            IngestError::Malformed { place, problem: problem(&kind) }
        }
    }
}

fn problem(kind: &csv::ErrorKind) -> String {
    match kind {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} fields, and the first line names {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { .. } => "the line is not UTF-8: save the file as UTF-8".to_owned(),
        other => format!("not readable as CSV: {other:?}"),
    }
}
