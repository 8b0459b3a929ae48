//! What every arm trains on and is judged by.

use std::sync::Arc;

use super::data::Division;
use super::extra;
use super::key;
use super::prepared::Prepared;
use super::sets::{ArmSets, MadeSet, Sets};
use super::{StudyData, StudyError};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_data::audit::LeakAudit;
use augtrial_data::balance::topping_up;
use augtrial_data::manifest::LeftOut;
use augtrial_data::pixels::PixelStore;
use augtrial_data::published::{Mixture, split_mixed};
use augtrial_data::samples::{EvaluationSet, FurtherSet, Sample, TrainingSet};
use augtrial_data::sets::{Derived, PixelIndex};
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::balance::Balance;

/// One arm, ready for its trials.
pub(super) struct ReadyArm<'a> {
    pub(super) arm: &'a Arm,
    pub(super) training: TrainingSet,
    pub(super) validation: EvaluationSet,
    pub(super) test: EvaluationSet,
    pub(super) further: Arc<[FurtherSet]>,
    /// What decides a trial of this arm, but for the seed.
    pub(super) key: key::ArmKey<'a>,
    /// Training images that the recipe promises.
    pub(super) planned: u64,
    pub(super) missing: Vec<LeftOut>,
    pub(super) sets: Vec<Digest>,
    /// Sets before a gate.
    pub(super) gated_from: Vec<Digest>,
    /// Wall time of making those sets that were not there.
    pub(super) generation_secs: Option<f64>,
    pub(super) audits: Vec<LeakAudit>,
}

/// Assembles the arms whose sets are made, in their order.
pub(super) fn assemble<'a>(prepared: &'a Prepared<'_>, sets: &Sets) -> Result<Vec<ReadyArm<'a>>, StudyError> {
    let arms = &prepared.plan.arms;
    let arm = |made: &ArmSets| arms.iter().find(|arm| arm.name == made.arm).expect("sets are of the plan's arms");
    sets.arms.iter().map(|made| ready(prepared, sets, arm(made), made)).collect()
}

fn ready<'a>(
    prepared: &'a Prepared<'_>,
    sets: &Sets,
    arm: &'a Arm,
    made: &ArmSets,
) -> Result<ReadyArm<'a>, StudyError> {
    let Prepared { plan, data, .. } = prepared;
    let (mut pixels, index, derived) = gather(plan, data, sets, made);
    let sorted = extra::sorted(data, arm);
    let extra = sorted.as_ref().map(|sorted| sorted.samples(prepared, arm, &mut pixels)).transpose()?;
    let (extra, withheld) = (extra.unwrap_or_default(), sorted.map(|sorted| sorted.withheld).unwrap_or_default());
    let further = (extra.len() + withheld.len()) as u64;
    let (training, validation, test) = match &data.division {
        Division::BySource(partition) => {
            let failed = |source| StudyError::Set { arm: arm.name.clone(), source };
            let part = |part| EvaluationSet::of_originals(part, pixels.clone(), &index).map_err(failed);
            let (train, all) = (&partition.train, pixels.clone());
            let derived = match arm.balance {
                Some(Balance::Copies) => topping_up(train, arm.repeat, derived),
                _ => derived,
            };
            let training = match arm.replace {
                None => TrainingSet::leak_free(train, all, &index, arm.repeat, derived),
                Some(rule) => TrainingSet::replacing(train, all, &index, arm.repeat, derived, rule),
            };
            let judged = [&partition.validation, &partition.test];
            let training = training.and_then(|training| training.with_extra(extra, judged)).map_err(failed)?;
            let training = match arm.balance {
                Some(Balance::Sampler) => training.drawn_by_class(),
                Some(Balance::Oversample) => training.oversampled(data.draw.sets),
                Some(Balance::Copies) | None => training,
            };
            (training, part(&partition.validation)?, part(&partition.test)?)
        }
        Division::AsPublished(consent, shares) => {
            let manifest = &data.manifest;
            let mixture = Mixture { manifest, derived, pixels, originals: &index, repeat: arm.repeat };
            let mixed = split_mixed(mixture, *shares, plan.study.seed, *consent)
                .map_err(|source| StudyError::Mix { arm: arm.name.clone(), source })?;
            (mixed.train, mixed.validation, mixed.test)
        }
    };
    let audits = vec![LeakAudit::of(&training, &validation), LeakAudit::of(&training, &test)];
    let derived_planned: u64 = made.sets.iter().map(|made| made.planned).sum();
    let missing: Vec<LeftOut> = made.sets.iter().flat_map(missing).chain(withheld).collect();
    let planned = match arm.balance {
        None => planned(data, arm, derived_planned).saturating_add(further),
        // Which images are repeated or needed follows from what could be made.
        Some(_) => (training.samples().len() + missing.len()) as u64,
    };
    let set_digests: Vec<Digest> = made.sets.iter().map(|made| made.set.digest).collect();
    Ok(ReadyArm {
        arm,
        key: prepared.key(arm, set_digests.clone()),
        planned,
        missing,
        sets: set_digests,
        gated_from: made.sets.iter().filter_map(|made| made.base).collect(),
        generation_secs: made.sets.iter().filter_map(|made| made.generation_secs).reduce(|a, b| a + b),
        training,
        validation,
        test,
        further: prepared.further()?,
        audits,
    })
}

/// Every pixel that the arm may use, where originals are among them, and what was derived.
fn gather(plan: &Plan, data: &StudyData, sets: &Sets, made: &ArmSets) -> (PixelStore, PixelIndex, Vec<Derived>) {
    let mut pixels = PixelStore::new(plan.ingest.width_px, plan.ingest.height_px);
    let first = pixels.push(Arc::clone(&sets.originals));
    let index = PixelIndex::new(first, data.manifest.images.iter().map(|image| image.digest));
    let mut derived = Vec::new();
    for MadeSet { set, pixels: decoded, .. } in &made.sets {
        let first = pixels.push(Arc::clone(decoded));
        derived.extend(set.images.iter().enumerate().map(|(position, image)| Derived {
            source: image.lineage.source,
            class: image.class,
            image: image.digest,
            path: format!("{}/{}", set.digest, image.file),
            pixels: first + position,
        }));
    }
    (pixels, index, derived)
}

fn missing(made: &MadeSet) -> Vec<LeftOut> {
    let left_out = |image: &augtrial_augment::store::MissingImage| LeftOut {
        path: format!("copy {} of {}", image.lineage.copy, image.lineage.source.short()),
        reason: image.missing.reason.name().to_owned(),
        class: Some(image.class),
    };
    made.set.missing.iter().map(left_out).collect()
}

/// Training images that the recipe promises; under the as-published protocol, images before the division.
fn planned(data: &StudyData, arm: &Arm, derived: u64) -> u64 {
    (data.augmentable().len() as u64).saturating_mul(arm.repeat.into()).saturating_add(derived)
}

/// Whether an image is missing by no rule of its arm: what a gate leaves out is what was declared.
pub(super) fn is_lost(left_out: &LeftOut) -> bool {
    !left_out.reason.starts_with("gated-")
}

impl ReadyArm<'_> {
    /// Training samples of each class.
    pub(super) fn class_counts(&self, classes: usize) -> Vec<u64> {
        count(self.training.samples(), classes)
    }

    /// The evaluation set of a part.
    pub(super) fn evaluation(&self, split: Split) -> &EvaluationSet {
        if split == Split::Test { &self.test } else { &self.validation }
    }
}

/// Samples of each class.
pub(super) fn count(samples: &[Sample], classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    for sample in samples {
        counts[sample.label as usize] += 1;
    }
    counts
}
