//! The images of Parquet shards as files, so that everything after reading knows files alone: `<store>/<digest>/`, named by the
//! content of the shards and by the columns that are read, with a table of the images and the digest of every file.
//!
//! What is there is compared with its digests, and made anew if it is not as it was written.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ingest::parquet::{Contents, Label, Shard, ShardImage, Shards, refuse_unknown};
use crate::ingest::{IngestError, OnProgress};
use crate::source::{Layout, Source};
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability};
use augtrial_base::events::Split;
use augtrial_plan::dataset::Parquet;

/// Raised when the same shards would give other files.
const FORMAT: &str = "parquet-v1";
/// Table of the images: path, class and part.
const TABLE: &str = "images.csv";
/// The classes, in the order of their indices.
const CLASSES: &str = "classes.json";
/// The digest of every other file, in the format of `sha256sum`.
const CHECKSUMS: &str = "SHA256SUMS";

/// How the caller follows and stops the extraction.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    pub stopped: &'a (dyn Fn() -> bool + Sync),
    pub progress: OnProgress<'a>,
}

/// Extracted images.
#[derive(Debug)]
pub struct Extracted {
    pub source: Source,
    /// What was wrong with extracted images that were there and had to be made anew.
    pub replaced: Option<String>,
}

/// What the metadata of the shards at `path` tell: the classes, unless the labels are names, and the number of images.
///
/// # Errors
/// If there are no shards, or one of them cannot be used.
pub fn look(path: &Path, columns: &Parquet) -> Result<(Option<Vec<String>>, u64), IngestError> {
    let Contents { classes, images } = Shards::find(path, columns)?.contents(columns)?;
    Ok((classes, images))
}

/// The images of the shards at `path`, extracted into `store` unless they are there; nothing if the caller stops it.
///
/// With `trusted`, what is there is not compared with its digests: another process has seen to it.
///
/// # Errors
/// If there are no shards, one of them cannot be used, or a file cannot be written.
pub fn extracted(
    store: &Path,
    path: &Path,
    columns: &Parquet,
    trusted: bool,
    watch: Watch<'_>,
) -> Result<Option<Extracted>, IngestError> {
    // Of no consequence for this study if it fails.
    let _ = disk::sweep(store);
    let shards = Shards::find(path, columns)?;
    disk::create_folder(store).map_err(unwritable(store))?;
    let digest = digest(&shards, columns, store)?;
    let folder = store.join(digest.to_string());
    if (trusted && folder.is_dir()) || problem(&folder)?.is_none() {
        return Ok(Some(Extracted { source: source(&folder)?, replaced: None }));
    }
    let lock = store.join(format!("{digest}.lock"));
    let Some(_lock) = disk::lock(&lock, watch.stopped).map_err(unwritable(&lock))? else { return Ok(None) };
    let replaced = match problem(&folder)? {
        None => return Ok(Some(Extracted { source: source(&folder)?, replaced: None })),
        Some(Problem::Missing) => None,
        Some(Problem::Damaged(problem)) => {
            disk::discard(&folder).map_err(unwritable(&folder))?;
            Some(format!("{}: {problem}", folder.display()))
        }
    };
    if !extract(&shards, columns, &folder, watch)? {
        return Ok(None);
    }
    Ok(Some(Extracted { source: source(&folder)?, replaced }))
}

/// The digests of the images in an extracted folder, as far as its list can be read.
#[must_use]
pub fn images_of(folder: &Path) -> BTreeSet<Digest> {
    let list = fs::read_to_string(folder.join(CHECKSUMS)).unwrap_or_default();
    listed(&list).into_iter().flatten().map(|(_, digest)| digest).collect()
}

/// A shard whose content is known while its size and time are these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    name: String,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    digest: Digest,
}

