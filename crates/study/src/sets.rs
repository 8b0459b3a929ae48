//! The materialized sets of every arm.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::gates::{self, Gated};
use super::prepared::Prepared;
use super::room::Room;
use super::{Context, StudyData, StudyError, edits};
use augtrial_augment::edit::OpenEditor;
use augtrial_augment::store::{
    self, DerivedImageMaker, DerivedSet, SetRequest, SourceImage, StoreError, TransformMaker,
};
use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_data::cache::{Picture, Working, decoded, file_of};
use augtrial_data::pixels::{PixelBlock, Pixels};
use augtrial_data::samples::Sample;
use augtrial_plan::Plan;
use augtrial_plan::arm::{Arm, OfflineStep};

/// Decoded originals, and the sets that were made of them.
pub(super) struct Sets {
    /// In the order of the manifest.
    pub(super) originals: Arc<PixelBlock>,
    /// Of arms whose sets are made, in the order of the plan.
    pub(super) arms: Vec<ArmSets>,
}

/// The sets of one arm, in the order of its recipe.
#[derive(Clone)]
pub(super) struct ArmSets {
    pub(super) arm: String,
    pub(super) sets: Vec<MadeSet>,
}

/// A finished set and its decoded pixels.
#[derive(Clone)]
pub(super) struct MadeSet {
    pub(super) set: DerivedSet,
    pub(super) pixels: Arc<PixelBlock>,
    pub(super) planned: u64,
    /// Wall time of making it; absent if it was there.
    pub(super) generation_secs: Option<f64>,
    /// The set before a gate, if one left images out.
    pub(super) base: Option<Digest>,
}

impl MadeSet {
    /// An image of the set for a network to look at, its pixels at this place of a store.
    pub(super) fn sample(&self, position: usize, pixels: usize) -> Sample {
        let image = &self.set.images[position];
        let path = format!("{}/{}", self.set.digest, image.file);
        Sample {
            pixels,
            label: image.class,
            // Named by what its file's path holds: the set, the source and the copy.
            image: Digest::of_bytes(path.as_bytes()),
            source: image.lineage.source,
            path,
            derived: true,
        }
    }
}

/// The decoded originals that the derived images of a study are made from.
pub(super) struct Pool {
    originals: Arc<PixelBlock>,
    /// Of every image among the originals.
    positions: BTreeMap<Digest, usize>,
}

impl Pool {
    /// Decodes the originals, unless they are decoded.
    pub(super) fn open(plan: &Plan, data: &StudyData, context: &Context<'_>) -> Result<Self, StudyError> {
        let pictures = Picture::of_records(data.source.root(), &data.manifest.images);
        let originals = Arc::new(decode("decode images", &pictures, Room::of(plan, data).originals(), plan, context)?);
        let positions = data.manifest.images.iter().enumerate().map(|(index, image)| (image.digest, index)).collect();
        Ok(Self { originals, positions })
    }

    /// Whether those originals are decoded that are kept.
    pub(super) fn is_there(plan: &Plan, data: &StudyData, context: &Context<'_>) -> bool {
        let pictures = Picture::of_records(data.source.root(), &data.manifest.images);
        let kept = Room::of(plan, data).originals();
        kept == 0 || file_of(&cache_folder(context), working(plan).digest(&pictures), pictures.len(), kept).is_file()
    }

    /// The pixels of an original, to be read.
    pub(super) fn pixels(&self, image: Digest) -> Pixels<'_> {
        Pixels::Of(&self.originals, self.position(image))
    }

    /// Where an original is among all.
    pub(super) fn position(&self, image: Digest) -> usize {
        self.positions[&image]
    }

    pub(super) fn originals(&self) -> Arc<PixelBlock> {
        Arc::clone(&self.originals)
    }
}

/// The set of one step of an arm, made if it is not there.
pub(super) fn make(prepared: &Prepared<'_>, pool: &Pool, arm: &Arm, step: &Step<'_>) -> Result<MadeSet, StudyError> {
    let sources = step.sources(&prepared.data, |image| pool.pixels(image));
    match &step.gate {
        None => materialize(prepared, &arm.name, prepared.data.draw.sets, &sources, step),
        Some(gate) => gates::pass(prepared, &arm.name, &sources, step, gate),
    }
}

