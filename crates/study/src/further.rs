//! Further evaluation sets: other folders with the same classes, and the test part changed by transforms. They select nothing;
//! every trial is judged on them after its test part, with the same weights.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::data::Division;
use super::prepared::Prepared;
use super::room::Room;
use super::sets::{self, Step};
use super::{Context, StudyData, StudyError};
use augtrial_augment::store::{SourceImage, TransformMaker};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_base::words::plural;
use augtrial_data::cache::Picture;
use augtrial_data::ingest::ingest;
use augtrial_data::manifest::Manifest;
use augtrial_data::pixels::{PixelBlock, PixelStore, Pixels};
use augtrial_data::samples::{EvaluationSet, FurtherSet, Sample};
use augtrial_data::source::{Layout, Source};
use augtrial_plan::Plan;
use augtrial_plan::evaluation::{Corrupted, Evaluation, EvaluationSource};

/// A folder of an evaluation set, as it was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReadFolder {
    pub(super) name: String,
    pub(super) root: PathBuf,
    pub(super) manifest: Manifest,
}

/// Reads the folders of a plan's evaluation sets. Images of the data set are left out: the networks may have been trained on
/// them.
pub(super) fn read_folders(plan: &Plan, data: &Manifest, context: &Context<'_>) -> Result<Vec<ReadFolder>, StudyError> {
    let known: BTreeSet<Digest> = data.images.iter().map(|image| image.digest).collect();
    let mut folders = Vec::new();
    for Evaluation { name, from } in &plan.evaluations {
        let EvaluationSource::Folder(folder) = from else { continue };
        let root = plan.resolve_path(&folder.path);
        let source = Source::new(root, Layout::Folder { classes: Some(data.classes.clone()) });
        let stage = context.progress.stage(format!("read images of {name}"), 0, "images");
        let failed = |source| StudyError::Evaluation { name: name.clone(), source: Box::new(source) };
        let mut manifest =
            ingest(&source, &plan.ingest, &|done, total| stage.set_of(done, total, "")).map_err(failed)?;
        let all = manifest.images.len();
        manifest.images.retain(|image| !known.contains(&image.digest));
        let both = all - manifest.images.len();
        if manifest.images.is_empty() {
            return Err(StudyError::EvaluationEmpty { name: name.clone() });
        }
        if both > 0 {
            let images = plural(both, "image");
            context.progress.note(&format!("evaluation set {name}: {images} left out, which the data set has too"));
        }
        if !manifest.quarantined.is_empty() {
            let files = plural(manifest.quarantined.len(), "file");
            context.progress.note(&format!("evaluation set {name}: {files} cannot be used and are left out"));
        }
        folders.push(ReadFolder { name: name.clone(), root: source.root().to_owned(), manifest });
    }
    Ok(folders)
}

/// What decides the content of every evaluation set, in the order of the plan.
pub(super) fn digests(plan: &Plan, data: &StudyData) -> Vec<(String, Digest)> {
    let digest = |Evaluation { name, from }: &Evaluation| {
        let digest = match from {
            EvaluationSource::Folder(_) => {
                Digest::of_value("evaluation-folder-v1", &folder(data, name).manifest.digest())
            }
            EvaluationSource::Corrupted(corrupted) => {
                step(plan, corrupted).digest_of(plan, plan.study.seed, &tested(data, |_| Pixels::Bytes(&[])))
            }
        };
        (name.clone(), digest)
    };
    plan.evaluations.iter().map(digest).collect()
}

/// The sets that are made for the evaluation sets of a draw.
pub(super) fn set_digests(plan: &Plan, data: &StudyData) -> Vec<Digest> {
    let corrupted =
        |Evaluation { name, from }: &Evaluation| matches!(from, EvaluationSource::Corrupted(_)).then(|| name.clone());
    let names: BTreeSet<String> = plan.evaluations.iter().filter_map(corrupted).collect();
    digests(plan, data).into_iter().filter(|(name, _)| names.contains(name)).map(|(_, digest)| digest).collect()
}

