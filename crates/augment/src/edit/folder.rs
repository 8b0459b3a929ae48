//! Edits made elsewhere: a table names, for each source, the instruction and the edited file.
//!
//! The files are read, brought to the working size and checked like edits of the native editor, and enter the same lineage.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checks::check;
use super::ip2p::missing;
use crate::store::{DerivedImageMaker, Made, MakerError, Missing, MissingReason, Planned};
use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_base::words::nearest;
use augtrial_data::inside::Root;
use augtrial_data::manifest::{EditRecord, Manifest};
use augtrial_imaging::decode;
use augtrial_imaging::resize::resized;
use augtrial_plan::arm::{EditChecks, FolderEdits, OnMissing};

/// Raised whenever the same files give other images.
const FOLDER_VERSION: u32 = 1;

/// Images per call: enough for many cores.
const BATCH: usize = 64;

/// Why a table of edits cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot read the table of edits {}", path.display())]
    Table { path: PathBuf, source: csv::Error },
    #[error("{}, line {line}: there is no image `{source_image}` in the data set{hint}", path.display())]
    SourceImage { path: PathBuf, line: u64, source_image: String, hint: String },
    #[error("{}, line {line}: `{file}` leads out of the table's folder", path.display())]
    Outside { path: PathBuf, line: u64, file: String },
    #[error("{}, line {line}: cannot read {}", path.display(), file.display())]
    File { path: PathBuf, line: u64, file: PathBuf, source: io::Error },
    #[error("{} has {found} edits of {source_image}, more than `copies = {copies}`", path.display())]
    Copies { path: PathBuf, source_image: String, found: usize, copies: u32 },
}

/// One row as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Path of the source below the data set's root.
    source: String,
    instruction: String,
    /// Path of the edited picture below the table's folder.
    file: String,
}

/// One edit that exists.
#[derive(Debug, Serialize)]
struct Ready {
    instruction: String,
    #[serde(skip)]
    file: PathBuf,
    digest: Digest,
}

/// Hands out edits that a table names.
#[derive(Debug)]
pub struct FolderMaker {
    checks: EditChecks,
    on_missing: OnMissing,
    max_pixels: u64,
    /// By source, in the order of the table: the copies.
    edits: BTreeMap<Digest, Vec<Ready>>,
}

