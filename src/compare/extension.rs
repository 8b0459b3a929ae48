//! What the seeds planned at first say alone, where the seeds were changed when results could be seen.
//!
//! A test of fixed level does not keep it if somebody looks and then decides whether to add data: the chance of a false
//! *different* grows with every look (Armitage et al. 1969). Nothing is corrected here; it is shown.

use serde::Serialize;

use super::contrast::judged;
use super::input::Looked;
use super::{ContrastResult, StudyResults, Verdict};
use crate::plan::file::Contrast;
use crate::stats::Estimate;

/// A study whose seeds were changed when results could be seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extension {
    pub seeds: Looked,
    /// Every contrast over the planned seeds alone, in the order declared.
    pub planned_alone: Vec<PlannedAlone>,
}

/// A contrast over the seeds that were planned at first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedAlone {
    pub contrast: Contrast,
    pub pairs: usize,
    /// Absent if the verdict is a refusal.
    pub difference: Option<Estimate>,
    pub holm_p: Option<f64>,
    pub verdict: Verdict,
}

pub(super) fn extension(input: &StudyResults) -> Option<Extension> {
    let seeds = input.conduct.looked.clone()?;
    let alone = |result: ContrastResult| PlannedAlone {
        pairs: result.pairs.len(),
        difference: result.effect.as_ref().map(|effect| effect.difference),
        holm_p: result.effect.as_ref().map(|effect| effect.holm_p),
        contrast: result.contrast,
        verdict: result.verdict,
    };
    let planned_alone = judged(input, &seeds.planned).into_iter().map(alone).collect();
    Some(Extension { seeds, planned_alone })
}