/// The images that a step makes of these sources for whoever is called `name`, an arm or an evaluation set, before any gate.
pub(super) fn materialize(
    prepared: &Prepared<'_>,
    name: &str,
    seed: StudySeed,
    sources: &[SourceImage<'_>],
    step: &Step<'_>,
) -> Result<MadeSet, StudyError> {
    materialize_by(prepared, name, &step.request(prepared.plan, seed, sources), &*step.maker)
}

/// The set of a request, made if it is not there.
pub(super) fn materialize_by(
    prepared: &Prepared<'_>,
    name: &str,
    request: &SetRequest<'_>,
    maker: &dyn DerivedImageMaker,
) -> Result<MadeSet, StudyError> {
    let context = prepared.context;
    let stage = context.progress.stage(format!("make images of {name}"), 0, "images");
    let progress = |progress: store::SetProgress| {
        let message = if progress.missing > 0 { format!("{} missing", progress.missing) } else { String::new() };
        stage.set_of(progress.done as u64, progress.planned as u64, &message);
    };
    let watch = store::Watch { stop: context.stop, progress: &progress };
    let stopwatch = context.clock.start();
    let set = match store::materialize(&folder(context), request, maker, watch) {
        Ok(set) => set,
        Err(StoreError::Interrupted { .. }) => return Err(StudyError::Interrupted),
        Err(source) => return Err(StudyError::Store { arm: name.to_owned(), source }),
    };
    if let Some(problem) = &set.replaced {
        let note = format!("the set {} of {name} is made anew: {problem}", set.digest.short());
        context.progress.note(&note);
    }
    let generation_secs = (!set.reused).then(|| stopwatch.elapsed().as_secs_f64());
    drop(stage);
    opened(prepared, name, set, generation_secs)
}

/// A finished set with its pixels, made in this time.
pub(super) fn opened(
    prepared: &Prepared<'_>,
    name: &str,
    set: DerivedSet,
    generation_secs: Option<f64>,
) -> Result<MadeSet, StudyError> {
    let picture = |image: &store::DerivedImage| Picture { file: set.folder.join(&image.file), digest: image.digest };
    let pictures: Vec<Picture> = set.images.iter().map(picture).collect();
    let kept = Room::of(prepared.plan, &prepared.data).others(pictures.len());
    let decoded = decode(&format!("decode images of {name}"), &pictures, kept, prepared.plan, prepared.context)?;
    let planned = (set.images.len() + set.missing.len()) as u64;
    Ok(MadeSet { set, pixels: Arc::new(decoded), planned, generation_secs, base: None })
}

/// Where sets are.
pub(super) fn folder(context: &Context<'_>) -> PathBuf {
    context.workspace.runs.join("sets")
}

/// One offline step of an arm: what makes its images, and what names them.
pub(super) struct Step<'a> {
    pub(super) copies: u32,
    recipe: Digest,
    /// For the reader of the set's manifest.
    described: serde_json::Value,
    maker: Box<dyn DerivedImageMaker + 'a>,
    /// Content and class of the sources that get copies; all if absent.
    chosen: Option<BTreeSet<(Digest, u32)>>,
    /// What the images pass before they are trained on.
    gate: Option<Gated<'a>>,
}

/// The offline steps of an arm, in order: transforms, then the edit.
pub(super) fn steps<'a>(
    plan: &'a Plan,
    data: &'a StudyData,
    arm: &'a Arm,
    opener: Option<&'a dyn OpenEditor>,
) -> impl Iterator<Item = Result<Step<'a>, StudyError>> {
    let transforms = arm.offline.iter().map(|step| Ok(Step::of_transforms(data, step)));
    transforms.chain(arm.edit.iter().map(move |edit| edits::step(plan, data, arm, edit, opener)))
}

impl<'a> Step<'a> {
    pub(super) fn new(
        copies: u32,
        recipe: Digest,
        described: &impl Serialize,
        maker: Box<dyn DerivedImageMaker + 'a>,
    ) -> Self {
        let described = serde_json::to_value(described).expect("a step has a JSON form");
        Self { copies, recipe, described, maker, chosen: None, gate: None }
    }

    /// The same of these sources alone, its images gated.
    pub(super) fn restricted(self, chosen: Option<BTreeSet<(Digest, u32)>>, gate: Option<Gated<'a>>) -> Self {
        Self { chosen, gate, ..self }
    }

