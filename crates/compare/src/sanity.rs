//! Signs that the numbers mean less than they seem to, said before the first of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::contrast::images;
use super::{ArmSummary, Better, Metric, StudyResults};
use augtrial_base::numbers::percent;
use augtrial_base::words::plural;
use augtrial_plan::arm::Role;
use augtrial_plan::file::PrimaryMetric;

/// Share of an arm's planned images whose absence is worth a warning.
const MISSING_SHARE: f64 = 0.1;

/// Seeds from which equal values are no coincidence.
const EQUAL_SEEDS: usize = 3;

/// One such sign.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warning {
    /// A control that learned nothing: nothing can be worse, and gains say little of a working classifier.
    AtChance { arm: String, mean: f64, chance: f64 },
    /// A control without errors: nothing can be better.
    AtCeiling { arm: String },
    /// Every seed has the same value.
    NoSpread { arm: String, seeds: usize, value: f64, metric: PrimaryMetric },
    /// The margin is smaller than what a single test image is worth.
    MarginBelowOneImage { delta: f64, images: usize },
    /// The arm lacks many of the images that its recipe promises.
    ImagesMissing { arm: String, missing: u64, planned: u64 },
}

impl Warning {
    /// The warning as a short head and what it means.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::AtChance { arm, mean, chance } => format!(
                "Control at chance. {arm} scores {} where always naming the most frequent class gives {}: it learned next \
                 to nothing, and differences from it say nothing of a classifier that works.",
                percent(*mean),
                percent(*chance),
            ),
            Self::AtCeiling { arm } => format!(
                "Control without errors. {arm} classifies every test image correctly: no arm can be better, whatever it adds."
            ),
            Self::NoSpread { arm, seeds, value, metric } => format!(
                "No spread. All {seeds} seeds of {arm} score {}: nothing random was left in its trials, so that seeds say \
                 nothing of training noise.",
                Metric::of(*metric).scale.value(*value),
            ),
            Self::MarginBelowOneImage { delta, images } => format!(
                "Margin below one image. The margin of {:.2} points is less than one of {} is worth ({:.2} points).",
                100.0 * delta,
                plural(*images, "test image"),
                100.0 / *images as f64,
            ),
            Self::ImagesMissing { arm, missing, planned } => format!(
                "Images missing. {arm} lacks {missing} of its {planned} planned training images ({}): it is not the arm that \
                 was declared.",
                percent(*missing as f64 / *planned as f64),
            ),
        }
    }
}

/// Every sign that this study shows, the gravest first.
pub(super) fn warnings(input: &StudyResults, arms: &[ArmSummary]) -> Vec<Warning> {
    let images = images(input);
    let mut found = Vec::new();
    for arm in arms.iter().filter(|arm| arm.role == Role::Control) {
        let Ok(summary) = &arm.summary else { continue };
        if is_perfect(summary.min, input) {
            found.push(Warning::AtCeiling { arm: arm.name.clone() });
        } else if let Some(chance) =
            chance(input).filter(|chance| is_at_chance(summary.mean, *chance, input.images.len()))
        {
            found.push(Warning::AtChance { arm: arm.name.clone(), mean: summary.mean, chance });
        }
    }
    for arm in arms {
        let Ok(summary) = &arm.summary else { continue };
        if arm.values.len() >= EQUAL_SEEDS && summary.min == summary.max && !is_perfect(summary.min, input) {
            let (name, seeds, metric) = (arm.name.clone(), arm.values.len(), input.study.primary_metric);
            found.push(Warning::NoSpread { arm: name, seeds, value: summary.min, metric });
        }
    }
    let of_answers = matches!(input.study.primary_metric, PrimaryMetric::Top1 | PrimaryMetric::BalancedTop1);
    if of_answers && images > 0 && input.study.delta * (images as f64) < 1.0 {
        found.push(Warning::MarginBelowOneImage { delta: input.study.delta, images });
    }
    for arm in &input.arms {
        let (missing, planned) = (arm.missing_images, arm.planned_images);
        if planned > 0 && missing as f64 >= MISSING_SHARE * planned as f64 {
            found.push(Warning::ImagesMissing { arm: arm.name.clone(), missing, planned });
        }
    }
    found
}

/// Whether this is the best of a metric that only right answers decide.
fn is_perfect(value: f64, input: &StudyResults) -> bool {
    input.metric().better == Better::Higher && value >= input.metric().range.1
}

/// The metric of whoever always names the most frequent class; none where that says little of having learned nothing.
fn chance(input: &StudyResults) -> Option<f64> {
    let mut counts = BTreeMap::<u32, usize>::new();
    input.images.iter().for_each(|image| *counts.entry(image.label).or_default() += 1);
    let most = *counts.values().max()?;
    match input.study.primary_metric {
        PrimaryMetric::Top1 => Some(most as f64 / input.images.len() as f64),
        PrimaryMetric::BalancedTop1 => Some(1.0 / counts.len() as f64),
        _ => None,
    }
}

/// Whether a share of right answers lies within two standard errors of `chance`, the share of whoever learned nothing.
#[must_use]
pub fn is_at_chance(right: f64, chance: f64, images: usize) -> bool {
    right <= chance + 2.0 * (chance * (1.0 - chance) / images as f64).sqrt()
}
