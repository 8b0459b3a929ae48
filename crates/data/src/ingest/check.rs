//! Opening every candidate once: its digest, its size, and whether all of it decodes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::error::IngestError;
use super::listing::Candidate;
use super::read::OnProgress;
use crate::manifest::{ImageRecord, LeftOut};
use augtrial_base::digest::Digest;
use augtrial_imaging::decode::{self, DecodeError};

/// Checks all candidates in parallel; results are in the candidates' order.
///
/// # Errors
/// If a file is there and cannot be read: that says nothing of what it holds, so that leaving it out would be wrong.
pub(super) fn check_all(
    root: &Path,
    candidates: &[Candidate],
    max_pixels: u64,
    progress: OnProgress<'_>,
) -> Result<Vec<Result<ImageRecord, LeftOut>>, IngestError> {
    let done = AtomicU64::new(0);
    let total = candidates.len() as u64;
    let check = |candidate| {
        let result = match check(root, candidate, max_pixels) {
            Ok(image) => Ok(image),
            Err(DecodeError::Unreadable(source)) if !decode::leads_nowhere(&source) => {
                return Err(IngestError::Unreadable { path: root.join(&candidate.path), source });
            }
            Err(error) => Err(left_out(candidate, &error)),
        };
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        Ok(result)
    };
    candidates.par_iter().map(check).collect()
}

fn check(root: &Path, candidate: &Candidate, max_pixels: u64) -> Result<ImageRecord, DecodeError> {
    let bytes = decode::read(&root.join(&candidate.path), max_pixels)?;
    let (width_px, height_px) = decode::check(&bytes, max_pixels)?;
    Ok(ImageRecord {
        path: candidate.path.clone(),
        class: candidate.class,
        digest: Digest::of_bytes(&bytes),
        width_px,
        height_px,
        group: candidate.group.clone(),
        split: candidate.split,
    })
}

fn left_out(candidate: &Candidate, error: &DecodeError) -> LeftOut {
    let listed = candidate.place.as_ref().map(|place| format!(" (listed at {place})")).unwrap_or_default();
    LeftOut { path: candidate.path.clone(), reason: format!("{error}{listed}"), class: Some(candidate.class) }
}