/// Names the extracted images: of all that decides them. A shard whose size and time are as they were is not read again.
fn digest(shards: &Shards, columns: &Parquet, store: &Path) -> Result<Digest, IngestError> {
    let root = std::path::absolute(&shards.root).unwrap_or_else(|_| shards.root.clone());
    let memory = store.join(format!("{}.json", Digest::of_value("parquet-shards", &root)));
    let before: Vec<Known> =
        fs::read(&memory).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let known = |index: usize| {
        let path = shards.path(index);
        let found = path.metadata().map_err(IngestError::unreadable(&path))?;
        let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let (name, bytes) = (shards.files[index].0.clone(), found.len());
        let modified = modified.map_or(0, |time| time.as_nanos() as u64);
        let same = |known: &&Known| (&known.name, known.bytes, known.modified) == (&name, bytes, modified);
        let digest = match before.iter().find(same) {
            Some(known) if modified > 0 => known.digest,
            _ => Digest::of_file(&path).map_err(IngestError::unreadable(&path))?,
        };
        Ok(Known { name, bytes, modified, digest })
    };
    let now: Vec<Known> = (0..shards.files.len()).into_par_iter().map(known).collect::<Result<_, IngestError>>()?;
    if now != before {
        let json = serde_json::to_vec(&now).expect("names and numbers have a JSON form");
        // Without it, the shards are read again.
        let _ = disk::replace_bytes(&memory, &json, Durability::Later);
    }
    let content: Vec<_> =
        now.iter().zip(&shards.files).map(|(known, (name, part))| (name, part, known.digest)).collect();
    let Parquet { path: _, image, label, split, classes } = columns;
    Ok(Digest::of_value(FORMAT, &(image, label, split, classes, content)))
}

enum Problem {
    Missing,
    Damaged(String),
}

