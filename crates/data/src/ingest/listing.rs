//! What a data set says it holds, before any image is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::{FileLine, IngestError};
use crate::inside::{Escape, Root};
use crate::manifest::LeftOut;
use augtrial_base::disk;
use augtrial_base::events::Split;
use augtrial_plan::declared::class_name_problem;

/// A table or an index of millions of images has less.
const MOST_BYTES: u64 = 2 << 30;

/// An image that should be there.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Below the root, with `/`.
    pub(super) path: String,
    pub(super) class: u32,
    pub(super) group: Option<String>,
    pub(super) split: Option<Split>,
    /// Where it was listed; nothing if it was found by walking.
    pub(super) place: Option<FileLine>,
}

/// Everything found before any image is opened.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) classes: Vec<String>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) quarantined: Vec<LeftOut>,
    pub(super) ignored: Vec<LeftOut>,
}

/// The bytes of a table or an index file.
pub(super) fn read_listing(file: &Path) -> Result<Vec<u8>, IngestError> {
    disk::read_regular(file, MOST_BYTES).map_err(IngestError::unreadable(file))
}

/// Puts a listed path into its one spelling: below the root, parts joined by `/`.
///
/// # Errors
/// If it leads outside of `root`, by its spelling.
pub(super) fn confine(root: &Root, path: &str, place: &FileLine) -> Result<String, IngestError> {
    root.confine(path).map_err(|escape| match escape {
        Escape::Empty => IngestError::Malformed { place: place.clone(), problem: escape.to_string() },
        Escape::Outside => {
            let root = std::path::absolute(root.path()).unwrap_or_else(|_| root.path().to_owned());
            IngestError::OutsideRoot { place: place.clone(), path: path.to_owned(), root }
        }
    })
}

/// Refuses classes that cannot be called so, or that are there twice.
pub(super) fn refuse_names(classes: &[String]) -> Result<(), IngestError> {
    let mut seen = BTreeSet::new();
    for class in classes {
        let problem =
            class_name_problem(class).or_else(|| (!seen.insert(class)).then(|| "it is there twice".to_owned()));
        if let Some(problem) = problem {
            return Err(IngestError::ClassName { class: class.clone(), problem });
        }
    }
    Ok(())
}

/// Refuses a path that is listed a second time.
pub(super) fn refuse_repeats(candidates: &[Candidate]) -> Result<(), IngestError> {
    let mut seen: BTreeMap<&str, &Candidate> = BTreeMap::new();
    for candidate in candidates {
        if let Some(first) = seen.insert(&candidate.path, candidate)
            && let (Some(first), Some(place)) = (&first.place, &candidate.place)
        {
            let (place, first) = (place.clone(), first.clone());
            return Err(IngestError::ListedTwice { place, path: candidate.path.clone(), first });
        }
    }
    Ok(())
}
