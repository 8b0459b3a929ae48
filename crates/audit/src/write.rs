//! The folder of an audit: a page to look at, and the same for other tools. It takes the place of an earlier one as a whole.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_data::manifest::Manifest;
use augtrial_tables::{Format, FrameError};

use crate::decided::Stale;
use crate::findings::Findings;
use crate::page::page;
use crate::signature::MeasureError;
use crate::survey::{Reach, Site, Survey};
use crate::tables;

/// Version of `findings.json`. Within one version fields are only ever added.
const VERSION: u32 = 1;

/// What was audited, and what came of it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What the page is called after.
    pub name: &'a str,
    /// The data set as it was read, before any decision.
    pub data_set: Digest,
    pub site: Site<'a>,
    pub survey: &'a Survey,
    pub found: &'a Findings,
    /// Decisions that do not fit any more.
    pub stale: &'a [Stale],
}

/// An audit cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Picture(#[from] MeasureError),
    #[error("cannot make a table of the audit")]
    Table(#[from] FrameError),
    #[error("cannot write the audit to {}: check its permissions and free space", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Writes the page and the tables of an audit into `folder`, in place of an earlier audit.
///
/// # Errors
/// If a picture changed meanwhile, or if the folder cannot be written to.
pub fn write_audit(subject: &Subject<'_>, folder: &Path) -> Result<(), WriteError> {
    let manifest = subject.site.manifest;
    let findings = tables::findings(manifest, subject.found)?;
    let images = tables::images(manifest, subject.survey, subject.found)?;
    let json = serde_json::to_vec_pretty(&Document::of(subject)).expect("plain data has a JSON form");
    let arms = tables::arms(manifest, subject.found)?;
    let mut files = vec![
        ("index.html", page(subject)?.into_bytes()),
        ("findings.json", json),
        ("findings.csv", findings.to_bytes(Format::Csv)?),
        ("findings.parquet", findings.to_bytes(Format::Parquet)?),
        ("images.csv", images.to_bytes(Format::Csv)?),
        ("images.parquet", images.to_bytes(Format::Parquet)?),
    ];
    if !subject.found.arms.is_empty() {
        files.push(("arms.csv", arms.to_bytes(Format::Csv)?));
        files.push(("arms.parquet", arms.to_bytes(Format::Parquet)?));
    }
    disk::replace_folder_by(folder, files.iter().map(|(name, bytes)| (*name, bytes.as_slice())))
        .map_err(|(_, source)| WriteError::Write { path: folder.to_owned(), source })
}

/// `findings.json`. Images are numbers: positions in `images`.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    data_set: Digest,
    classes: &'a [String],
    reach: Reach,
    /// Every image, by its path below the data set's folder.
    images: Vec<Named<'a>>,
    findings: &'a Findings,
    /// Decisions that decide nothing, with the reason.
    stale_decisions: Vec<String>,
}

#[derive(Serialize)]
struct Named<'a> {
    path: &'a str,
    class: u32,
    part: Option<&'static str>,
    sha256: Digest,
}

impl<'a> Document<'a> {
    fn of(subject: &Subject<'a>) -> Self {
        let manifest: &'a Manifest = subject.site.manifest;
        let named = manifest.images.iter().map(|image| Named {
            path: &image.path,
            class: image.class,
            part: image.split.map(augtrial_base::events::Split::name),
            sha256: image.digest,
        });
        Self {
            version: VERSION,
            data_set: subject.data_set,
            classes: &manifest.classes,
            reach: subject.survey.reach,
            images: named.collect(),
            findings: subject.found,
            stale_decisions: subject.stale.iter().map(|stale| format!("{}: {}", stale.place, stale.problem)).collect(),
        }
    }
}
