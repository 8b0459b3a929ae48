//! What the seeds planned at first say alone, where the seeds were changed when results could be seen.
//!
//! A test of fixed level does not keep it if somebody looks and then decides whether to add data: the chance of a false
//! *different* grows with every look (Armitage et al. 1969). Nothing is corrected here; it is shown.

use serde::Serialize;

use super::contrast::{Detail, judged};
use super::input::Looked;
use super::{ContrastResult, StudyResults};

/// A study whose seeds were changed when results could be seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extension {
    pub seeds: Looked,
    /// Every contrast over the planned seeds alone, in the order declared.
    pub planned_alone: Vec<ContrastResult>,
}

pub(super) fn extension(input: &StudyResults) -> Option<Extension> {
    let seeds = input.conduct.looked.clone()?;
    Some(Extension { planned_alone: judged(input, &seeds.planned, Detail::Judgment), seeds })
}
