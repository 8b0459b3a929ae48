//! The verdict of one contrast: different, equivalent, or neither yet.

use serde::Serialize;

/// Which way a difference goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The treatment's metric is higher.
    Better,
    /// The treatment's metric is lower.
    Worse,
}

/// Why a contrast was not judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    #[error("no arm is named `{0}`")]
    UnknownArm(String),
    #[error("{have} of {planned} planned pairs are complete, and at least two are needed")]
    TooFewPairs { have: usize, planned: usize },
}

/// What the pairs say about a contrast, at the family's level of significance.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The Holm-adjusted p is at most alpha.
    Different {
        direction: Direction,
        /// The difference is also shown to be smaller than the margin: real, and too small to matter.
        within_margin: bool,
    },
    /// Both one-sided tests reject a difference of `delta` or more.
    Equivalent { delta: f64 },
    /// Neither is shown.
    Inconclusive {
        /// Pairs to add for 80 % power at the observed effect; absent where no feasible number would do.
        more_seeds: Option<u64>,
    },
    /// There is nothing to judge by.
    Refused { reason: Refusal },
}

/// What the verdict follows from.
pub(super) struct Evidence {
    pub mean_difference: f64,
    /// Holm-adjusted p of no difference.
    pub different_p: f64,
    /// Holm-adjusted p of a difference of `delta` or more.
    pub equivalent_p: f64,
    pub more_seeds: Option<u64>,
}

impl Evidence {
    pub fn judge(&self, alpha: f64, delta: f64) -> Verdict {
        let equivalent = self.equivalent_p <= alpha;
        if self.different_p <= alpha {
            let direction = if self.mean_difference > 0.0 { Direction::Better } else { Direction::Worse };
            Verdict::Different { direction, within_margin: equivalent }
        } else if equivalent {
            Verdict::Equivalent { delta }
        } else {
            Verdict::Inconclusive { more_seeds: self.more_seeds }
        }
    }
}
