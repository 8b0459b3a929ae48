//! Index files, TrashNet's layout: lines of `<file name> <label>`, one file per part.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::error::{IngestError, KnownNames, Place};
use super::folder::walk;
use super::listing::{Candidate, Listing, confine, refuse_repeats};
use crate::data::manifest::LeftOut;
use crate::events::Split;

/// The index files, their labels and the classes behind them.
pub(super) struct IndexFiles<'a> {
    pub(super) classes: &'a [String],
    pub(super) first_label: u32,
    pub(super) parts: Vec<(Split, &'a Path)>,
}

/// Lists what the index files name; images of the class folders that none of them names are ignored, and listed so.
pub(super) fn list(root: &Path, index: &IndexFiles<'_>) -> Result<Listing, IngestError> {
    let mut listing = Listing { classes: index.classes.to_vec(), ..Listing::default() };
    for &(split, file) in &index.parts {
        let text = fs::read_to_string(file).map_err(IngestError::unreadable(file))?;
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if !line.trim().is_empty() {
                let place = Place::line(file, number as u64 + 1);
                listing.candidates.push(candidate(root, index, split, line.trim(), place)?);
            }
        }
    }
    refuse_repeats(&listing.candidates)?;
    let named: BTreeSet<_> = listing.candidates.iter().map(|candidate| candidate.path.as_str()).collect();
    for class in index.classes.iter().filter(|class| root.join(class).is_dir()) {
        let walked = walk(root, class)?;
        let unnamed = walked.images.into_iter().filter(|path| !named.contains(path.as_str()));
        let reason = "in no index file";
        listing.ignored.extend(unnamed.map(|path| LeftOut { path, reason: reason.to_owned(), class: None }));
        listing.ignored.extend(walked.ignored);
    }
    Ok(listing)
}

fn candidate(
    root: &Path,
    index: &IndexFiles<'_>,
    split: Split,
    line: &str,
    place: Place,
) -> Result<Candidate, IngestError> {
    // From the right: a file name may hold spaces.
    let fields = line.rsplit_once(char::is_whitespace);
    let parsed = fields.and_then(|(name, label)| Some((name.trim_end(), label.parse::<i64>().ok()?)));
    let Some((name, label)) = parsed else {
        let problem = format!("expected `<file name> <label>`, found `{line}`");
        return Err(IngestError::Malformed { place, problem });
    };
    let first = index.first_label;
    let class = label.checked_sub(i64::from(first)).and_then(|class| u32::try_from(class).ok());
    let Some((class, folder)) = class.and_then(|class| Some((class, index.classes.get(class as usize)?))) else {
        let last = first + (index.classes.len() as u32).saturating_sub(1);
        let known = KnownNames { names: index.classes.to_vec(), suggestion: None };
        return Err(IngestError::LabelOutOfRange { place, label, first, last, known });
    };
    // The name is confined by itself: `../other/x.jpg` must not reach another class's folder.
    let path = format!("{folder}/{}", confine(&root.join(folder), name, &place)?);
    Ok(Candidate { path, class, group: None, split: Some(split), place: Some(place) })
}
