//! The audit of what arms add to a data set: images that were made of it, as far as they are made, and extra ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::data::{Beside, Division};
use super::extra::{self, read_extra};
use super::further::read_folders;
use super::prepared::{Draws, Prepared};
use super::sets::MadeSet;
use super::{Context, DataAudit, StudyError, gates, sets};
use augtrial_audit::{ArmFinding, ArmQuestion, Look, looks, nearer_to_test};
use augtrial_base::digest::Digest;
use augtrial_base::words::chain;
use augtrial_data::cache::CacheError;
use augtrial_data::manifest::ImageRecord;
use augtrial_data::pixels::Pixels;
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_quality::{NEARLY_UNCHANGED, change};

/// What is asked about the images of arms.
#[derive(Clone, Debug, Default)]
pub struct ArmAudit {
    pub found: Vec<ArmFinding>,
    /// Images that were looked at.
    pub images: usize,
    /// Arms that were not, and labels that nobody judged, with the reason.
    pub notes: Vec<String>,
}

/// Looks at the images that arms of a plan made of its data set, where they are made, and at extra ones. Makes and trains nothing; labels
/// are judged where cross-fitted networks are there and this process can ask them, or has asked them before.
///
/// # Errors
/// [`StudyError::Interrupted`]. What keeps arms from being looked at, such as weights that are not there yet, is a note: the audit of the
/// data set stands without them.
pub fn audit_arms(plan: &Plan, audited: &DataAudit, context: &Context<'_>) -> Result<ArmAudit, StudyError> {
    match looked_at(plan, audited, context) {
        Err(error) if !matches!(error, StudyError::Interrupted) => {
            let notes = vec![format!("images of arms are not looked at: {}", chain(&error))];
            Ok(ArmAudit { notes, ..ArmAudit::default() })
        }
        found => found,
    }
}

fn looked_at(plan: &Plan, audited: &DataAudit, context: &Context<'_>) -> Result<ArmAudit, StudyError> {
    let mut audit = ArmAudit::default();
    let makes = |arm: &&Arm| !arm.offline.is_empty() || arm.edit.is_some();
    if audited.undivided.is_some() || !plan.arms.iter().any(|arm| makes(&arm) || arm.extra.is_some()) {
        return Ok(audit);
    }
    let folders = read_folders(plan, &audited.read, context)?;
    let extra = read_extra(plan, &audited.source, &audited.read, &folders, context)?;
    for read in &extra {
        extra::audit(read, plan, &audited.read, context, &mut audit)?;
    }
    let draws = Draws::as_read(plan, audited.read.clone(), Beside { folders, extra }, context)?;
    let prepared = draws.first();
    let Division::BySource(partition) = &prepared.data.division else { return Ok(audit) };
    let made: Vec<(&Arm, Vec<MadeSet>)> = plan
        .arms
        .iter()
        .filter(makes)
        .filter_map(|arm| made(prepared, arm, &mut audit.notes).map(|sets| sets.map(|sets| (arm, sets))).transpose())
        .collect::<Result<_, _>>()?;
    if made.is_empty() {
        return Ok(audit);
    }
    let stage = context.progress.stage("look at images of arms", 0, "images");
    let sight = Sight::new(prepared, audited, partition.test.images())?;
    for (arm, sets) in &made {
        for set in sets {
            context.check_stop()?;
            sight.look(arm, set, &mut audit)?;
        }
    }
    drop(stage);
    Ok(audit)
}

/// The sets of an arm if all are there.
fn made(prepared: &Prepared<'_>, arm: &Arm, notes: &mut Vec<String>) -> Result<Option<Vec<MadeSet>>, StudyError> {
    match found(prepared, arm) {
        Ok(Some(sets)) => Ok(Some(sets)),
        Ok(None) => {
            notes.push(format!("images of {} are not looked at: `augtrial run` makes them", arm.name));
            Ok(None)
        }
        Err(StudyError::Interrupted) => Err(StudyError::Interrupted),
        Err(error) => {
            notes.push(format!("images of {} are not looked at: {}", arm.name, chain(&error)));
            Ok(None)
        }
    }
}

fn found(prepared: &Prepared<'_>, arm: &Arm) -> Result<Option<Vec<MadeSet>>, StudyError> {
    let steps = prepared.steps(arm).collect::<Result<Vec<_>, _>>()?;
    let there = steps.iter().all(|step| prepared.is_made(&prepared.digest(step)));
    there.then(|| Ok(prepared.sets_of(arm)?.sets)).transpose()
}