/// The evaluation sets of a draw, made and decoded if they are not there.
pub(super) fn make(prepared: &Prepared<'_>) -> Result<Arc<[FurtherSet]>, StudyError> {
    let Prepared { plan, data, .. } = prepared;
    let set = |Evaluation { name, from }: &Evaluation| {
        let set = match from {
            EvaluationSource::Folder(_) => of_folder(prepared, folder(data, name))?,
            EvaluationSource::Corrupted(corrupted) => of_test(prepared, name, corrupted)?,
        };
        Ok(FurtherSet { name: name.clone(), set })
    };
    plan.evaluations.iter().map(set).collect()
}

fn folder<'d>(data: &'d StudyData, name: &str) -> &'d ReadFolder {
    data.folders.iter().find(|folder| folder.name == name).expect("every folder of the plan was read")
}

fn of_folder(prepared: &Prepared<'_>, read: &ReadFolder) -> Result<EvaluationSet, StudyError> {
    let pictures = Picture::of_records(&read.root, &read.manifest.images);
    let name = format!("decode images of {}", read.name);
    let kept = Room::of(prepared.plan, &prepared.data).others(pictures.len());
    let pixels = Arc::new(sets::decode(&name, &pictures, kept, prepared.plan, prepared.context)?);
    let sample = |(position, image): (usize, &augtrial_data::manifest::ImageRecord)| Sample {
        pixels: position,
        label: image.class,
        image: image.digest,
        source: image.digest,
        path: image.path.clone(),
        derived: false,
    };
    let samples = read.manifest.images.iter().enumerate().map(sample).collect();
    Ok(evaluation(prepared.plan, pixels, samples))
}

fn of_test(prepared: &Prepared<'_>, name: &str, corrupted: &Corrupted) -> Result<EvaluationSet, StudyError> {
    let Prepared { plan, data, .. } = prepared;
    let pool = prepared.pool()?;
    let sources = tested(data, |image| pool.pixels(image));
    let made = sets::materialize(prepared, name, plan.study.seed, &sources, &step(plan, corrupted))?;
    // Byte-identical images of one class are one source, and one image here.
    let path = |source: Digest| sources.iter().find(|known| known.digest == source).map_or("", |known| known.path);
    let sample = |(position, image): (usize, &augtrial_augment::store::DerivedImage)| Sample {
        pixels: position,
        label: image.class,
        image: image.digest,
        source: image.lineage.source,
        path: path(image.lineage.source).to_owned(),
        derived: true,
    };
    let samples = made.set.images.iter().enumerate().map(sample).collect();
    Ok(evaluation(plan, made.pixels, samples))
}

fn evaluation(plan: &Plan, block: Arc<PixelBlock>, samples: Vec<Sample>) -> EvaluationSet {
    let mut pixels = PixelStore::new(plan.ingest.width_px, plan.ingest.height_px);
    pixels.push(block);
    EvaluationSet::new(Split::Test, samples, pixels)
}

fn recipe(corrupted: &Corrupted) -> Digest {
    Digest::of_value("corrupted-v1", &corrupted.apply)
}

/// The recipes of a plan's evaluation sets that are made of test images.
pub(super) fn recipes(plan: &Plan) -> impl Iterator<Item = Digest> {
    plan.evaluations.iter().filter_map(|evaluation| match &evaluation.from {
        EvaluationSource::Corrupted(corrupted) => Some(recipe(corrupted)),
        EvaluationSource::Folder(_) => None,
    })
}

/// One changed copy of every test image.
fn step<'a>(plan: &Plan, corrupted: &'a Corrupted) -> Step<'a> {
    let recipe = recipe(corrupted);
    let maker = TransformMaker::new(&corrupted.apply, recipe, plan.study.seed);
    Step::new(NonZeroU32::MIN.get(), recipe, corrupted, Box::new(maker))
}

/// The test images with their pixels. Nothing that is made of them can come into a training set: that takes nothing whose
/// source is not in the training part.
fn tested<'a>(data: &'a StudyData, pixels: impl Fn(Digest) -> Pixels<'a>) -> Vec<SourceImage<'a>> {
    let Division::BySource(partition) = &data.division else { return Vec::new() };
    let source = |image: &'a augtrial_data::manifest::ImageRecord| SourceImage {
        digest: image.digest,
        path: &image.path,
        class: image.class,
        pixels: pixels(image.digest),
    };
    partition.test.images().iter().map(source).collect()
}
