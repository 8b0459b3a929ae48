//! The materialised sets of every arm.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::Serialize;

use super::{Context, Options, StudyData, StudyError, edits};
use crate::augment::store::{self, DerivedImageMaker, DerivedSet, SetRequest, Source, StoreError, TransformMaker};
use crate::data::cache::{Picture, Working, decoded};
use crate::data::pixels::PixelBlock;
use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::arm::{Arm, OfflineStep};

/// Decoded originals, and the sets that were made of them.
pub(super) struct Sets {
    /// In the order of the manifest.
    pub(super) originals: Arc<PixelBlock>,
    /// Of arms whose sets are made, in the order of the plan.
    pub(super) arms: Vec<ArmSets>,
}

/// The sets of one arm, in the order of its recipe.
pub(super) struct ArmSets {
    pub(super) arm: String,
    pub(super) sets: Vec<MadeSet>,
}

/// A finished set and its decoded pixels.
pub(super) struct MadeSet {
    pub(super) set: DerivedSet,
    pub(super) pixels: Arc<PixelBlock>,
    pub(super) planned: u64,
    /// Wall time of making it; absent if it was there.
    pub(super) generation_secs: Option<f64>,
}

/// Makes what is missing of the sets of every wanted arm.
pub(super) fn materialise(pool: &Pool<'_>, options: &Options, context: &Context<'_>) -> Result<Sets, StudyError> {
    let mut arms = Vec::new();
    for arm in pool.plan.arms.iter().filter(|arm| options.wants(arm)) {
        arms.push(pool.sets_of(arm, context)?);
        context.check_stop()?;
    }
    Ok(pool.with(arms))
}

/// What the derived images of a study are made from.
pub(super) struct Pool<'a> {
    plan: &'a Plan,
    data: &'a StudyData,
    originals: Arc<PixelBlock>,
    /// Of every image among the originals.
    positions: BTreeMap<Digest, usize>,
}

impl<'a> Pool<'a> {
    /// Decodes the originals, unless they are decoded.
    pub(super) fn open(plan: &'a Plan, data: &'a StudyData, context: &Context<'_>) -> Result<Self, StudyError> {
        let pictures = Picture::of_records(data.source.root(), &data.manifest.images);
        let originals = Arc::new(decode("decode images", &pictures, plan, context)?);
        let positions = data.manifest.images.iter().enumerate().map(|(index, image)| (image.digest, index)).collect();
        Ok(Self { plan, data, originals, positions })
    }

    /// The sets of one arm, made if they are not there.
    pub(super) fn sets_of(&self, arm: &Arm, context: &Context<'_>) -> Result<ArmSets, StudyError> {
        let steps = steps(self.plan, self.data, arm).collect::<Result<Vec<_>, _>>()?;
        let sets = steps.iter().map(|step| self.made(arm, step, context)).collect::<Result<_, _>>()?;
        Ok(ArmSets { arm: arm.name.clone(), sets })
    }

    /// These arms' sets with the originals.
    pub(super) fn with(&self, arms: Vec<ArmSets>) -> Sets {
        Sets { originals: Arc::clone(&self.originals), arms }
    }

