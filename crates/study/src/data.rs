//! The data of a study: rendered if synthetic, extracted if in shards, read, and divided.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::extra::{ReadExtra, read_extra};
use super::further::{ReadFolder, read_folders};
use super::{Context, StudyError, audit};
use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_base::seed::StudySeed;
use augtrial_data::audit::Duplicates;
use augtrial_data::bonds::Bonds;
use augtrial_data::extract::{self, Extracted, Watch};
use augtrial_data::ingest::ingest;
use augtrial_data::manifest::{ImageRecord, Manifest};
use augtrial_data::parts::{Partition, Sources};
use augtrial_data::published::{AsPublished, everything};
use augtrial_data::source::Source;
use augtrial_data::split::Shares;
use augtrial_plan::dataset::{Dataset, Parquet, Synthetic};
use augtrial_plan::{Draw, Plan};
use augtrial_synth::{CHECKSUMS, Class, RENDERER_VERSION, RenderError, verify_dataset, write_dataset};
use serde::{Deserialize, Serialize};

/// A data set as it was read, and one draw of its division.
pub struct StudyData {
    pub source: Arc<Source>,
    pub manifest: Arc<Manifest>,
    pub duplicates: Arc<Duplicates>,
    /// The folders of further evaluation sets.
    pub(super) folders: Arc<[ReadFolder]>,
    /// The extra images of arms.
    pub(super) extra: Arc<[ReadExtra]>,
    /// What the division and the sets of it are drawn by.
    pub draw: Draw,
    /// What the audit asks of every draw.
    bonds: Arc<Bonds>,
    pub division: Division,
}

/// What a plan reads beside its data set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Beside {
    /// The folders of further evaluation sets.
    pub(super) folders: Vec<ReadFolder>,
    /// The extra images of arms.
    pub(super) extra: Vec<ReadExtra>,
}

/// How the data set is divided.
pub enum Division {
    /// By source, before anything is made of it.
    BySource(Partition),
    /// File by file, after augmentation, with these shares.
    AsPublished(AsPublished, Shares),
}

impl Division {
    fn drawn(plan: &Plan, manifest: &Manifest, draw: Draw, bonds: &Bonds) -> Result<Self, StudyError> {
        if let Some(consent) = AsPublished::from_protocol(plan.study.protocol) {
            return Ok(Self::AsPublished(consent, Shares::of(plan.split, manifest)?));
        }
        let whole = Partition::bonded(manifest, plan.split, draw.fold, draw.split, bonds)?;
        let cut = match plan.train.dose() {
            Some(dose) => whole.cut(&manifest.classes, dose, draw.split)?,
            None => whole,
        };
        Ok(Self::BySource(match draw.held_out {
            Some(fold) => cut.held_out(&manifest.classes, fold, draw.split, bonds)?,
            None => cut,
        }))
    }
}

impl StudyData {
    /// Reads the data set of a plan, and divides it as for the first seed.
    ///
    /// # Errors
    /// Whatever rendering, reading or dividing gives.
    pub fn read(plan: &Plan, context: &Context<'_>) -> Result<Self, StudyError> {
        Self::of_images(plan, read_images(plan, context)?, context)
    }

    /// The same of images that were read already.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn of_images(
        plan: &Plan,
        (source, manifest): (Source, Manifest),
        context: &Context<'_>,
    ) -> Result<Self, StudyError> {
        context.check_stop()?;
        let folders = read_folders(plan, &manifest, context)?;
        context.check_stop()?;
        let extra = read_extra(plan, &source, &manifest, &folders, context)?;
        context.check_stop()?;
        Self::divide(plan, source, manifest, Beside { folders, extra }, context)
    }

    /// The data set of a plan as another process has read it.
    ///
    /// # Errors
    /// Whatever rendering or dividing gives.
    pub(super) fn as_read(
        plan: &Plan,
        manifest: Manifest,
        beside: Beside,
        context: &Context<'_>,
    ) -> Result<Self, StudyError> {
        Self::divide(plan, source(plan, context, Trust::Reader)?, manifest, beside, context)
    }

    pub(super) fn divide(
        plan: &Plan,
        source: Source,
        mut manifest: Manifest,
        beside: Beside,
        context: &Context<'_>,
    ) -> Result<Self, StudyError> {
        let bonds = audit::bonds(plan, &source, &mut manifest, context)?;
        let draw = plan.draw(plan.study.seeds[0]);
        let division = Division::drawn(plan, &manifest, draw, &bonds)?;
        let duplicates = Arc::new(Duplicates::find(&manifest));
        Ok(Self {
            source: Arc::new(source),
            manifest: Arc::new(manifest),
            duplicates,
            folders: beside.folders.into(),
            extra: beside.extra.into(),
            draw,
            bonds: Arc::new(bonds),
            division,
        })
    }

    /// The same data set by another draw.
    ///
    /// # Errors
    /// If it cannot be divided.
    pub(super) fn redrawn(&self, plan: &Plan, draw: Draw) -> Result<Self, StudyError> {
        Ok(Self {
            source: Arc::clone(&self.source),
            manifest: Arc::clone(&self.manifest),
            duplicates: Arc::clone(&self.duplicates),
            folders: Arc::clone(&self.folders),
            extra: Arc::clone(&self.extra),
            draw,
            bonds: Arc::clone(&self.bonds),
            division: Division::drawn(plan, &self.manifest, draw, &self.bonds)?,
        })
    }

    /// The images that recipes may be applied to.
    #[must_use]
    pub fn augmentable(&self) -> Sources<'_> {
        match &self.division {
            Division::BySource(partition) => partition.train.sources(),
            Division::AsPublished(consent, _) => everything(&self.manifest, *consent),
        }
    }

    /// Originals that a training set is expected to have: exact by source, by the shares under the as-published protocol.
    #[must_use]
    pub fn expected_originals(&self) -> usize {
        match &self.division {
            Division::BySource(partition) => partition.train.sources().len(),
            Division::AsPublished(_, shares) => {
                (self.manifest.images.len() as f64 * shares.part(augtrial_base::events::Split::Train)).round() as usize
            }
        }
    }

    /// Images of each class among `images`.
    #[must_use]
    pub fn class_counts<'a>(&self, images: impl IntoIterator<Item = &'a ImageRecord>) -> Vec<u64> {
        let mut counts = vec![0; self.manifest.classes.len()];
        for image in images {
            counts[image.class as usize] += 1;
        }
        counts
    }
}