impl FolderMaker {
    /// Reads the table at `path`, and hashes every file it names.
    ///
    /// # Errors
    /// [`FolderError`]: the table or a file cannot be read, a source is not in `manifest`, or has more edits than copies.
    pub fn open(plan: &FolderEdits, path: &Path, manifest: &Manifest, max_pixels: u64) -> Result<Self, FolderError> {
        let unreadable = |source| FolderError::Table { path: path.to_owned(), source };
        let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
        let header = reader.headers().map_err(unreadable)?.clone();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            let line = record.position().map_or(0, csv::Position::line);
            let row: Row = record.deserialize(Some(&header)).map_err(unreadable)?;
            rows.push((line, row));
        }
        let digests: BTreeMap<&str, Digest> =
            manifest.images.iter().map(|image| (image.path.as_str(), image.digest)).collect();
        let ready: Vec<(Digest, Ready)> =
            rows.into_par_iter().map(|(line, row)| ready(path, line, row, &digests)).collect::<Result<_, _>>()?;
        let mut edits: BTreeMap<Digest, Vec<Ready>> = BTreeMap::new();
        for (source, edit) in ready {
            edits.entry(source).or_default().push(edit);
        }
        let most = plan.copies.get();
        for (source, list) in &mut edits {
            if plan.surplus {
                list.truncate(most as usize);
            } else if list.len() > most as usize {
                let named = digests.iter().find(|(_, digest)| *digest == source);
                let source_image = named.map_or_else(String::new, |(path, _)| (*path).to_owned());
                let (path, found, copies) = (path.to_owned(), list.len(), most);
                return Err(FolderError::Copies { path, source_image, found, copies });
            }
        }
        let (checks, on_missing) = (plan.checks, plan.on_missing);
        Ok(Self { checks, on_missing, max_pixels, edits })
    }

    /// The digest of the set's recipe: every instruction and every file's content.
    #[must_use]
    pub fn recipe(&self) -> Digest {
        Digest::of_value("edit-folder-v1", &(&self.edits, &self.checks, self.on_missing))
    }

    fn make(&self, planned: &Planned<'_>) -> Result<Made, MakerError> {
        let Some(edit) = self.edits.get(&planned.source.digest).and_then(|list| list.get(planned.copy as usize)) else {
            let detail = "the table has no such edit".to_owned();
            return Ok(Missing { reason: MissingReason::Absent, detail }.into());
        };
        let record = |change_levels| EditRecord {
            instruction: edit.instruction.clone(),
            attempt: 0,
            change_levels,
            reduced_to_px: None,
        };
        let bytes = match decode::read(&edit.file, self.max_pixels) {
            // The machine's failure says nothing of what the file holds.
            Err(decode::DecodeError::Unreadable(error)) if !decode::leads_nowhere(&error) => {
                return Err(format!("cannot read {}: {error}", edit.file.display()).into());
            }
            bytes => bytes,
        };
        let source = planned.source_image()?;
        Ok(match self.picture(edit, bytes, &source) {
            Ok((image, change_levels)) => Made { result: Ok(image), edit: Some(record(Some(change_levels))) },
            Err(missing) => Made { result: Err(missing), edit: Some(record(None)) },
        })
    }

    /// The edited picture at the working size, and its distance from the source.
    fn picture(
        &self,
        edit: &Ready,
        bytes: Result<Vec<u8>, decode::DecodeError>,
        source: &image::RgbImage,
    ) -> Result<(image::RgbImage, f64), Missing> {
        let undecodable = |detail: String| Missing { reason: MissingReason::Undecodable, detail };
        let bytes = bytes.map_err(|error| undecodable(error.to_string()))?;
        if Digest::of_bytes(&bytes) != edit.digest {
            return Err(undecodable(format!("{} changed while it was read", edit.file.display())));
        }
        let image = decode::decode(&bytes, self.max_pixels).map_err(|error| undecodable(error.to_string()))?;
        let image = resized(&image, source.width(), source.height())
            .map_err(|error| undecodable(format!("cannot be resized: {error}")))?;
        let change_levels = check(&image, source, &self.checks).map_err(missing)?;
        Ok((image, change_levels))
    }
}

fn ready(table: &Path, line: u64, row: Row, digests: &BTreeMap<&str, Digest>) -> Result<(Digest, Ready), FolderError> {
    let path = || table.to_owned();
    let Some(&source) = digests.get(row.source.as_str()) else {
        let known: BTreeSet<&str> = digests.keys().copied().collect();
        let hint = nearest(&row.source, known).map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        return Err(FolderError::SourceImage { path: path(), line, source_image: row.source, hint });
    };
    let root = Root::new(disk::parent(table));
    let Ok(below) = root.confine(&row.file) else {
        return Err(FolderError::Outside { path: path(), line, file: row.file });
    };
    let file = root.path().join(below);
    match Digest::of_file(&file) {
        Ok(digest) => Ok((source, Ready { instruction: row.instruction, file, digest })),
        Err(source) => Err(FolderError::File { path: path(), line, file, source }),
    }
}

impl DerivedImageMaker for FolderMaker {
    fn tool(&self) -> String {
        format!("augtrial-edit-folder {FOLDER_VERSION}")
    }

    fn batch_size(&self) -> usize {
        BATCH
    }

    fn make_batch(&self, batch: &[Planned<'_>]) -> Result<Vec<Made>, MakerError> {
        let made: Vec<Made> = batch.par_iter().map(|planned| self.make(planned)).collect::<Result<_, _>>()?;
        let failed = batch.iter().zip(&made).find_map(|(planned, made)| Some((planned, made.result.as_ref().err()?)));
        match failed {
            Some((planned, missing)) if self.on_missing == OnMissing::Fail => {
                let (copy, path, detail) = (planned.copy, planned.source.path, &missing.detail);
                let help = "`on_missing = \"drop\"` leaves such images out";
                Err(format!("copy {copy} of {path} cannot be used ({detail}); {help}").into())
            }
            _ => Ok(made),
        }
    }
}