    fn made(&self, arm: &Arm, step: &Step<'_>, context: &Context<'_>) -> Result<MadeSet, StudyError> {
        let sources = sources(self.data, |image| self.originals.rgb(self.positions[&image]));
        let request = step.request(self.plan, &sources);
        let stage = context.progress.stage(format!("make images of {}", arm.name), 0, "images");
        let progress = |progress: store::Progress| {
            let message = if progress.missing > 0 { format!("{} missing", progress.missing) } else { String::new() };
            stage.set_of(progress.done as u64, progress.planned as u64, &message);
        };
        let watch = store::Watch { stop: context.stop, progress: &progress };
        let sets = context.workspace.runs.join("sets");
        let stopwatch = context.clock.start();
        let set = match store::materialise(&sets, &request, &*step.maker, watch) {
            Ok(set) => set,
            Err(StoreError::Interrupted { .. }) => return Err(StudyError::Interrupted),
            Err(source) => return Err(StudyError::Store { arm: arm.name.clone(), source }),
        };
        let generation_secs = (!set.reused).then(|| stopwatch.elapsed().as_secs_f64());
        drop(stage);
        let picture =
            |image: &store::DerivedImage| Picture { file: set.folder.join(&image.file), digest: image.digest };
        let pictures: Vec<Picture> = set.images.iter().map(picture).collect();
        let pixels = Arc::new(decode(&format!("decode images of {}", arm.name), &pictures, self.plan, context)?);
        let planned = (set.images.len() + set.missing.len()) as u64;
        Ok(MadeSet { set, pixels, planned, generation_secs })
    }
}

/// One offline step of an arm: what makes its images, and what names them.
pub(super) struct Step<'a> {
    pub(super) copies: u32,
    recipe: Digest,
    /// For the reader of the set's manifest.
    described: serde_json::Value,
    maker: Box<dyn DerivedImageMaker + 'a>,
}

/// The offline steps of an arm, in order: transforms, then the edit.
pub(super) fn steps<'a>(
    plan: &'a Plan,
    data: &'a StudyData,
    arm: &'a Arm,
) -> impl Iterator<Item = Result<Step<'a>, StudyError>> {
    let transforms = arm.offline.iter().map(|step| Ok(Step::of_transforms(plan, step)));
    transforms.chain(arm.edit.iter().map(move |edit| edits::step(plan, data, arm, edit)))
}

impl<'a> Step<'a> {
    pub(super) fn new(
        copies: u32,
        recipe: Digest,
        described: &impl Serialize,
        maker: Box<dyn DerivedImageMaker + 'a>,
    ) -> Self {
        let described = serde_json::to_value(described).expect("a step has a JSON form");
        Self { copies, recipe, described, maker }
    }

    fn of_transforms(plan: &Plan, step: &'a OfflineStep) -> Self {
        let maker = TransformMaker::new(&step.apply, step.digest(), plan.study.seed);
        Self::new(step.copies, step.digest(), step, Box::new(maker))
    }

    /// The digest of the set, without making it.
    pub(super) fn digest(&self, plan: &Plan, data: &StudyData) -> Digest {
        self.request(plan, &sources(data, |_| &[])).digest(&self.maker.tool())
    }

    fn request<'r>(&'r self, plan: &Plan, sources: &'r [Source<'r>]) -> SetRequest<'r> {
        SetRequest {
            sources,
            width_px: plan.ingest.width_px,
            height_px: plan.ingest.height_px,
            recipe: self.recipe,
            step: &self.described,
            copies: NonZeroU32::new(self.copies).expect("a plan has no step without copies"),
            seed: plan.study.seed,
        }
    }
}

/// The images that are derived from, with their pixels.
pub(super) fn sources<'a>(data: &'a StudyData, rgb: impl Fn(Digest) -> &'a [u8]) -> Vec<Source<'a>> {
    let source = |image: &'a crate::data::manifest::ImageRecord| Source {
        digest: image.digest,
        path: &image.path,
        class: image.class,
        rgb: rgb(image.digest),
    };
    data.augmentable().iter().map(source).collect()
}

fn decode(name: &str, pictures: &[Picture], plan: &Plan, context: &Context<'_>) -> Result<PixelBlock, StudyError> {
    let working = Working {
        width_px: plan.ingest.width_px,
        height_px: plan.ingest.height_px,
        max_pixels: plan.ingest.max_pixels,
    };
    let stage = context.progress.stage(name, pictures.len() as u64, "images");
    let cache = context.workspace.runs.join("cache");
    Ok(decoded(&cache, pictures, working, &|done, total| stage.set_of(done, total, ""))?.pixels)
}
