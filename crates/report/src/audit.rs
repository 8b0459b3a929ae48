//! What a report says of the audit: what was found, what was decided, and every contrast with and without the test images in doubt.

use serde::Serialize;

use super::document::{Block, left_out};
use super::tables;
use super::view::StudyView;
use augtrial_base::numbers::count;
use augtrial_base::text;
use augtrial_base::words::plural;
use augtrial_compare::OnSubset;
use augtrial_data::manifest::LeftOut;

/// The audit of a study's data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRecord {
    /// Why images that look alike were not looked for.
    pub problem: Option<String>,
    /// Pairs that look alike and nobody has decided on.
    pub near_pairs: usize,
    /// Sets of files that hold one picture.
    pub same_sets: usize,
    /// Sets of what is the same or looks alike whose labels differ.
    pub contradicting_sets: usize,
    /// Number of pictures by oddity.
    pub odd: Vec<(String, usize)>,
    /// Number of decisions by kind.
    pub decisions: Vec<(String, usize)>,
    /// Images of training that were not trained on, with the reason.
    pub excluded: Vec<LeftOut>,
    /// Test images whose labels the runs doubt, the most suspect first, or why that is not known.
    pub doubts: Result<Vec<LeftOut>, String>,
    /// The contrasts without the test images in doubt.
    pub subsets: Vec<OnSubset>,
}

impl AuditRecord {
    /// The same, with every text from elsewhere cut and freed of what steers a reader.
    pub(super) fn shown(&self) -> Self {
        let files = |files: &[LeftOut]| super::view::shown_files(files);
        let mut subsets = self.subsets.clone();
        subsets.iter_mut().filter_map(|subset| subset.contrasts.as_mut().ok()).flatten().for_each(|contrast| {
            contrast.missing.iter_mut().for_each(|missing| missing.reason = text::reason(&missing.reason));
        });
        Self {
            problem: self.problem.as_deref().map(text::reason),
            excluded: files(&self.excluded),
            doubts: self.doubts.as_ref().map(|doubts| files(doubts)).map_err(|reason| text::reason(reason)),
            subsets,
            ..self.clone()
        }
    }

    /// What was found and decided, in two or three sentences.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let list = |items: &[(String, usize)]| -> String {
            items.iter().map(|(name, n)| format!("{} {name}", count(*n as u64))).collect::<Vec<_>>().join(", ")
        };
        let mut lines = Vec::new();
        match &self.problem {
            Some(problem) => lines.push(format!("Images that look alike were not looked for: {problem}.")),
            None => lines.push(format!(
                "Found and not decided on: {}, {} that look alike, {} with labels that contradict each other{}.",
                plural(self.same_sets, "set") + " of one picture",
                plural(self.near_pairs, "pair"),
                plural(self.contradicting_sets, "set"),
                if self.odd.is_empty() { String::new() } else { format!("; odd pictures: {}", list(&self.odd)) },
            )),
        }
        if !self.decisions.is_empty() {
            lines.push(format!("Decided by people: {}.", list(&self.decisions)));
        }
        if let Err(reason) = &self.doubts {
            lines.push(format!("Labels in doubt are not known: {reason}."));
        }
        lines
    }
}

/// The section of the audit; empty for a study that was recorded without one.
pub(super) fn blocks(view: &StudyView) -> Vec<Block> {
    let Some(audit) = &view.audit else { return Vec::new() };
    let mut blocks: Vec<Block> = audit.sentences().into_iter().map(Block::Text).collect();
    left_out("Not trained on, by decision:", &audit.excluded, &mut blocks);
    let table = tables::audited(view);
    if !table.rows.is_empty() {
        blocks.push(Block::Heading("The contrasts without the test images in doubt"));
        blocks.push(Block::Text(LEGEND.to_owned()));
        blocks.push(Block::Table(table));
    }
    for problem in audit.subsets.iter().filter_map(|subset| Some((subset.without, subset.contrasts.as_ref().err()?))) {
        blocks.push(Block::Text(format!("Nothing is known without {}: {}.", problem.0, problem.1)));
    }
    left_out("Test images whose labels the runs doubt:", audit.doubts.as_deref().unwrap_or_default(), &mut blocks);
    blocks
}

const LEGEND: &str = "The answer of this report is that on all test images: an image is never taken out of it because it was flagged. The \
                      rows below say whether the answer rests on such images. Twins in training make a test image easy, and a wrong label \
                      counts a right answer as an error. Labels are in doubt by confident learning from the mean probabilities of all runs of \
                      all arms.";
