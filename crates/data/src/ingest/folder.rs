//! Walking folders: the class-folder layout, with parts above the classes or without, and what lies beside the listed
//! images of the other layouts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{FileLine, IngestError, KnownNames, quoted};
use super::listing::{Candidate, Listing, refuse_names};
use crate::manifest::LeftOut;
use augtrial_base::events::Split;
use augtrial_imaging::decode::leads_nowhere;
use augtrial_imaging::foreign;
use augtrial_plan::declared::{Level, is_litter};

/// Extensions of files that should be images of the formats read, in lower case.
const IMAGE_EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp"];

/// Lists a folder with one folder per class, or with one per part and the classes' below.
pub(super) fn list(root: &Path, classes: Option<&[String]>) -> Result<Listing, IngestError> {
    if !root.is_dir() && root.exists() {
        return Err(IngestError::NotAFolder(root.to_owned()));
    }
    let parts: Vec<(String, Option<Split>)> =
        match Level::below(root, classes).map_err(IngestError::unreadable(root))? {
            Level::Classes => vec![(String::new(), None)],
            Level::Parts(parts) => parts.into_iter().map(|(folder, split)| (folder, Some(split))).collect(),
            Level::Mixed { parts, others } => {
                let (root, parts, others) = (root.to_owned(), quoted(&parts), quoted(&others));
                return Err(IngestError::MixedLevels { root, parts, others });
            }
            Level::Unlabeled(parts) => {
                return Err(IngestError::PartsWithoutClasses { root: root.to_owned(), parts: quoted(&parts) });
            }
        };
    let mut listing = Listing::default();
    if parts.iter().any(|(_, split)| split.is_some()) {
        class_folders(root, "", &mut listing)?;
    }
    let mut folders = Vec::new();
    for (part, split) in parts {
        for folder in class_folders(root, &part, &mut listing)? {
            folders.push((part.clone(), folder, split));
        }
    }
    let found: BTreeSet<&String> = folders.iter().map(|(_, folder, _)| folder).collect();
    listing.classes = classes.map_or_else(|| found.into_iter().cloned().collect(), <[String]>::to_vec);
    refuse_names(&listing.classes)?;
    for (part, folder, split) in folders {
        class_images(root, &below(&part, &folder), &folder, split, &mut listing)?;
    }
    Ok(listing)
}

/// The names of the folders below `root/part`; what else is there is ignored.
fn class_folders(root: &Path, part: &str, listing: &mut Listing) -> Result<Vec<String>, IngestError> {
    let mut folders = Vec::new();
    for Entry { name, path, is_utf8 } in entries(&root.join(part))? {
        if is_litter(&name) {
            listing.ignored.push(left_out(below(part, &name), "hidden file"));
        } else if path.is_dir() {
            if !is_utf8 {
                return Err(IngestError::NameNotUtf8(path));
            }
            folders.push(name);
        } else {
            listing.ignored.push(left_out(below(part, &name), "not in a class folder"));
        }
    }
    Ok(folders)
}

fn class_images(
    root: &Path,
    folder: &str,
    class: &str,
    split: Option<Split>,
    listing: &mut Listing,
) -> Result<(), IngestError> {
    let Some(index) = listing.classes.iter().position(|known| known == class) else {
        let place = FileLine::file(&root.join(folder));
        let known = KnownNames::near(class, &listing.classes);
        return Err(IngestError::UnknownClass { place, class: class.to_owned(), known });
    };
    let class = index as u32;
    let walked = walk(root, folder)?;
    let candidate = |path| Candidate { path, class, group: None, split, place: None };
    listing.candidates.extend(walked.images.into_iter().map(candidate));
    let of_class = |file| LeftOut { class: Some(class), ..file };
    listing.quarantined.extend(walked.unreachable.into_iter().map(of_class));
    listing.ignored.extend(walked.ignored);
    Ok(())
}

/// The only folder below `root`, and those below it, if that may be where the classes are.
pub(super) fn deeper(root: &Path) -> Option<(PathBuf, Vec<String>)> {
    let folders = |folder: &Path| -> Option<Vec<String>> {
        let entries = entries(folder).ok()?.into_iter();
        Some(entries.filter(|e| e.is_utf8 && !is_litter(&e.name) && e.path.is_dir()).map(|e| e.name).collect())
    };
    let [only] = &folders(root)?[..] else { return None };
    let only = root.join(only);
    let below = folders(&only)?;
    (below.len() > 1).then_some((only, below))
}

/// What lies below a folder, by name alone.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Paths below the root of files named like images, sorted.
    pub(crate) images: Vec<String>,
    /// Named like images, or folders, and out of reach: dangling or circular links.
    pub(crate) unreachable: Vec<LeftOut>,
    pub(crate) ignored: Vec<LeftOut>,
}

/// Walks `root/below`, following symbolic links but never in a circle. `below` may be empty.
///
/// # Errors
/// If a folder cannot be read: nobody knows what is in it.
pub(crate) fn walk(root: &Path, below: &str) -> Result<Walk, IngestError> {
    let mut walk = Walk::default();
    let mut above = Vec::new();
    descend(root, below, &mut above, &mut walk)?;
    walk.images.sort();
    Ok(walk)
}

fn descend(root: &Path, folder: &str, above: &mut Vec<PathBuf>, walk: &mut Walk) -> Result<(), IngestError> {
    let path = root.join(folder);
    let real = path.canonicalize().map_err(IngestError::unreadable(&path))?;
    if above.contains(&real) {
        walk.unreachable.push(left_out(folder.to_owned(), "symbolic link to a folder that it lies in"));
        return Ok(());
    }
    above.push(real);
    for Entry { name, path, is_utf8 } in entries(&path)? {
        let below = below(folder, &name);
        if is_litter(&name) {
            walk.ignored.push(left_out(below, "hidden file"));
        } else if path.is_dir() {
            if !is_utf8 {
                return Err(IngestError::NameNotUtf8(path));
            }
            descend(root, &below, above, walk)?;
        } else if !is_image_name(&name) {
            walk.ignored.push(left_out(below, "not named as a JPEG, PNG, WebP or BMP file"));
        } else if !is_utf8 {
            walk.unreachable.push(left_out(below, "the name is not UTF-8: rename the file"));
        } else if let Err(error) = fs::metadata(&path) {
            if !leads_nowhere(&error) {
                return Err(IngestError::unreadable(&path)(error));
            }
            walk.unreachable.push(left_out(below, &format!("cannot be read: {error}")));
        } else {
            walk.images.push(below);
        }
    }
    above.pop();
    Ok(())
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

struct Entry {
    /// With replacement characters where it is not UTF-8.
    name: String,
    path: PathBuf,
    is_utf8: bool,
}

/// The entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<Entry>, IngestError> {
    if !folder.is_dir() && folder.exists() {
        return Err(IngestError::NotAFolder(folder.to_owned()));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(IngestError::unreadable(folder))? {
        let entry = entry.map_err(IngestError::unreadable(folder))?;
        let name = entry.file_name();
        let is_utf8 = name.to_str().is_some();
        entries.push(Entry { name: name.to_string_lossy().into_owned(), path: entry.path(), is_utf8 });
    }
    entries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Ok(entries)
}

/// Whether a file's name says that it is a picture, of whatever format: its content decides what becomes of it.
fn is_image_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
    extension.is_some_and(|extension| {
        IMAGE_EXTENSIONS.contains(&extension.as_str()) || foreign::EXTENSIONS.contains(&extension.as_str())
    })
}

fn left_out(path: String, reason: &str) -> LeftOut {
    LeftOut { path, reason: reason.to_owned(), class: None }
}
