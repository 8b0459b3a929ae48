//! A look at a data set before anything is made of it: what it lists, and the sizes of some of its images. Fast on a data set of
//! any size, since it opens few files.

use super::error::IngestError;
use super::read::{list, too_few};
use crate::source::Source;
use augtrial_base::events::Split;
use augtrial_imaging::decode;

/// Images that are opened for their sizes, spread evenly over the list.
const OPENED: usize = 48;

/// What a data set lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the order of their indices.
    pub classes: Vec<String>,
    /// Listed images of each class.
    pub counts: Vec<u64>,
    /// Listed images of each class in each part that the data set prescribes, in the order of [`Split::ALL`]; nothing if it
    /// prescribes none.
    pub parts: Option<[Vec<u64>; 3]>,
    /// Widths and heights, upright, of the images that were opened.
    pub sizes: Vec<(u32, u32)>,
    /// Paths and reasons of opened files that cannot be used, and of files that are out of reach.
    pub unusable: Vec<(String, String)>,
    /// Files that are none of the data set's business.
    pub ignored: usize,
}

impl Survey {
    /// Listed images.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Lists a data set, and opens some of its images.
///
/// # Errors
/// As [`ingest`](super::ingest), as far as the list can tell.
pub fn survey(source: &Source, max_pixels: u64) -> Result<Survey, IngestError> {
    let listing = list(source)?;
    if listing.classes.len() < 2 {
        return Err(too_few(source, listing.classes.len()));
    }
    let mut found = Survey {
        counts: vec![0; listing.classes.len()],
        unusable: listing.quarantined.into_iter().map(|file| (file.path, file.reason)).collect(),
        ignored: listing.ignored.len(),
        classes: listing.classes,
        ..Survey::default()
    };
    let candidates = &listing.candidates;
    let mut parts = [const { Vec::new() }; 3].map(|_: Vec<u64>| vec![0; found.classes.len()]);
    for candidate in candidates {
        found.counts[candidate.class as usize] += 1;
        if let Some(split) = candidate.split {
            let index = Split::ALL.iter().position(|part| *part == split).expect("a part is one of all");
            parts[index][candidate.class as usize] += 1;
        }
    }
    found.parts = candidates.iter().any(|candidate| candidate.split.is_some()).then_some(parts);
    let opened = OPENED.min(candidates.len());
    for candidate in (0..opened).map(|index| &candidates[index * candidates.len() / opened]) {
        let bytes = decode::read(&source.root().join(&candidate.path), max_pixels);
        match bytes.and_then(|bytes| decode::decode(&bytes, max_pixels)) {
            Ok(picture) => found.sizes.push(picture.dimensions()),
            Err(error) => found.unusable.push((candidate.path.clone(), error.to_string())),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::source::Layout;

    fn picture(path: &Path, width: u32, height: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::new(width, height).save(path).unwrap();
    }

    fn surveyed(root: &Path) -> Result<Survey, IngestError> {
        survey(&Source::new(root.to_owned(), Layout::Folder { classes: None }), 1_000_000)
    }

    #[test]
    fn classes_counts_sizes_and_what_cannot_be_used_are_found() {
        let root = tempfile::tempdir().unwrap();
        for (index, class) in ["glass", "paper", "paper"].iter().enumerate() {
            picture(&root.path().join(class).join(format!("{index}.png")), 40, 30);
        }
        fs::write(root.path().join("paper/torn.jpg"), [0xff, 0xd8]).unwrap();
        fs::write(root.path().join("README"), "text").unwrap();
        let found = surveyed(root.path()).unwrap();
        assert_eq!((found.classes.len(), &*found.counts, found.images()), (2, &[1, 3][..], 4));
        assert_eq!((found.sizes, found.parts, found.ignored), (vec![(40, 30); 3], None, 1));
        assert_eq!(found.unusable[0].0, "paper/torn.jpg");
    }

    #[test]
    fn parts_are_counted_and_one_class_is_refused() {
        let root = tempfile::tempdir().unwrap();
        picture(&root.path().join("train/glass/1.png"), 8, 8);
        assert!(matches!(surveyed(root.path()), Err(IngestError::TooFewClasses { found: 1, .. })));
        for path in ["train/paper/1.png", "train/paper/2.png", "test/glass/3.png", "test/paper/4.png"] {
            picture(&root.path().join(path), 8, 8);
        }
        let parts = surveyed(root.path()).unwrap().parts.unwrap();
        assert_eq!(parts, [vec![1, 2], vec![0, 0], vec![1, 1]]);
        assert!(surveyed(&root.path().join("nowhere")).is_err());
    }
}
