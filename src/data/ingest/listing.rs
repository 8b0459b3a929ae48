//! What a data set says it holds, before any image is opened.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::error::{IngestError, Place};
use crate::data::manifest::LeftOut;
use crate::events::Split;

/// An image that should be there.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Below the root, with `/`.
    pub(super) path: String,
    pub(super) class: u32,
    pub(super) group: Option<String>,
    pub(super) split: Option<Split>,
    /// Where it was listed; nothing if it was found by walking.
    pub(super) place: Option<Place>,
}

/// Everything found before any image is opened.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) classes: Vec<String>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) quarantined: Vec<LeftOut>,
    pub(super) ignored: Vec<LeftOut>,
}

/// Puts a listed path into its one spelling: below the root, parts joined by `/`.
///
/// # Errors
/// If it leads outside of `root`, by its spelling.
pub(super) fn confine(root: &Path, path: &str, place: &Place) -> Result<String, IngestError> {
    let outside = || IngestError::OutsideRoot { place: place.clone(), path: path.to_owned(), root: root.to_owned() };
    let below = Path::new(path);
    let below = if below.is_absolute() { below.strip_prefix(root).map_err(|_| outside())? } else { below };
    let mut parts = Vec::new();
    for component in below.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(outside)?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    if parts.is_empty() {
        return Err(IngestError::Malformed { place: place.clone(), problem: "the path is empty".to_owned() });
    }
    Ok(parts.join("/"))
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
