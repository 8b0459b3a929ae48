//! Walking folders: the class-folder layout, and what lies beside the listed images of the other layouts.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{IngestError, KnownNames, Place};
use super::listing::{Candidate, Listing};
use crate::data::manifest::LeftOut;

/// Extensions of files that should be images of the formats read, in lower case.
const IMAGE_EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp"];
/// What desktops and archives leave behind, besides names with a leading dot.
const LITTER: [&str; 3] = ["thumbs.db", "desktop.ini", "__macosx"];

/// Lists a folder with one folder per class.
pub(super) fn list(root: &Path, classes: Option<&[String]>) -> Result<Listing, IngestError> {
    let mut listing = Listing::default();
    let mut folders = Vec::new();
    for Entry { name, path } in entries(root)? {
        if is_hidden(&name) {
            listing.ignored.push(left_out(name, "hidden file"));
        } else if path.is_dir() {
            folders.push(name);
        } else {
            listing.ignored.push(left_out(name, "not in a class folder"));
        }
    }
    listing.classes = classes.map_or_else(|| folders.clone(), <[String]>::to_vec);
    for folder in folders {
        let Some(class) = listing.classes.iter().position(|class| *class == folder) else {
            let place = Place::file(&root.join(&folder));
            let known = KnownNames::near(&folder, &listing.classes);
            return Err(IngestError::UnknownClass { place, class: folder, known });
        };
        let class = class as u32;
        let walked = walk(root, &folder)?;
        let candidate = |path| Candidate { path, class, group: None, split: None, place: None };
        listing.candidates.extend(walked.images.into_iter().map(candidate));
        let of_class = |file| LeftOut { class: Some(class), ..file };
        listing.quarantined.extend(walked.unreachable.into_iter().map(of_class));
        listing.ignored.extend(walked.ignored);
    }
    Ok(listing)
}

/// What lies below a folder, by name alone.
#[derive(Debug, Default)]
pub(in crate::data) struct Walk {
    /// Paths below the root of files named like images, sorted.
    pub(in crate::data) images: Vec<String>,
    /// Named like images, or folders, and out of reach: dangling or circular links.
    pub(in crate::data) unreachable: Vec<LeftOut>,
    pub(in crate::data) ignored: Vec<LeftOut>,
}

/// Walks `root/below`, following symbolic links but never in a circle. `below` may be empty.
///
/// # Errors
/// If a folder cannot be read: nobody knows what is in it.
pub(in crate::data) fn walk(root: &Path, below: &str) -> Result<Walk, IngestError> {
    let mut walk = Walk::default();
    let mut above = Vec::new();
    descend(root, below, &mut above, &mut walk)?;
    walk.images.sort();
    Ok(walk)
}

fn descend(root: &Path, below: &str, above: &mut Vec<PathBuf>, walk: &mut Walk) -> Result<(), IngestError> {
    let folder = root.join(below);
    let real = folder.canonicalize().map_err(IngestError::unreadable(&folder))?;
    if above.contains(&real) {
        walk.unreachable.push(left_out(below.to_owned(), "symbolic link to a folder that it lies in"));
        return Ok(());
    }
    above.push(real);
    for Entry { name, path } in entries(&folder)? {
        let below = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if is_hidden(&name) {
            walk.ignored.push(left_out(below, "hidden file"));
        } else if path.is_dir() {
            descend(root, &below, above, walk)?;
        } else if !is_image_name(&name) {
            walk.ignored.push(left_out(below, "not named as a JPEG, PNG, WebP or BMP file"));
        } else if name.contains(char::REPLACEMENT_CHARACTER) && !path.ends_with(&name) {
            walk.unreachable.push(left_out(below, "the name is not UTF-8: rename the file"));
        } else if let Err(error) = fs::metadata(&path) {
            walk.unreachable.push(left_out(below, &format!("cannot be read: {error}")));
        } else {
            walk.images.push(below);
        }
    }
    above.pop();
    Ok(())
}

struct Entry {
    /// With replacement characters where it is not UTF-8.
    name: String,
    path: PathBuf,
}

/// The entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<Entry>, IngestError> {
    if !folder.is_dir() && folder.exists() {
        return Err(IngestError::NotAFolder(folder.to_owned()));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(IngestError::unreadable(folder))? {
        let entry = entry.map_err(IngestError::unreadable(folder))?;
        entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), path: entry.path() });
    }
    entries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Ok(entries)
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || LITTER.contains(&name.to_lowercase().as_str())
}

fn is_image_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| IMAGE_EXTENSIONS.contains(&extension.to_lowercase().as_str()))
}

fn left_out(path: String, reason: &str) -> LeftOut {
    LeftOut { path, reason: reason.to_owned(), class: None }
}
