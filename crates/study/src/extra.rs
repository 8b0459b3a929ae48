//! The extra images of arms: read once, and compared with the data set, so that what is or looks like an image of validation or
//! test is never trained on, whichever way the data are divided.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::audit::{audit_folder, reach_of, survey_site};
use super::audit_arms::ArmAudit;
use super::data::Division;
use super::further::ReadFolder;
use super::prepared::Prepared;
use super::room::Room;
use super::{Context, StudyData, StudyError, sets};
use augtrial_audit::{ArmFinding, ArmQuestion, Decided, Findings, Site};
use augtrial_base::digest::Digest;
use augtrial_base::words::plural;
use augtrial_data::cache::Picture;
use augtrial_data::ingest::ingest_some;
use augtrial_data::manifest::{ImageRecord, LeftOut, Manifest};
use augtrial_data::pixels::PixelStore;
use augtrial_data::samples::Sample;
use augtrial_data::source::{Layout, Source};
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::extra::Extra;

/// The extra images of one arm, as they were read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReadExtra {
    arm: String,
    /// Absolute.
    root: PathBuf,
    manifest: Manifest,
    /// For every image, the paths of images of the data set that it is, or looks like.
    twins: Vec<Vec<String>>,
}

impl ReadExtra {
    /// Number of images.
    pub(super) fn images(&self) -> usize {
        self.manifest.images.len()
    }
}

/// Reads the extra images of a plan's arms. Those of an evaluation set's folder are left out here, for good.
pub(super) fn read_extra(
    plan: &Plan,
    source: &Source,
    data: &Manifest,
    folders: &[ReadFolder],
    context: &Context<'_>,
) -> Result<Vec<ReadExtra>, StudyError> {
    let evaluated: BTreeSet<Digest> =
        folders.iter().flat_map(|folder| &folder.manifest.images).map(|image| image.digest).collect();
    let mut read = Vec::new();
    for arm in &plan.arms {
        let Some(extra) = &arm.extra else { continue };
        let from = source_of(plan, extra, &data.classes);
        let stage = context.progress.stage(format!("read extra images of {}", arm.name), 0, "images");
        let failed = |source| StudyError::Extra { arm: arm.name.clone(), source: Box::new(source) };
        let mut manifest =
            ingest_some(&from, &plan.ingest, &|done, total| stage.set_of(done, total, "")).map_err(failed)?;
        drop(stage);
        let all = manifest.images.len();
        manifest.images.retain(|image| !evaluated.contains(&image.digest));
        let both = all - manifest.images.len();
        if both > 0 {
            let images = plural(both, "extra image");
            context.progress.note(&format!("{}: {images} left out, which an evaluation set has too", arm.name));
        }
        if !manifest.quarantined.is_empty() {
            let files = plural(manifest.quarantined.len(), "extra file");
            context.progress.note(&format!("{}: {files} cannot be used and are left out", arm.name));
        }
        let root = std::path::absolute(from.root()).unwrap_or_else(|_| from.root().to_owned());
        let twins = twins(plan, source, data, (&root, &manifest), context)?;
        read.push(ReadExtra { arm: arm.name.clone(), root, manifest, twins });
    }
    Ok(read)
}

fn source_of(plan: &Plan, extra: &Extra, classes: &[String]) -> Source {
    let classes = Some(classes.to_vec());
    match extra {
        Extra::Folder(folder) => Source::new(plan.resolve_path(&folder.path), Layout::Folder { classes }),
        Extra::Csv(csv) => {
            let file = plan.resolve_path(&csv.file);
            let beside = || file.parent().unwrap_or(Path::new("")).to_owned();
            let root = csv.root.as_deref().map_or_else(beside, |root| plan.resolve_path(root));
            Source::new(root, Layout::Csv { file, classes })
        }
    }
}

/// For every extra image, the images of the data set that are the same byte for byte, have the same pixels, or look alike as the
/// audit sees it.
fn twins(
    plan: &Plan,
    source: &Source,
    data: &Manifest,
    (root, extra): (&Path, &Manifest),
    context: &Context<'_>,
) -> Result<Vec<Vec<String>>, StudyError> {
    // One data set of both: an absolute path stays what it is below any root.
    let absolute =
        |image: &ImageRecord| ImageRecord { path: root.join(&image.path).display().to_string(), ..image.clone() };
    let known = data.images.len();
    let images: Vec<ImageRecord> = data.images.iter().cloned().chain(extra.images.iter().map(absolute)).collect();
    let (quarantined, ignored) = (Vec::new(), Vec::new());
    let both = Manifest { classes: data.classes.clone(), images, quarantined, ignored, synthetic: false };
    let (cache, stop) = (audit_folder(context), || context.stop.load(std::sync::atomic::Ordering::Relaxed));
    let site =
        Site { manifest: &both, root: source.root(), max_pixels: plan.ingest.max_pixels, cache: &cache, stop: &stop };
    let survey = survey_site(&site, reach_of(plan), context)?;
    let mut twins: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); extra.images.len()];
    let mut by_digest: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    for (index, image) in data.images.iter().enumerate() {
        by_digest.entry(image.digest).or_default().push(index);
    }
    for (image, twins) in extra.images.iter().zip(&mut twins) {
        twins.extend(by_digest.get(&image.digest).into_iter().flatten());
    }
    // The first of equal pictures stands for all in the near pairs.
    let equal = |image: usize| {
        let same = survey.same_pixels.iter().find(|same| same.contains(&image));
        same.cloned().unwrap_or_else(|| vec![image])
    };
    let near = survey.near.iter().map(|pair| [equal(pair.a), equal(pair.b)].concat());
    for alike in survey.same_pixels.iter().cloned().chain(near) {
        let (of_data, of_extra): (Vec<usize>, Vec<usize>) = alike.into_iter().partition(|&image| image < known);
        for image in of_extra {
            twins[image - known].extend(&of_data);
        }
    }
    let path = |image: usize| data.images[image].path.clone();
    Ok(twins.into_iter().map(|twins| twins.into_iter().map(path).collect()).collect())
}

