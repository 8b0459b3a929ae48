//! Making a set, or finding it made.
//!
//! Batches follow one another; inside a batch the maker and the encoder run in parallel. Every image depends on its
//! source, its copy and the recipe alone, so neither the number of threads nor an interruption changes a byte.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::draft::Draft;
use super::error::{At as _, StoreError};
use super::maker::{DerivedImageMaker, Made, Planned};
use super::manifest::{ENCODING, FORMAT, FORMAT_VERSION, Header, Key, MissingImage, Outcome};
use super::read::{DerivedSet, open, verify};
use super::request::SetRequest;
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability};
use augtrial_data::manifest::Lineage;

const CREATOR: &str = concat!("augtrial ", env!("CARGO_PKG_VERSION"));

/// How the caller follows and stops the making of a set.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Looked at between batches, and while waiting for another generator.
    pub stop: &'a AtomicBool,
    /// Called before the first batch and after each.
    pub progress: &'a dyn Fn(SetProgress),
}

/// How far a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetProgress {
    pub set: Digest,
    /// Planned images whose outcome is known, missing ones included.
    pub done: usize,
    pub missing: usize,
    pub planned: usize,
}

/// Returns the requested set from the folder `sets`, made if it is not there, continued if it was interrupted.
///
/// A finished set is hashed before it is used, every file of it. What is not as its manifest says is made anew, and
/// [`DerivedSet::replaced`] says so. If another process or thread is making the same set, waits for it.
///
/// # Errors
/// If a source has the wrong size, the maker fails, the disk does, or the caller stops it. Images that were finished before
/// are kept for the next attempt.
pub fn materialize(
    sets: &Path,
    request: &SetRequest<'_>,
    maker: &dyn DerivedImageMaker,
    watch: Watch<'_>,
) -> Result<DerivedSet, StoreError> {
    let tool = maker.tool();
    let planned = request.planned()?;
    let set = request.digest(&tool);
    let finished = sets.join(set.to_string());
    if let Found::Whole(found) = reuse(&finished)? {
        return Ok(found);
    }
    disk::create_folder(sets).at("create", sets)?;
    let lock = sets.join(format!("{set}.lock"));
    let Some(_lock) = disk::lock(&lock, || watch.stop.load(Ordering::Relaxed)).at("lock", &lock)? else {
        return Err(StoreError::Interrupted { set, done: 0, planned: planned.len() });
    };
    let partial = sets.join(format!("{set}.partial"));
    let replaced = match reuse(&finished)? {
        Found::Whole(found) => return Ok(found),
        Found::Nothing => None,
        Found::Damaged(problem) => {
            take_back(&finished, &partial)?;
            Some(problem)
        }
    };
    let keys: Vec<Key> = planned.iter().map(|(key, _)| *key).collect();
    let work = Work { request, maker, tool: &tool, set };
    let mut draft = Draft::open(partial, &keys, |lineage| work.made(lineage))?;
    work.run(&mut draft, &planned, watch)?;
    let header = work.header(&draft);
    draft.finish(&header, &finished)?;
    Ok(DerivedSet { replaced, ..open(&finished)? })
}

/// A finished set of the folder `sets`, if it is there and whole: every file of it is hashed.
///
/// # Errors
/// If the disk fails.
pub fn find(sets: &Path, set: &Digest) -> Result<Option<DerivedSet>, StoreError> {
    match reuse(&sets.join(set.to_string()))? {
        Found::Whole(found) => Ok(Some(found)),
        Found::Nothing | Found::Damaged(_) => Ok(None),
    }
}

/// What is under the name of a set.
enum Found {
    Nothing,
    Whole(DerivedSet),
    /// With what is wrong.
    Damaged(String),
}

fn reuse(finished: &Path) -> Result<Found, StoreError> {
    if !finished.is_dir() {
        return Ok(Found::Nothing);
    }
    match verify(finished) {
        Ok(set) => Ok(Found::Whole(DerivedSet { reused: true, ..set })),
        Err(StoreError::Damaged { problem, .. }) => Ok(Found::Damaged(problem)),
        Err(error) => Err(error),
    }
}

