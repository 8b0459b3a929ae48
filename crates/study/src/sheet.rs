//! `study.json`: what was read, divided and made for a study, kept for its report.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::StudyError;
use super::arms::{ReadyArm, is_lost};
use super::audit::AuditSheet;
use super::data::Division;
use super::gallery::Gallery;
use super::prepared::Prepared;
use augtrial_base::clock::rfc3339;
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_data::audit::{Duplicates, LeakAudit};
use augtrial_data::manifest::{LeftOut, Manifest};
use augtrial_plan::Plan;
use augtrial_registry::{KeptPlan, Registry};

/// Version of the file.
const FORMAT: u32 = 1;

/// What a report needs and no run holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StudySheet {
    pub(super) format: u32,
    pub(super) written_at: String,
    /// The folder that the plan's relative paths start from.
    pub(super) base: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) duplicates: Duplicates,
    /// Images that the data set's own division puts apart from their twins, and that were left out.
    pub(super) withheld: Vec<LeftOut>,
    /// Sources of each class in each part; empty under the as-published protocol, where every arm has its own.
    pub(super) parts: Vec<PartCounts>,
    pub(super) arms: Vec<ArmSheet>,
    /// Absent under the as-published protocol, and in studies recorded before there was an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) audit: Option<AuditSheet>,
    /// Images of training that were not trained on by decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) excluded: Vec<LeftOut>,
    /// Images of the training part that `[train]` leaves unused, by the first draw.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) unused: u64,
    /// Every draw of the division, where it is redrawn for every seed; the rest of the sheet is of the first one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) draws: Vec<DrawSheet>,
}

/// One draw of the division.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DrawSheet {
    /// Of the trials that rest on it.
    pub(super) seeds: Vec<u64>,
    pub(super) training_images: u64,
    pub(super) test_images: u64,
}

/// An arm by another draw than the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Redrawn {
    /// Of the trials that rest on it.
    pub(super) seeds: Vec<u64>,
    pub(super) sets: Vec<Digest>,
    pub(super) planned: u64,
    /// Planned images that could not be made, without what a gate left out; the sets' manifests say why.
    pub(super) missing: u64,
    pub(super) audits: Vec<LeakAudit>,
}

/// Number of images of each class in one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartCounts {
    pub(super) split: Split,
    pub(super) counts: Vec<u64>,
}

/// What one arm was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ArmSheet {
    pub(super) name: String,
    /// Training samples of each class.
    pub(super) counts: Vec<u64>,
    pub(super) originals: u64,
    pub(super) planned: u64,
    pub(super) missing: Vec<LeftOut>,
    pub(super) sets: Vec<Digest>,
    /// Sets before a gate, of which the arm's are what was left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gated_from: Vec<Digest>,
    /// Wall time of making the sets; absent where all were there before this study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) generation_secs: Option<f64>,
    pub(super) audits: Vec<LeakAudit>,
    /// Derived images for the report's gallery; none in studies recorded before there was one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) examples: Vec<Example>,
    /// Seed and key of each of its trials.
    pub(super) trials: Vec<(u64, Digest)>,
    /// The arm by the other draws, where division or sets are redrawn for every seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) redrawn: Vec<Redrawn>,
}

/// A derived image in the gallery. Pictures are PNG files beside the sheet, named by their digests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Example {
    pub(super) source: Digest,
    /// Of the source, below the data set's root.
    pub(super) path: String,
    pub(super) class: u32,
    pub(super) copy: u32,
    /// The instruction, or the transforms.
    pub(super) asked: String,
    /// Mean absolute difference from the source, 8-bit levels, where an editor recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) change_levels: Option<f64>,
    pub(super) shown: GalleryFate,
}

/// What came of a planned image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum GalleryFate {
    Picture(Digest),
    /// With the reason.
    Missing(String),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What the corrected test asks of a draw; nothing where all seeds share the division.
fn draw_sheet(prepared: &Prepared<'_>) -> Option<DrawSheet> {
    let Division::BySource(partition) = &prepared.data.division else { return None };
    prepared.plan.redraws_split().then(|| DrawSheet {
        seeds: prepared.seeds.clone(),
        training_images: partition.train.sources().len() as u64,
        test_images: partition.test.images().len() as u64,
    })
}

/// What was kept of a plan; where nothing was, of one that differs in having more seeds, the newest.
pub(super) fn sheet_of(plan: &Plan, registry: &Registry) -> Result<Option<StudySheet>, StudyError> {
    let study = &plan.study.name;
    if let Some(sheet) = registry.read_study(study, &plan.digest())? {
        return Ok(Some(sheet));
    }
    for KeptPlan { toml, .. } in registry.study_plans(study)? {
        let kept = Plan::parse(study, &toml, PathBuf::new(), &[])?;
        let mut same_seeds = kept.clone();
        same_seeds.study.seeds.clone_from(&plan.study.seeds);
        let has_all = plan.study.seeds.iter().all(|seed| kept.study.seeds.contains(seed));
        if has_all && same_seeds.digest() == plan.digest() {
            return Ok(registry.read_study(study, &kept.digest())?);
        }
    }
    Ok(None)
}