/// What is odd about the extra images of an arm, and which of them the data set has.
pub(super) fn audit(
    read: &ReadExtra,
    plan: &Plan,
    data: &Manifest,
    context: &Context<'_>,
    audit: &mut ArmAudit,
) -> Result<(), StudyError> {
    let (cache, stop) = (audit_folder(context), || context.stop.load(std::sync::atomic::Ordering::Relaxed));
    let manifest = &read.manifest;
    let site = Site { manifest, root: &read.root, max_pixels: plan.ingest.max_pixels, cache: &cache, stop: &stop };
    let survey = survey_site(&site, reach_of(plan), context)?;
    let finding = |image: usize, question, other, note, score| {
        let record = &manifest.images[image];
        ArmFinding {
            question,
            arm: read.arm.clone(),
            image: record.path.clone(),
            class: record.class,
            source: None,
            other,
            note,
            score,
            file: read.root.join(&record.path),
            digest: record.digest,
        }
    };
    for odd in Findings::of(manifest, &survey, &Decided::default(), Vec::new()).odd {
        let note = format!("score {:.3}, below {}", odd.score, odd.oddity.threshold());
        audit.found.push(finding(odd.image, ArmQuestion::Odd(odd.oddity), None, note, -odd.score));
    }
    let positions: BTreeMap<&str, usize> =
        data.images.iter().enumerate().map(|(position, image)| (image.path.as_str(), position)).collect();
    for (image, twins) in read.twins.iter().enumerate() {
        let Some(first) = twins.first() else { continue };
        let same = data.images[positions[first.as_str()]].digest == manifest.images[image].digest;
        let note = format!("{} {first}", if same { "is" } else { "looks like" });
        let other = positions.get(first.as_str()).copied();
        audit.found.push(finding(image, ArmQuestion::InDataSet, other, note, if same { 1.0 } else { 0.0 }));
    }
    audit.images += manifest.images.len();
    Ok(())
}

/// The extra images of an arm by one division.
pub(super) struct Sorted<'d> {
    root: &'d Path,
    pub(super) kept: Vec<&'d ImageRecord>,
    /// What is, or looks like, an image of validation or test.
    pub(super) withheld: Vec<LeftOut>,
}

/// Sorts the extra images of an arm; nothing if it has none.
pub(super) fn sorted<'d>(data: &'d StudyData, arm: &Arm) -> Option<Sorted<'d>> {
    arm.extra.as_ref()?;
    let read = data.extra.iter().find(|read| read.arm == arm.name).expect("the extra images of every arm were read");
    let Division::BySource(partition) = &data.division else { return None };
    let judged: BTreeSet<&str> =
        partition.validation.images().iter().chain(partition.test.images()).map(|image| image.path.as_str()).collect();
    let mut sorted = Sorted { root: &read.root, kept: Vec::new(), withheld: Vec::new() };
    for (image, twins) in read.manifest.images.iter().zip(&read.twins) {
        if twins.iter().any(|twin| judged.contains(twin.as_str())) {
            let reason = "extra image that is, or looks like, one of validation or test".to_owned();
            sorted.withheld.push(LeftOut { path: image.path.clone(), reason, class: Some(image.class) });
        } else {
            sorted.kept.push(image);
        }
    }
    Some(sorted)
}

impl Sorted<'_> {
    /// What decides a trial: contents and classes of what is kept, in order.
    pub(super) fn digest(&self) -> Digest {
        let content: Vec<_> = self.kept.iter().map(|image| (image.digest, image.class)).collect();
        Digest::of_value("extra-v1", &content)
    }

    /// The images as samples, their pixels put into the store.
    pub(super) fn samples(
        &self,
        prepared: &Prepared<'_>,
        arm: &Arm,
        pixels: &mut PixelStore,
    ) -> Result<Vec<Sample>, StudyError> {
        let pictures =
            Picture::of_records(self.root, &self.kept.iter().map(|&image| image.clone()).collect::<Vec<_>>());
        let name = format!("decode extra images of {}", arm.name);
        let kept = Room::of(prepared.plan, &prepared.data).others(pictures.len());
        let first = pixels.push(Arc::new(sets::decode(&name, &pictures, kept, prepared.plan, prepared.context)?));
        let sample = |(position, image): (usize, &&ImageRecord)| Sample {
            pixels: first + position,
            label: image.class,
            image: image.digest,
            source: image.digest,
            path: image.path.clone(),
            derived: false,
        };
        Ok(self.kept.iter().enumerate().map(sample).collect())
    }
}