/// The data set of a plan, rendered or extracted first if need be, and read, before anything is decided or divided.
pub(super) fn read_images(plan: &Plan, context: &Context<'_>) -> Result<(Source, Manifest), StudyError> {
    let source = source(plan, context, Trust::Verify)?;
    context.check_stop()?;
    let stage = context.progress.stage("read images", 0, "images");
    let mut manifest = ingest(&source, &plan.ingest, &|done, total| stage.set_of(done, total, ""))?;
    if manifest.synthetic {
        // The renderer's own, and compared already.
        manifest.ignored.retain(|file| file.path != CHECKSUMS);
    }
    Ok((source, manifest))
}

/// Whether rendered or extracted images that are there are as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Their digests are compared.
    Verify,
    /// Whoever read them has seen to it; what is decoded of them is compared with its digest in any case.
    Reader,
}

/// Where the images are, rendered or extracted first if need be.
fn source(plan: &Plan, context: &Context<'_>, trust: Trust) -> Result<Source, StudyError> {
    match (&plan.dataset, Source::from_plan(plan)) {
        (Dataset::Synthetic(synthetic), _) => rendered(*synthetic, context, trust),
        (Dataset::Parquet(parquet), _) => extracted(plan, parquet, context, trust),
        (_, Some(source)) => Ok(source),
        (_, None) => unreachable!("all other data sets have a source"),
    }
}

/// The images of Parquet shards, extracted if they are not there, and made anew if they are not whole.
fn extracted(plan: &Plan, parquet: &Parquet, context: &Context<'_>, trust: Trust) -> Result<Source, StudyError> {
    let store = context.workspace.runs.join("parquet");
    let stage = context.progress.stage("extract images", 0, "images");
    let stopped = || context.stop.load(Ordering::Relaxed);
    let watch = Watch { stopped: &stopped, progress: &|done, total| stage.set_of(done, total, "") };
    let path = plan.resolve_path(&parquet.path);
    let found = extract::extracted(&store, &path, parquet, trust == Trust::Reader, watch)?;
    let Some(Extracted { source, replaced }) = found else { return Err(StudyError::Interrupted) };
    if let Some(problem) = replaced {
        context.progress.note(&format!("extracted images are made anew: {problem}"));
    }
    Ok(source)
}

/// Names a rendered data set: of all that decides it.
pub(super) fn synthetic_digest(synthetic: Synthetic) -> Digest {
    Digest::of_value("synthetic-v1", &(RENDERER_VERSION, synthetic))
}

/// The rendered data set, made if it is not there, and made anew if it is not whole.
fn rendered(synthetic: Synthetic, context: &Context<'_>, trust: Trust) -> Result<Source, StudyError> {
    let name = synthetic_digest(synthetic).to_string();
    let store = context.workspace.runs.join("synthetic");
    let folder = store.join(&name);
    // Of no consequence for this study if it fails.
    let _ = disk::sweep(&store);
    let trusted = trust == Trust::Reader && folder.is_dir();
    if !trusted && !is_whole(&folder, synthetic)? {
        render(synthetic, &folder, &store.join(format!("{name}.lock")), context)?;
    }
    let classes = Class::ALL.iter().map(|class| class.name().to_owned()).collect();
    Ok(Source::rendered(folder, classes))
}

fn is_whole(folder: &Path, synthetic: Synthetic) -> Result<bool, StudyError> {
    match verify_dataset(folder, synthetic.images.into()) {
        Ok(()) => Ok(true),
        Err(RenderError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Renders, alone: others that want the same data set wait and take it.
fn render(synthetic: Synthetic, folder: &Path, lock: &Path, context: &Context<'_>) -> Result<(), StudyError> {
    let failed = |source| RenderError::Write { path: folder.to_owned(), source };
    disk::create_folder(disk::parent(folder)).map_err(failed)?;
    let stopped = || context.stop.load(Ordering::Relaxed);
    let Some(_lock) = disk::lock(lock, stopped).map_err(failed)? else { return Err(StudyError::Interrupted) };
    let Synthetic { images, width_px, height_px, seed } = synthetic;
    if folder.exists() {
        match verify_dataset(folder, images.into()) {
            Ok(()) => return Ok(()),
            Err(RenderError::Damaged { problem, .. }) => {
                context.progress.note(&format!("the rendered data set is made anew: {problem}"));
                disk::discard(folder).map_err(failed)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let stage = context.progress.stage("render synthetic images", images.into(), "images");
    Ok(write_dataset(StudySeed(seed), images.into(), width_px, height_px, folder, &|done| stage.set(done, ""))?)
}

#[cfg(test)]
pub(crate) mod tests;
