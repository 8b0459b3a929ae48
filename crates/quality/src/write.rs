//! The folder of a study's quality: a page to look at, and the same for other tools. It takes the place of an earlier one as a whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_tables::{Format, FrameError};

use crate::measure::ImageFound;
use crate::page::page;
use crate::result::SetQuality;
use crate::tables;
use crate::view::ArmImages;

/// What was measured, image by image.
#[derive(Clone, Copy)]
pub struct Subjects<'a> {
    pub quality: &'a SetQuality,
    pub arms: &'a [ArmImages],
    /// Of every arm and image.
    pub found: &'a [Vec<ImageFound>],
    /// PNG files of the galleries, by digest.
    pub pictures: &'a BTreeMap<Digest, Vec<u8>>,
}

/// The quality cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot make a table of the sets' quality")]
    Table(#[from] FrameError),
    #[error("cannot write the sets' quality to {}: check its permissions and free space", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Writes `index.html`, `quality.json`, and the rows and images as CSV and Parquet into `folder`, in place of an earlier one.
///
/// # Errors
/// [`WriteError`].
pub fn write_quality(subjects: &Subjects<'_>, folder: &Path) -> Result<(), WriteError> {
    let Subjects { quality, arms, found, pictures } = *subjects;
    let rows = tables::rows(quality)?;
    let images = tables::images(&quality.classes, arms, found)?;
    let json = serde_json::to_vec_pretty(quality).expect("plain data has a JSON form");
    let files = [
        ("index.html", page(quality, pictures).into_bytes()),
        ("quality.json", json),
        ("quality.csv", rows.to_bytes(Format::Csv)?),
        ("quality.parquet", rows.to_bytes(Format::Parquet)?),
        ("images.csv", images.to_bytes(Format::Csv)?),
        ("images.parquet", images.to_bytes(Format::Parquet)?),
    ];
    disk::replace_folder_by(folder, files.iter().map(|(name, bytes)| (*name, bytes.as_slice())))
        .map_err(|(_, source)| WriteError::Write { path: folder.to_owned(), source })
}
