//! From a source to a manifest.

use super::check::check_all;
use super::error::{IngestError, quoted};
use super::index::IndexFiles;
use super::listing::Listing;
use super::{csv, folder, index};
use crate::manifest::{LeftOut, Manifest};
use crate::source::{Layout, Source};
use augtrial_base::events::Split;
use augtrial_plan::dataset::{Ingest, OnUndecodable};

/// Called with the number of files done and the total, from any thread, in no particular order.
pub type OnProgress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Reads a data set: lists it, then hashes and decodes every image, in parallel.
///
/// # Errors
/// If the listing is wrong, a file cannot be read though it is there, a class has no usable image, or a file cannot be used
/// and `rules` say that this is fatal.
pub fn ingest(source: &Source, rules: &Ingest, progress: OnProgress<'_>) -> Result<Manifest, IngestError> {
    let manifest = ingest_some(source, rules, progress)?;
    refuse_empty_classes(source, &manifest)?;
    Ok(manifest)
}

/// The same of images that need not be of every class.
///
/// # Errors
/// As [`ingest`]; also if there is no usable image at all.
pub fn ingest_some(source: &Source, rules: &Ingest, progress: OnProgress<'_>) -> Result<Manifest, IngestError> {
    let Listing { classes, candidates, mut quarantined, mut ignored } = list(source)?;
    if classes.len() < 2 {
        return Err(too_few(source, classes.len()));
    }
    let mut images = Vec::with_capacity(candidates.len());
    for checked in check_all(source.root(), &candidates, rules.max_pixels, progress)? {
        match checked {
            Ok(image) => images.push(image),
            Err(file) => quarantined.push(file),
        }
    }
    images.sort_by(|a, b| a.path.cmp(&b.path));
    quarantined.sort_by(|a, b| a.path.cmp(&b.path));
    ignored.sort_by(|a, b| a.path.cmp(&b.path));
    if let (OnUndecodable::Fail, Some(first)) = (rules.on_undecodable, quarantined.first()) {
        let LeftOut { path, reason, .. } = first.clone();
        return Err(IngestError::Undecodable { path, reason, count: quarantined.len() });
    }
    let manifest = Manifest { classes, images, quarantined, ignored, synthetic: source.synthetic };
    if manifest.images.is_empty() {
        refuse_empty_classes(source, &manifest)?;
    }
    Ok(manifest)
}

pub(super) fn list(source: &Source) -> Result<Listing, IngestError> {
    let root = source.root();
    match &source.layout {
        Layout::Folder { classes } => folder::list(root, classes.as_deref()),
        Layout::Index { classes, first_label, train, validation, test } => {
            let mut parts = vec![(Split::Train, train.as_path())];
            parts.extend(validation.as_deref().map(|file| (Split::Validation, file)));
            parts.push((Split::Test, test));
            index::list(root, &IndexFiles { classes, first_label: *first_label, parts })
        }
        Layout::Csv { file, classes } => csv::list(root, file, classes.as_deref()),
    }
}

pub(super) fn too_few(source: &Source, found: usize) -> IngestError {
    let deeper = match source.layout {
        Layout::Folder { classes: None } => folder::deeper(source.root()),
        _ => None,
    };
    let hint = deeper.map_or_else(String::new, |(folder, names)| {
        format!("; if {} are the classes, or the parts, name {} as the folder", quoted(&names), folder.display())
    });
    IngestError::TooFewClasses { root: source.root().to_owned(), found, hint }
}

fn refuse_empty_classes(source: &Source, manifest: &Manifest) -> Result<(), IngestError> {
    let Some(empty) = manifest.class_counts().iter().position(|&count| count == 0) else {
        return Ok(());
    };
    let mut quarantined = manifest.quarantined.iter().filter(|file| file.class == Some(empty as u32)).peekable();
    let left_out = match quarantined.peek().copied() {
        None => "none was found".to_owned(),
        Some(first) => format!("{} quarantined; {}: {}", quarantined.count(), first.path, first.reason),
    };
    let class = manifest.classes[empty].clone();
    Err(IngestError::EmptyClass { class, root: source.root().to_owned(), left_out })
}