    fn of_transforms(data: &StudyData, step: &'a OfflineStep) -> Self {
        let maker = TransformMaker::new(&step.apply, step.digest(), data.draw.sets);
        Self::new(step.copies.get(), step.digest(), step, Box::new(maker))
    }

    /// The digest of the set, without making it.
    pub(super) fn digest(&self, plan: &Plan, data: &StudyData) -> Digest {
        let base = self.base_digest(plan, data);
        let Some(gate) = &self.gate else { return base };
        let (described, sources) = (serde_json::Value::Null, self.sources(data, |_| Pixels::Bytes(&[])));
        let request = request(plan, (gate.recipe(self.recipe), &described), self.copies, data.draw.sets, &sources);
        request.digest(&gate.tool(&base, plan, data))
    }

    /// The digest of the set before the gate.
    pub(super) fn base_digest(&self, plan: &Plan, data: &StudyData) -> Digest {
        self.digest_of(plan, data.draw.sets, &self.sources(data, |_| Pixels::Bytes(&[])))
    }

    /// The images that get copies, with their pixels.
    pub(super) fn sources<'s>(
        &self,
        data: &'s StudyData,
        pixels: impl Fn(Digest) -> Pixels<'s>,
    ) -> Vec<SourceImage<'s>> {
        let mut sources = sources(data, pixels);
        if let Some(chosen) = &self.chosen {
            sources.retain(|source| chosen.contains(&(source.digest, source.class)));
        }
        sources
    }

    /// Digest of the step's recipe, without its gate.
    pub(super) fn recipe(&self) -> Digest {
        self.recipe
    }

    /// The step for the reader of a manifest, without its gate.
    pub(super) fn described(&self) -> &serde_json::Value {
        &self.described
    }

    /// The digest of the set of these sources, before the gate.
    pub(super) fn digest_of(&self, plan: &Plan, seed: StudySeed, sources: &[SourceImage<'_>]) -> Digest {
        self.request(plan, seed, sources).digest(&self.maker.tool())
    }

    fn request<'r>(&'r self, plan: &Plan, seed: StudySeed, sources: &'r [SourceImage<'r>]) -> SetRequest<'r> {
        request(plan, (self.recipe, &self.described), self.copies, seed, sources)
    }
}

/// What a set of this plan is asked to be.
pub(super) fn request<'r>(
    plan: &Plan,
    (recipe, step): (Digest, &'r serde_json::Value),
    copies: u32,
    seed: StudySeed,
    sources: &'r [SourceImage<'r>],
) -> SetRequest<'r> {
    SetRequest {
        sources,
        width_px: plan.ingest.width_px,
        height_px: plan.ingest.height_px,
        recipe,
        step,
        copies: NonZeroU32::new(copies).expect("a plan has no step without copies"),
        seed,
    }
}

/// The images that are derived from, with their pixels.
pub(super) fn sources<'a>(data: &'a StudyData, pixels: impl Fn(Digest) -> Pixels<'a>) -> Vec<SourceImage<'a>> {
    let source = |image: &'a augtrial_data::manifest::ImageRecord| SourceImage {
        digest: image.digest,
        path: &image.path,
        class: image.class,
        pixels: pixels(image.digest),
    };
    data.augmentable().iter().map(source).collect()
}

/// How a plan's images are decoded.
pub(super) fn working(plan: &Plan) -> Working {
    Working { width_px: plan.ingest.width_px, height_px: plan.ingest.height_px, max_pixels: plan.ingest.max_pixels }
}

/// Where decoded pixels are.
fn cache_folder(context: &Context<'_>) -> PathBuf {
    context.workspace.runs.join("cache")
}

/// The pixels of these pictures, of which the first `kept` are kept.
pub(super) fn decode(
    name: &str,
    pictures: &[Picture],
    kept: usize,
    plan: &Plan,
    context: &Context<'_>,
) -> Result<PixelBlock, StudyError> {
    let stage = context.progress.stage(name, pictures.len().min(kept) as u64, "images");
    let progress = |done, total| stage.set_of(done, total, "");
    let decoded = decoded(&cache_folder(context), pictures, working(plan), kept, &progress)?;
    if let Some(problem) = &decoded.replaced {
        context.progress.note(&format!("decoded pixels are made anew: {problem}"));
    }
    Ok(decoded.pixels)
}