/// What is wrong with extracted images; nothing if they are as they were written.
fn problem(folder: &Path) -> Result<Option<Problem>, IngestError> {
    if !folder.is_dir() {
        return Ok(Some(Problem::Missing));
    }
    let damaged = |problem: String| Ok(Some(Problem::Damaged(problem)));
    let list = match fs::read_to_string(folder.join(CHECKSUMS)) {
        Ok(list) => list,
        Err(error) => return damaged(format!("{CHECKSUMS} cannot be read: {error}")),
    };
    let Some(files) = listed(&list) else { return damaged(format!("a line of {CHECKSUMS} is no digest and name")) };
    let wrong = files.par_iter().find_map_any(|&(name, digest)| match Digest::of_file(&folder.join(name)) {
        Ok(found) if found == digest => None,
        Ok(_) => Some(Ok(format!("{name} has another content than was written"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Ok(format!("{name} is missing"))),
        Err(source) => Some(Err(IngestError::Unreadable { path: folder.join(name), source })),
    });
    Ok(wrong.transpose()?.map(Problem::Damaged))
}

/// Names and digests of a list; nothing if a line is neither.
fn listed(list: &str) -> Option<Vec<(&str, Digest)>> {
    list.lines()
        .map(|line| line.split_once("  ").and_then(|(digest, name)| Some((name, digest.parse().ok()?))))
        .collect()
}

fn source(folder: &Path) -> Result<Source, IngestError> {
    let path = folder.join(CLASSES);
    let bytes = fs::read(&path).map_err(IngestError::unreadable(&path))?;
    let classes: Vec<String> = serde_json::from_slice(&bytes)
        .map_err(|source| IngestError::Unreadable { path: path.clone(), source: source.into() })?;
    Ok(Source::new(folder.to_owned(), Layout::Csv { file: folder.join(TABLE), classes: Some(classes) }))
}

/// An image that was written.
struct Written {
    path: String,
    label: Label,
    split: Option<Split>,
    digest: Digest,
}

/// Writes every image; the folder appears only when it is complete. False if the caller stopped it.
fn extract(shards: &Shards, columns: &Parquet, folder: &Path, watch: Watch<'_>) -> Result<bool, IngestError> {
    let Contents { classes, images } = shards.contents(columns)?;
    let unfinished = disk::unfinished_folder(folder).map_err(unwritable(folder))?;
    let (root, done) = (unfinished.path(), AtomicU64::new(0));
    let of_shard = |index: usize| -> Result<Vec<Written>, IngestError> {
        let (name, part) = &shards.files[index];
        let shard = Shard::open(&shards.path(index), columns)?;
        let below = Path::new(name).with_extension("").to_string_lossy().into_owned();
        let place = root.join(&below);
        disk::create_folder(&place).map_err(unwritable(&place))?;
        let mut written = Vec::new();
        shard.visit(columns, |row, ShardImage { bytes, label, split }| {
            if (watch.stopped)() {
                return Err(stopped());
            }
            if let (Label::Name(name), Some(classes)) = (&label, &classes) {
                refuse_unknown(name, classes, &shards.path(index))?;
            }
            let path = format!("{below}/{row:07}.{}", ending(&bytes));
            // Files are not synced one by one: whoever opens them compares them with their digests.
            let file = root.join(&path);
            disk::replace_bytes(&file, &bytes, Durability::Later).map_err(unwritable(&file))?;
            written.push(Written { path, label, split: split.or(*part), digest: Digest::of_bytes(&bytes) });
            (watch.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, images);
            Ok(())
        })?;
        Ok(written)
    };
    let written = (0..shards.files.len()).into_par_iter().map(of_shard).collect::<Result<Vec<_>, _>>();
    let written: Vec<Written> = match written {
        Err(error) if (watch.stopped)() && is_stopped(&error) => return Ok(false),
        written => written?.into_iter().flatten().collect(),
    };
    let classes = classes.unwrap_or_else(|| names(&written));
    let table = table(&written, &classes);
    let json = serde_json::to_vec(&classes).expect("names have a JSON form");
    let mut list = String::new();
    for (name, bytes) in [(TABLE, table), (CLASSES, json)] {
        disk::replace_bytes(&root.join(name), &bytes, Durability::Later).map_err(unwritable(&root.join(name)))?;
        list.extend([format!("{}  {name}\n", Digest::of_bytes(&bytes))]);
    }
    list.extend(written.iter().map(|image| format!("{}  {}\n", image.digest, image.path)));
    disk::replace_bytes(&root.join(CHECKSUMS), list.as_bytes(), Durability::Later).map_err(unwritable(root))?;
    disk::publish_with(root, folder, Durability::Later).map_err(unwritable(folder))?;
    Ok(true)
}

/// The classes that occur, sorted.
fn names(written: &[Written]) -> Vec<String> {
    let name = |image: &Written| if let Label::Name(name) = &image.label { Some(name.clone()) } else { None };
    written.iter().filter_map(name).collect::<BTreeSet<String>>().into_iter().collect()
}

fn table(written: &[Written], classes: &[String]) -> Vec<u8> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    let fits = "a table in memory takes all";
    rows.write_record(["path", "class", "split"]).expect(fits);
    for Written { path, label, split, .. } in written {
        let class = match label {
            Label::Number(index) => &classes[*index as usize],
            Label::Name(name) => name,
        };
        rows.write_record([path.as_str(), class, split.map_or("", Split::name)]).expect(fits);
    }
    rows.into_inner().expect(fits)
}

/// The ending of a file of this content; what it is not read as is for the reader to say.
fn ending(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xFF, 0xD8, ..] => "jpg",
        [0x89, b'P', b'N', b'G', ..] => "png",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        [b'B', b'M', ..] => "bmp",
        _ => "image",
    }
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> IngestError {
    let path = path.to_owned();
    move |source| IngestError::Unwritable { path, source }
}

/// Ends the visit of a shard; nobody is told of it.
fn stopped() -> IngestError {
    IngestError::Unwritable { path: PathBuf::new(), source: io::ErrorKind::Interrupted.into() }
}

fn is_stopped(error: &IngestError) -> bool {
    matches!(error, IngestError::Unwritable { source, .. } if source.kind() == io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
