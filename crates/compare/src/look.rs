//! The look that a comparison is made at, where looks were declared before: what intervals and p values are adjusted for.
//!
//! Every p becomes the repeated p value of its look, and every interval the repeated confidence interval (Jennison and Turnbull
//! 2000, chapter 9): all intervals of all looks together cover with the study's confidence, whenever and why ever the study
//! stops.

use serde::{Deserialize, Serialize};

use super::verdict::Unadjusted;
use augtrial_plan::sequential::Spending;
use augtrial_stats::{self as stats, Estimate};

/// A look of a study that declared its looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Which one, from 0.
    pub index: usize,
    /// Numbers of seeds of all looks.
    pub looks: Vec<u32>,
    pub spending: Spending,
}

impl Look {
    /// Which one, from 1.
    #[must_use]
    pub fn number(&self) -> usize {
        self.index + 1
    }

    /// Seeds of this look.
    #[must_use]
    pub fn seeds(&self) -> u32 {
        self.looks[self.index]
    }

    /// Two-sided p that a difference must stay below at each look, unadjusted, for a contrast by itself.
    #[must_use]
    pub fn levels(&self, alpha: f64) -> Vec<f64> {
        stats::nominal_levels(self.rule(), alpha, &self.looks).unwrap_or_default()
    }

    /// How alpha is spent, in words.
    #[must_use]
    pub fn spending_words(&self) -> &'static str {
        match self.spending {
            Spending::ObrienFleming => "O'Brien-Fleming-like spending",
            Spending::Pocock => "Pocock-like spending",
        }
    }

    fn rule(&self) -> stats::Spending {
        match self.spending {
            Spending::ObrienFleming => stats::Spending::ObrienFleming,
            Spending::Pocock => stats::Spending::Pocock,
        }
    }

    /// Confidence of an interval of this look alone, so that all looks together have that of `alpha`.
    pub(super) fn level(&self, alpha: f64) -> f64 {
        1.0 - self.levels(alpha).get(self.index).copied().unwrap_or(alpha)
    }

    /// What was found at this look, adjusted for all; its interval was made at [`Look::level`].
    pub(super) fn adjust(&self, found: Unadjusted, alpha: f64) -> Unadjusted {
        let adjusted = |p: f64| stats::look_adjusted_p(self.rule(), &self.looks, self.index, p).unwrap_or(1.0);
        let tost_p = if found.tost_p < 0.5 { adjusted(2.0 * found.tost_p) / 2.0 } else { found.tost_p };
        Unadjusted {
            difference: Estimate { level: 1.0 - alpha, ..found.difference },
            p: adjusted(found.p),
            tost_p: tost_p.max(found.tost_p),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_adjusts_p_and_level_alike_and_the_last_one_least() {
        for spending in [Spending::ObrienFleming, Spending::Pocock] {
            let look = |index| Look { index, looks: vec![4, 7, 10], spending };
            let found = Unadjusted {
                difference: Estimate { point: 0.1, interval: (0.0, 0.2), level: 0.99 },
                p: 0.03,
                tost_p: 0.7,
            };
            let adjusted = [0, 1, 2].map(|index| look(index).adjust(found, 0.05));
            for (index, adjusted) in adjusted.iter().enumerate() {
                assert!(adjusted.p >= 0.03 && adjusted.tost_p >= 0.7, "{adjusted:?}");
                // p is below alpha where it is below the level of the look.
                assert_eq!(adjusted.p <= 0.05, 1.0 - look(index).level(0.05) >= 0.03, "{spending:?} {index}");
            }
            if spending == Spending::ObrienFleming {
                assert!(adjusted[0].p > adjusted[1].p && adjusted[1].p > adjusted[2].p, "{adjusted:?}");
            }
        }
    }
}
