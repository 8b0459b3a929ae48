//! The audit in `augtrial compare --json`: what was found of the data, and the contrasts without the test images in doubt.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::compare_json::{Alone, alone};
use augtrial_compare::Metric;
use augtrial_report::AuditRecord;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Audit {
    /// Why images that look alike were not looked for.
    problem: Option<String>,
    /// Pairs that look alike and nobody has decided on.
    near_pairs: usize,
    /// Sets of files that hold one picture.
    same_sets: usize,
    /// Sets of what is the same or looks alike whose labels differ.
    contradicting_sets: usize,
    /// Number of odd pictures, by what is odd.
    odd: BTreeMap<String, usize>,
    /// Number of decisions, by kind.
    decisions: BTreeMap<String, usize>,
    /// Paths of training images that were not trained on by decision.
    excluded: Vec<String>,
    /// Paths of test images whose labels the runs doubt, the most suspect first; null where that is not known.
    doubts: Option<Vec<String>>,
    /// Contrasts without the test images in doubt.
    subsets: Vec<Subset>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Subset {
    /// `leaked`: without images with a twin in training. `labels`: without images whose label is contradicted or in doubt.
    key: &'static str,
    /// Test images that are left.
    images: usize,
    left_out: usize,
    /// In the order declared; empty where nothing can be computed.
    contrasts: Vec<Alone>,
}

impl Audit {
    pub(super) fn of(audit: &AuditRecord, metric: &Metric) -> Self {
        let paths = |files: &[augtrial_data::manifest::LeftOut]| files.iter().map(|file| file.path.clone()).collect();
        Self {
            problem: audit.problem.clone(),
            near_pairs: audit.near_pairs,
            same_sets: audit.same_sets,
            contradicting_sets: audit.contradicting_sets,
            odd: audit.odd.iter().cloned().collect(),
            decisions: audit.decisions.iter().cloned().collect(),
            excluded: paths(&audit.excluded),
            doubts: audit.doubts.as_ref().ok().map(|doubts| paths(doubts)),
            subsets: audit
                .subsets
                .iter()
                .map(|subset| Subset {
                    key: subset.key,
                    images: subset.images,
                    left_out: subset.left_out,
                    contrasts: subset.contrasts.iter().flatten().map(|contrast| alone(contrast, metric)).collect(),
                })
                .collect(),
        }
    }
}