impl StudySheet {
    /// Of one draw.
    pub(super) fn new(
        prepared: &Prepared<'_>,
        arms: &[ReadyArm<'_>],
        gallery: &Gallery,
        audit: Option<AuditSheet>,
    ) -> Self {
        let Prepared { plan, data, context, seeds, .. } = prepared;
        let classes = data.manifest.classes.len();
        let (parts, withheld, excluded, unused) = match &data.division {
            Division::BySource(partition) => {
                let part = |split, counts| PartCounts { split, counts };
                let parts = vec![
                    part(Split::Train, data.class_counts(partition.train.sources().iter())),
                    part(Split::Validation, data.class_counts(partition.validation.images())),
                    part(Split::Test, data.class_counts(partition.test.images())),
                ];
                let withheld = partition.withheld.iter().map(|image| LeftOut {
                    path: image.path.clone(),
                    reason: format!(
                        "{} image {}, {}, in {}",
                        image.split.name(),
                        if image.identical {
                            "with a byte-identical twin"
                        } else {
                            "that belongs with, or looks like, another"
                        },
                        image.twin,
                        image.twin_split.name()
                    ),
                    class: None,
                });
                (parts, withheld.collect(), partition.excluded.clone(), partition.unused as u64)
            }
            Division::AsPublished(..) => (Vec::new(), Vec::new(), Vec::new(), 0),
        };
        let arm_sheet = |(ready, examples): (&ReadyArm<'_>, &Vec<Example>)| ArmSheet {
            name: ready.arm.name.clone(),
            counts: ready.class_counts(classes),
            originals: ready.training.originals() as u64,
            planned: ready.planned,
            missing: ready.missing.clone(),
            sets: ready.sets.clone(),
            gated_from: ready.gated_from.clone(),
            generation_secs: ready.generation_secs,
            audits: ready.audits.clone(),
            examples: examples.clone(),
            trials: seeds.iter().map(|&seed| (seed, ready.key.trial(seed))).collect(),
            redrawn: Vec::new(),
        };
        Self {
            format: FORMAT,
            written_at: rfc3339(context.clock.now()),
            base: std::path::absolute(&plan.base).unwrap_or_else(|_| plan.base.clone()),
            manifest: (*data.manifest).clone(),
            duplicates: (*data.duplicates).clone(),
            withheld,
            parts,
            arms: arms.iter().zip(&gallery.arms).map(arm_sheet).collect(),
            audit,
            excluded,
            unused,
            draws: draw_sheet(prepared).into_iter().collect(),
        }
    }

    /// Adds another draw, and what the arms are made of by it.
    pub(super) fn add_draw(&mut self, prepared: &Prepared<'_>, arms: &[ReadyArm<'_>]) {
        let seeds = &prepared.seeds;
        self.draws.extend(draw_sheet(prepared));
        for ready in arms {
            let Some(arm) = self.arms.iter_mut().find(|arm| arm.name == ready.arm.name) else { continue };
            arm.trials.extend(seeds.iter().map(|&seed| (seed, ready.key.trial(seed))));
            arm.redrawn.push(Redrawn {
                seeds: seeds.clone(),
                sets: ready.sets.iter().chain(&ready.gated_from).copied().collect(),
                planned: ready.planned,
                missing: ready.missing.iter().filter(|left_out| is_lost(left_out)).count() as u64,
                audits: ready.audits.clone(),
            });
        }
    }

    /// Test images over training images, the mean over the draws that were made; nothing where all seeds share one.
    pub(super) fn test_share(&self) -> Option<f64> {
        let shares = self.draws.iter().map(|draw| draw.test_images as f64 / draw.training_images as f64);
        (!self.draws.is_empty()).then(|| shares.sum::<f64>() / self.draws.len() as f64)
    }

    /// Takes over the arms of an earlier sheet that this one lacks: a run of some arms forgets nothing of the others. Nor
    /// does a run that found its sets made forget how long that took.
    pub(super) fn keep_arms_of(&mut self, earlier: Self, plan: &Plan) {
        for arm in &mut self.arms {
            let before = earlier.arms.iter().find(|before| before.name == arm.name && before.sets == arm.sets);
            arm.generation_secs = arm.generation_secs.or(before.and_then(|before| before.generation_secs));
            // Draws whose sets are not taken up yet were recorded before.
            let Some(before) = earlier.arms.iter().find(|before| before.name == arm.name) else { continue };
            let known: BTreeSet<u64> = arm.trials.iter().map(|(seed, _)| *seed).collect();
            arm.trials.extend(before.trials.iter().filter(|(seed, _)| !known.contains(seed)));
            let unknown = |redrawn: &&Redrawn| redrawn.seeds.iter().all(|seed| !known.contains(seed));
            arm.redrawn.extend(before.redrawn.iter().filter(unknown).cloned());
        }
        let known: BTreeSet<u64> = self.draws.iter().flat_map(|draw| &draw.seeds).copied().collect();
        let unknown = |draw: &&DrawSheet| draw.seeds.iter().all(|seed| !known.contains(seed));
        self.draws.extend(earlier.draws.iter().filter(unknown).cloned());
        let order = |name: &str| plan.arms.iter().position(|arm| arm.name == name);
        let known = |sheet: &Self, name: &str| sheet.arms.iter().any(|arm| arm.name == name);
        let kept: Vec<_> = earlier.arms.into_iter().filter(|arm| !known(self, &arm.name)).collect();
        self.arms.extend(kept);
        self.arms.sort_by_key(|arm| order(&arm.name));
    }
}
