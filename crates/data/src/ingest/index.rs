//! Index files, TrashNet's layout: lines of `<file name> <label>`, one file per part.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::{FileLine, IngestError, KnownNames};
use super::folder::walk;
use super::listing::{Candidate, Listing, confine, read_listing, refuse_names, refuse_repeats};
use crate::inside::Root;
use crate::manifest::LeftOut;
use augtrial_base::events::Split;

/// The index files, their labels and the classes behind them.
pub(super) struct IndexFiles<'a> {
    pub(super) classes: &'a [String],
    pub(super) first_label: u32,
    pub(super) parts: Vec<(Split, &'a Path)>,
}

/// Lists what the index files name; images of the class folders that none of them names are ignored, and listed so.
pub(super) fn list(root: &Path, index: &IndexFiles<'_>) -> Result<Listing, IngestError> {
    refuse_names(index.classes)?;
    let folders = folders(root, index.classes)?;
    let mut listing = Listing { classes: index.classes.to_vec(), ..Listing::default() };
    for &(split, file) in &index.parts {
        let text = read(file)?;
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if !line.trim().is_empty() {
                let place = FileLine::line(file, number as u64 + 1);
                listing.candidates.push(candidate(&folders, index, split, line.trim(), place)?);
            }
        }
    }
    refuse_repeats(&listing.candidates)?;
    let named: BTreeSet<_> = listing.candidates.iter().map(|candidate| candidate.path.as_str()).collect();
    for (class, _) in folders.iter().filter(|(class, _)| root.join(class).is_dir()) {
        let walked = walk(root, class)?;
        let unnamed = walked.images.into_iter().filter(|path| !named.contains(path.as_str()));
        let reason = "in no index file";
        listing.ignored.extend(unnamed.map(|path| LeftOut { path, reason: reason.to_owned(), class: None }));
        listing.ignored.extend(walked.ignored);
    }
    Ok(listing)
}

/// The folder of each class, below the root and by itself.
fn folders(root: &Path, classes: &[String]) -> Result<Vec<(String, Root)>, IngestError> {
    let whole = Root::new(root);
    let folder = |class: &String| {
        let outside = |escape: crate::inside::Escape| IngestError::ClassName {
            class: class.clone(),
            problem: format!("{escape}, {}", root.display()),
        };
        let below = whole.confine(class).map_err(outside)?;
        let folder = Root::new(&root.join(&below));
        Ok((below, folder))
    };
    classes.iter().map(folder).collect()
}

fn read(file: &Path) -> Result<String, IngestError> {
    String::from_utf8(read_listing(file)?).map_err(|_| {
        let problem = "the file is not UTF-8: save it as UTF-8".to_owned();
        IngestError::Malformed { place: FileLine { file: file.to_owned(), line: None }, problem }
    })
}

fn candidate(
    folders: &[(String, Root)],
    index: &IndexFiles<'_>,
    split: Split,
    line: &str,
    place: FileLine,
) -> Result<Candidate, IngestError> {
    // From the right: a file name may hold spaces.
    let fields = line.rsplit_once(char::is_whitespace);
    let parsed = fields.and_then(|(name, label)| Some((name.trim_end(), label.parse::<i64>().ok()?)));
    let Some((name, label)) = parsed else {
        let problem = format!("expected `<file name> <label>`, found `{line}`");
        return Err(IngestError::Malformed { place, problem });
    };
    let first = u64::from(index.first_label);
    let class = label.checked_sub(i64::from(index.first_label)).and_then(|class| u32::try_from(class).ok());
    let Some((class, (folder, root))) = class.and_then(|class| Some((class, folders.get(class as usize)?))) else {
        let last = first + (index.classes.len() as u64).saturating_sub(1);
        let known = KnownNames { names: index.classes.to_vec(), suggestion: None };
        return Err(IngestError::LabelOutOfRange { place, label, first, last, known });
    };
    // The name is confined by itself: `../other/x.jpg` must not reach another class's folder.
    let path = format!("{folder}/{}", confine(root, name, &place)?);
    Ok(Candidate { path, class, group: None, split: Some(split), place: Some(place) })
}
