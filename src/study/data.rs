//! The data of a study: rendered if synthetic, read, and divided.

use super::{Context, StudyError};
use crate::data::audit::Duplicates;
use crate::data::ingest::ingest;
use crate::data::manifest::{ImageRecord, Manifest};
use crate::data::parts::{Partition, Sources};
use crate::data::published::{AsPublished, everything};
use crate::data::render::{Class, RENDERER_VERSION, write_dataset};
use crate::data::source::Source;
use crate::data::split::Shares;
use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::dataset::{Dataset, Synthetic};
use crate::seed::StudySeed;

/// A data set as it was read, and its division by source.
pub struct StudyData {
    pub source: Source,
    pub manifest: Manifest,
    pub duplicates: Duplicates,
    pub division: Division,
}

/// How the data set is divided.
pub enum Division {
    /// By source, before anything is made of it.
    BySource(Partition),
    /// File by file, after augmentation, with these shares.
    AsPublished(AsPublished, Shares),
}

impl StudyData {
    /// Reads and divides the data set of a plan.
    ///
    /// # Errors
    /// Whatever rendering, reading or dividing gives.
    pub fn read(plan: &Plan, context: &Context<'_>) -> Result<Self, StudyError> {
        let source = source(plan, context)?;
        context.check_stop()?;
        let stage = context.progress.stage("read images", 0, "images");
        let manifest = ingest(&source, &plan.ingest, &|done, total| stage.set_of(done, total, ""))?;
        drop(stage);
        context.check_stop()?;
        Self::divide(plan, source, manifest)
    }

    /// The data set of a plan as another process has read it.
    ///
    /// # Errors
    /// Whatever rendering or dividing gives.
    #[cfg(feature = "torch")]
    pub(super) fn as_read(plan: &Plan, manifest: Manifest, context: &Context<'_>) -> Result<Self, StudyError> {
        Self::divide(plan, source(plan, context)?, manifest)
    }

    fn divide(plan: &Plan, source: Source, manifest: Manifest) -> Result<Self, StudyError> {
        let division = match AsPublished::from_protocol(plan.study.protocol) {
            Some(consent) => Division::AsPublished(consent, Shares::of(plan.split, &manifest)?),
            None => Division::BySource(Partition::new(&manifest, plan.split, plan.study.seed)?),
        };
        let duplicates = Duplicates::find(&manifest);
        Ok(Self { source, manifest, duplicates, division })
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
                (self.manifest.images.len() as f64 * shares.part(crate::events::Split::Train)).round() as usize
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

/// Where the images are, rendered first if they are synthetic.
fn source(plan: &Plan, context: &Context<'_>) -> Result<Source, StudyError> {
    match (&plan.dataset, Source::from_plan(plan)) {
        (Dataset::Synthetic(synthetic), _) => rendered(*synthetic, context),
        (_, Some(source)) => Ok(source),
        (_, None) => unreachable!("only a synthetic data set has no source"),
    }
}

/// The rendered data set, made if it is not there.
fn rendered(synthetic: Synthetic, context: &Context<'_>) -> Result<Source, StudyError> {
    let Synthetic { images, width_px, height_px, seed } = synthetic;
    let name = Digest::of_value("synthetic-v1", &(RENDERER_VERSION, synthetic));
    let folder = context.workspace.runs.join("synthetic").join(name.to_string());
    if !folder.is_dir() {
        let stage = context.progress.stage("render synthetic images", images.into(), "images");
        write_dataset(StudySeed(seed), images.into(), width_px, height_px, &folder, &|done| stage.set(done, ""))?;
    }
    let classes = Class::ALL.iter().map(|class| class.name().to_owned()).collect();
    Ok(Source::rendered(folder, classes))
}
