//! `study.json`: what was read, divided and made for a study, kept for its report.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::arms::ReadyArm;
use super::data::Division;
use super::gallery::Gallery;
use super::{Context, StudyData};
use crate::clock::rfc3339;
use crate::data::audit::{Duplicates, LeakAudit};
use crate::data::manifest::{LeftOut, Manifest};
use crate::digest::Digest;
use crate::events::Split;
use crate::plan::Plan;

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
    /// Wall time of making the sets; absent where all were there before this study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) generation_secs: Option<f64>,
    pub(super) audits: Vec<LeakAudit>,
    /// Derived images for the report's gallery; none in studies recorded before there was one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) examples: Vec<Example>,
    /// Seed and key of each of its trials.
    pub(super) trials: Vec<(u64, Digest)>,
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
    pub(super) shown: Shown,
}

/// What came of a planned image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Shown {
    Picture(Digest),
    /// With the reason.
    Missing(String),
}

impl StudySheet {
    pub(super) fn new(
        plan: &Plan,
        data: &StudyData,
        arms: &[ReadyArm<'_>],
        gallery: &Gallery,
        context: &Context<'_>,
    ) -> Self {
        let classes = data.manifest.classes.len();
        let (parts, withheld) = match &data.division {
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
                        "{} image with a byte-identical twin, {}, in {}",
                        image.split.name(),
                        image.twin,
                        image.twin_split.name()
                    ),
                    class: None,
                });
                (parts, withheld.collect())
            }
            Division::AsPublished(..) => (Vec::new(), Vec::new()),
        };
        let arm_sheet = |(ready, examples): (&ReadyArm<'_>, &Vec<Example>)| ArmSheet {
            name: ready.arm.name.clone(),
            counts: ready.class_counts(classes),
            originals: ready.training.originals() as u64,
            planned: ready.planned,
            missing: ready.missing.clone(),
            sets: ready.sets.clone(),
            generation_secs: ready.generation_secs,
            audits: ready.audits.clone(),
            examples: examples.clone(),
            trials: plan.study.seeds.iter().map(|&seed| (seed, ready.key.trial(seed))).collect(),
        };
        Self {
            format: FORMAT,
            written_at: rfc3339(context.clock.now()),
            base: std::path::absolute(&plan.base).unwrap_or_else(|_| plan.base.clone()),
            manifest: data.manifest.clone(),
            duplicates: data.duplicates.clone(),
            withheld,
            parts,
            arms: arms.iter().zip(&gallery.arms).map(arm_sheet).collect(),
        }
    }

    /// Takes over the arms of an earlier sheet that this one lacks: a run of some arms forgets nothing of the others. Nor
    /// does a run that found its sets made forget how long that took.
    pub(super) fn keep_arms_of(&mut self, earlier: Self, plan: &Plan) {
        for arm in &mut self.arms {
            let before = earlier.arms.iter().find(|before| before.name == arm.name && before.sets == arm.sets);
            arm.generation_secs = arm.generation_secs.or(before.and_then(|before| before.generation_secs));
        }
        let order = |name: &str| plan.arms.iter().position(|arm| arm.name == name);
        let known = |sheet: &Self, name: &str| sheet.arms.iter().any(|arm| arm.name == name);
        let kept: Vec<_> = earlier.arms.into_iter().filter(|arm| !known(self, &arm.name)).collect();
        self.arms.extend(kept);
        self.arms.sort_by_key(|arm| order(&arm.name));
    }
}