/// The pixels of these images.
fn read<'a>(images: impl Iterator<Item = Pixels<'a>>) -> Result<Vec<Cow<'a, [u8]>>, CacheError> {
    images.map(Pixels::rgb).collect()
}

/// What derived images are compared with.
struct Sight<'a> {
    prepared: &'a Prepared<'a>,
    /// Where an image is in the audited manifest.
    positions: BTreeMap<Digest, usize>,
    tests: Vec<Look>,
    test_positions: Vec<usize>,
}

impl<'a> Sight<'a> {
    fn new(prepared: &'a Prepared<'a>, audited: &DataAudit, tests: &[ImageRecord]) -> Result<Self, StudyError> {
        let pool = prepared.pool()?;
        let ingest = &prepared.plan.ingest;
        let pixels = read(tests.iter().map(|image| pool.pixels(image.digest)))?;
        let images = audited.manifest.images.iter().enumerate().rev();
        let positions: BTreeMap<Digest, usize> = images.map(|(position, image)| (image.digest, position)).collect();
        Ok(Self {
            prepared,
            tests: looks(&pixels, ingest.width_px, ingest.height_px),
            test_positions: tests.iter().map(|image| positions[&image.digest]).collect(),
            positions,
        })
    }

    fn look(&self, arm: &Arm, made: &MadeSet, audit: &mut ArmAudit) -> Result<(), StudyError> {
        let Prepared { plan, data, context, .. } = self.prepared;
        let (width_px, height_px) = (plan.ingest.width_px, plan.ingest.height_px);
        let pool = self.prepared.pool()?;
        let pixels = read((0..made.set.images.len()).map(|place| Pixels::Of(&made.pixels, place)))?;
        let derived = looks(&pixels, width_px, height_px);
        let sources = read(made.set.images.iter().map(|image| pool.pixels(image.lineage.source)))?;
        let of_sources = looks(&sources, width_px, height_px);
        let judged = match gates::mislabeled(self.prepared, &arm.name, made) {
            Ok(judged) => judged,
            Err(StudyError::Interrupted) => return Err(StudyError::Interrupted),
            Err(StudyError::NoEngine) => {
                let how = "`augtrial quality` lets the networks look";
                audit.notes.push(format!(
                    "labels of {} are not judged, since nobody has asked the networks yet: {how}",
                    arm.name
                ));
                BTreeMap::new()
            }
            Err(error) => {
                audit.notes.push(format!("labels of {} are not judged: {}", arm.name, chain(&error)));
                BTreeMap::new()
            }
        };
        let reach = super::reach_of(plan);
        for (place, image) in made.set.images.iter().enumerate() {
            let source = self.positions.get(&image.lineage.source).copied();
            let finding = |question, other, note, score| ArmFinding {
                question,
                arm: arm.name.clone(),
                image: format!("{}/{}", made.set.digest, image.file),
                class: image.class,
                source,
                other,
                note,
                score,
                file: sets::folder(context).join(made.set.digest.to_string()).join(&image.file),
                digest: image.digest,
            };
            if let Some((test, bits, own)) = nearer_to_test(&derived[place], &of_sources[place], &self.tests, reach) {
                let note = format!("{bits} of 256 bits differ from the test image, {own} from the source");
                let other = Some(self.test_positions[test]);
                audit.found.push(finding(ArmQuestion::NearerToTest, other, note, f64::from(own - bits)));
            }
            let found = change(&sources[place], &pixels[place], width_px as usize);
            let ssim = found.ok().and_then(|change| change.ssim);
            if let Some(ssim) = ssim.filter(|&ssim| ssim >= NEARLY_UNCHANGED) {
                audit.found.push(finding(
                    ArmQuestion::NearlySource,
                    None,
                    format!("SSIM {ssim:.3} to its source"),
                    ssim,
                ));
            }
            if let Some(&(predicted, probability)) = judged.get(&place) {
                let taken = &data.manifest.classes[predicted as usize];
                let note = format!("taken for {taken} with probability {probability:.3}");
                audit.found.push(finding(ArmQuestion::OtherClass, None, note, f64::from(probability)));
            }
        }
        audit.images += made.set.images.len();
        Ok(())
    }
}