/// Makes a damaged set an unfinished one again: its images that still have their digests need not be made anew.
fn take_back(finished: &Path, partial: &Path) -> Result<(), StoreError> {
    if partial.exists() {
        return disk::discard(finished).at("remove", finished);
    }
    disk::publish_with(finished, partial, Durability::Later).at("rename", finished).map(drop)
}

/// What stays the same from batch to batch.
struct Work<'a> {
    request: &'a SetRequest<'a>,
    maker: &'a dyn DerivedImageMaker,
    tool: &'a str,
    set: Digest,
}

impl Work<'_> {
    /// Whether an image of this lineage is one of this set's.
    fn made(&self, lineage: &Lineage) -> bool {
        (lineage.recipe, lineage.seed, lineage.tool.as_str()) == (self.request.recipe, self.request.seed.0, self.tool)
    }

    /// Makes what the draft does not have.
    fn run(&self, draft: &mut Draft, planned: &[(Key, Planned<'_>)], watch: Watch<'_>) -> Result<(), StoreError> {
        let report = |draft: &Draft| {
            let (done, missing) = (draft.len(), draft.missing());
            (watch.progress)(SetProgress { set: self.set, done, missing, planned: planned.len() });
        };
        report(draft);
        // Cut before what is done is left out: a batch has the same images however often the work was interrupted.
        for batch in planned.chunks(self.maker.batch_size().max(1)) {
            let rest: Vec<(Key, Planned<'_>)> = batch.iter().filter(|(key, _)| !draft.has(key)).copied().collect();
            if rest.is_empty() {
                continue;
            }
            if watch.stop.load(Ordering::Relaxed) {
                return Err(StoreError::Interrupted { set: self.set, done: draft.len(), planned: planned.len() });
            }
            let outcomes = self.make(draft, &rest)?;
            draft.record(outcomes)?;
            report(draft);
        }
        Ok(())
    }

    fn make(&self, draft: &Draft, batch: &[(Key, Planned<'_>)]) -> Result<Vec<Outcome>, StoreError> {
        let orders: Vec<Planned<'_>> = batch.iter().map(|(_, planned)| *planned).collect();
        let failed = |source| StoreError::Maker { tool: self.tool.to_owned(), image: batch[0].0.source, source };
        let made = self.maker.make_batch(&orders).map_err(failed)?;
        if made.len() != batch.len() {
            return Err(failed(format!("asked for {} images, got {}", batch.len(), made.len()).into()));
        }
        batch.par_iter().zip(made).map(|((key, _), made)| self.keep(draft, key, made)).collect()
    }

    fn keep(&self, draft: &Draft, key: &Key, made: Made) -> Result<Outcome, StoreError> {
        let lineage = Lineage {
            source: key.source,
            recipe: self.request.recipe,
            copy: key.copy,
            seed: self.request.seed.0,
            tool: self.tool.to_owned(),
            edit: made.edit,
        };
        let image = match made.result {
            Ok(image) => image,
            Err(missing) => return Ok(Outcome::Missing(MissingImage { missing, class: key.class, lineage })),
        };
        let working_px = (self.request.width_px, self.request.height_px);
        if image.dimensions() != working_px {
            let (image, copy, made_px) = (key.source, key.copy, image.dimensions());
            return Err(StoreError::MadeSize { image, copy, made_px, working_px });
        }
        draft.write(key, &image, lineage).map(Outcome::Made)
    }

    fn header(&self, draft: &Draft) -> Header {
        Header {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            set: self.set,
            recipe: self.request.recipe,
            step: self.request.step.clone(),
            copies: self.request.copies,
            seed: self.request.seed,
            tool: self.tool.to_owned(),
            width_px: self.request.width_px,
            height_px: self.request.height_px,
            images: draft.len() - draft.missing(),
            missing: draft.missing(),
            encoding_format: ENCODING.to_owned(),
            creator: CREATOR.to_owned(),
        }
    }
}
