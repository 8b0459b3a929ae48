//! The materialised sets of every arm.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{Context, Options, StudyData, StudyError};
use crate::augment::store::{self, DerivedImageMaker as _, DerivedSet, SetRequest, Source, StoreError, TransformMaker};
use crate::data::cache::{Picture, Working, decoded};
use crate::data::pixels::PixelBlock;
use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::arm::{Arm, OfflineStep};

/// Decoded originals, and the sets that were made of them.
pub(super) struct Sets {
    /// In the order of the manifest.
    pub(super) originals: Arc<PixelBlock>,
    /// Per arm that is to be run, in the order of the plan.
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
}

/// Makes what is missing of the sets of every wanted arm.
pub(super) fn materialise(
    plan: &Plan,
    data: &StudyData,
    options: &Options,
    context: &Context<'_>,
) -> Result<Sets, StudyError> {
    let pictures = Picture::of_records(data.source.root(), &data.manifest.images);
    let originals = Arc::new(decode("decode images", &pictures, plan, context)?);
    let mut arms = Vec::new();
    for arm in plan.arms.iter().filter(|arm| options.wants(arm)) {
        refuse_unbuilt(arm)?;
        let made = arm.offline.iter().map(|step| made(plan, data, &originals, arm, step, context));
        arms.push(ArmSets { arm: arm.name.clone(), sets: made.collect::<Result<_, _>>()? });
        context.check_stop()?;
    }
    Ok(Sets { originals, arms })
}

/// Refuses a recipe that can be planned but not made by this build.
fn refuse_unbuilt(arm: &Arm) -> Result<(), StudyError> {
    match &arm.edit {
        None => Ok(()),
        Some(_) => Err(StudyError::Arm {
            arm: arm.name.clone(),
            problem:
                "this version plans `edit` steps but cannot make their images yet; run the other arms with `--arm`"
                    .to_owned(),
        }),
    }
}

/// The digest of a step's set, without making it.
pub(super) fn digest_of(plan: &Plan, data: &StudyData, step: &OfflineStep) -> Digest {
    let sources = sources(data, |_| &[]);
    request(plan, step, &sources, &serde_json::Value::Null).digest(&maker(plan, step).tool())
}

fn made(
    plan: &Plan,
    data: &StudyData,
    originals: &PixelBlock,
    arm: &Arm,
    step: &OfflineStep,
    context: &Context<'_>,
) -> Result<MadeSet, StudyError> {
    let positions: std::collections::BTreeMap<Digest, usize> =
        data.manifest.images.iter().enumerate().map(|(index, image)| (image.digest, index)).collect();
    let sources = sources(data, |image| originals.rgb(positions[&image]));
    let described = serde_json::to_value(step).expect("a step has a JSON form");
    let request = request(plan, step, &sources, &described);
    let name = format!("make images of {}", arm.name);
    let stage = context.progress.stage(name, 0, "images");
    let progress = |progress: store::Progress| {
        let message = if progress.missing > 0 { format!("{} missing", progress.missing) } else { String::new() };
        stage.set_of(progress.done as u64, progress.planned as u64, &message);
    };
    let watch = store::Watch { stop: context.stop, progress: &progress };
    let sets = context.workspace.runs.join("sets");
    let set = match store::materialise(&sets, &request, &maker(plan, step), watch) {
        Ok(set) => set,
        Err(StoreError::Interrupted { .. }) => return Err(StudyError::Interrupted),
        Err(source) => return Err(StudyError::Store { arm: arm.name.clone(), source }),
    };
    drop(stage);
    let picture = |image: &store::DerivedImage| Picture { file: set.folder.join(&image.file), digest: image.digest };
    let pictures: Vec<Picture> = set.images.iter().map(picture).collect();
    let pixels = Arc::new(decode(&format!("decode images of {}", arm.name), &pictures, plan, context)?);
    let planned = (set.images.len() + set.missing.len()) as u64;
    Ok(MadeSet { set, pixels, planned })
}

fn maker(plan: &Plan, step: &OfflineStep) -> TransformMaker {
    TransformMaker::new(&step.apply, step.digest(), plan.study.seed)
}

fn sources<'a>(data: &'a StudyData, rgb: impl Fn(Digest) -> &'a [u8]) -> Vec<Source<'a>> {
    let source = |image: &'a crate::data::manifest::ImageRecord| Source {
        digest: image.digest,
        path: &image.path,
        class: image.class,
        rgb: rgb(image.digest),
    };
    data.augmentable().iter().map(source).collect()
}

fn request<'a>(
    plan: &Plan,
    step: &OfflineStep,
    sources: &'a [Source<'a>],
    described: &'a serde_json::Value,
) -> SetRequest<'a> {
    SetRequest {
        sources,
        width_px: plan.ingest.width_px,
        height_px: plan.ingest.height_px,
        recipe: step.digest(),
        step: described,
        copies: NonZeroU32::new(step.copies).expect("a plan has no step without copies"),
        seed: plan.study.seed,
    }
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
