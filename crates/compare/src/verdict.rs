//! The words of a judgment, once for the page, the terminal, JSON and every figure: verdicts, refusals, and the scope that a
//! verdict speaks of.

use serde::Serialize;

use augtrial_base::words::plural;
use augtrial_stats::{Degenerate, Estimate};

/// Pairs below which nothing is judged: from two, the t interval has a single degree of freedom and a factor of 12.7.
pub const MIN_PAIRS: usize = 3;

/// What a conclusion speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Training noise on these test images: over seeds alone.
    TestSet,
    /// New images like these: over seeds and images.
    NewImages,
}

impl Scope {
    /// The scope within a sentence; `images` is the number of test images, 0 if it is not known.
    #[must_use]
    pub fn phrase(self, images: usize) -> String {
        match (self, images) {
            (Self::NewImages, _) => "for new images like these".to_owned(),
            (Self::TestSet, 0) => "on this test set".to_owned(),
            (Self::TestSet, n) => format!("on these {}", plural(n, "test image")),
        }
    }
}

/// Which way a difference goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The treatment's metric is higher.
    Higher,
    /// The treatment's metric is lower.
    Lower,
}

/// Why a contrast was not judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    #[error("no arm is named `{0}`")]
    UnknownArm(String),
    #[error("{have} of {planned} planned pairs are complete: too few pairs, at least {MIN_PAIRS} are needed")]
    TooFewPairs { have: usize, planned: usize },
}

/// Why nothing can be said in one of the scopes.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unscoped {
    #[error("under the as-published protocol every arm has test images of its own")]
    OwnImages,
    #[error("not every run has predictions of the same test images")]
    NoPredictions,
    #[error("the classes of the test images are not known")]
    NoLabels,
    #[error("this metric is no mean over images, so that seeds and images cannot be told apart")]
    NoMean,
    #[error("the split is redrawn, so that every seed has test images of its own")]
    Redrawn,
    #[error("{0}")]
    Undefined(Degenerate),
}

/// What the pairs say about a contrast in one scope, at the family's level of significance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The Holm-adjusted p is at most alpha.
    Different {
        direction: Direction,
        /// The difference is also shown to be smaller than the margin: real, and too small to matter.
        within_margin: bool,
    },
    /// Both one-sided tests reject a difference as large as the margin.
    Equivalent,
    /// Neither is shown.
    Inconclusive,
}

impl Verdict {
    /// What the treatment is against its control.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Different { direction: Direction::Higher, within_margin: false } => "higher",
            Self::Different { direction: Direction::Higher, within_margin: true } => "higher, within the margin",
            Self::Different { direction: Direction::Lower, within_margin: false } => "lower",
            Self::Different { direction: Direction::Lower, within_margin: true } => "lower, within the margin",
            Self::Equivalent => "equivalent",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A contrast in one scope: estimate, tests and verdict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scoped {
    /// Mean difference, treatment less control, with its interval within what the metric can have.
    pub difference: Estimate,
    /// Two-sided p of no difference.
    pub p: f64,
    /// The same, Holm-adjusted over the declared contrasts.
    pub holm_p: f64,
    /// p of a difference of delta or more (two one-sided tests).
    pub tost_p: f64,
    /// The same, Holm-adjusted.
    pub tost_holm_p: f64,
    pub verdict: Verdict,
}

/// A contrast in one scope before the family is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unadjusted {
    pub difference: Estimate,
    pub p: f64,
    pub tost_p: f64,
}

impl Unadjusted {
    pub fn judge(self, holm_p: f64, tost_holm_p: f64, alpha: f64) -> Scoped {
        let Self { difference, p, tost_p } = self;
        let equivalent = tost_holm_p <= alpha;
        let verdict = if holm_p <= alpha {
            let direction = if difference.point > 0.0 { Direction::Higher } else { Direction::Lower };
            Verdict::Different { direction, within_margin: equivalent }
        } else if equivalent {
            Verdict::Equivalent
        } else {
            Verdict::Inconclusive
        };
        Scoped { difference, p, holm_p, tost_p, tost_holm_p, verdict }
    }
}
