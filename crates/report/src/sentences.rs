//! The words of a report: the answer to each contrast, the banner, what was not varied.

use super::conduct;
use super::view::BannerFact;
use augtrial_base::numbers::p_phrase;
use augtrial_base::words::plural;
use augtrial_compare::{
    ArmSummary, Better, Comparison, ContrastResult, Direction, Judged, Outcome, Scope, Scoped, Unscoped, Verdict,
};
use augtrial_plan::Plan;
use augtrial_plan::dataset::Protocol;

impl BannerFact {
    /// The warning as a sentence or two.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::GivenResults { file } => format!(
                "Results given, not made here. They were read from {file}; how they came to be is not known to augtrial."
            ),
            Self::SyntheticData => {
                "Synthetic data. A renderer made these images; they are not photographs, and nothing here \
                                    says how the augmentation does on photographs."
                    .to_owned()
            }
            Self::AsPublished => {
                "As-published protocol. Images were augmented before they were split, so that test images \
                                  have siblings in the training sets. Accuracies are inflated, most for the arm with \
                                  most copies."
                    .to_owned()
            }
            Self::MissingTrials { missing, planned } => {
                format!(
                    "Incomplete. {missing} of {planned} planned trials have no result. Every number is provisional."
                )
            }
            Self::UndeclaredRuns { runs } => {
                let (have, count) = if *runs == 1 { ("has", "counts") } else { ("have", "count") };
                format!(
                    "Extended. {} {have} a seed that was not declared, and {count} for nothing.",
                    plural(*runs, "run")
                )
            }
            Self::Sanity(warning) => warning.text(),
            Self::Look { look, alpha } => conduct::look(look, *alpha),
            Self::Peeked { first_at } => conduct::peeked(first_at),
            Self::ChangedAfterLooking { seeds } => conduct::warning(seeds),
        }
    }
}

/// What marks every answer and caption under the as-published protocol.
const INFLATED: &str = " As-published protocol: inflated by leakage.";

/// The mark that a protocol demands wherever its results show.
pub(super) fn mark(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::LeakFree => "",
        Protocol::AsPublished => INFLATED,
    }
}

/// One contrast's answer: the verdict of the widest scope that is known, what holds on this test set where it is another, the
/// numbers, and what is missing.
pub(super) fn answer(contrast: &ContrastResult, comparison: &Comparison) -> String {
    let (metric, scale) = (comparison.measure().title, comparison.measure().scale);
    let unit = scale.after();
    let (treatment, control) = (&contrast.contrast.treatment, &contrast.contrast.control);
    let judged = match &contrast.outcome {
        Outcome::Refused(refusal) => {
            let described = contrast.mean_difference().map_or_else(String::new, |difference| {
                let shown = scale.difference(difference);
                match contrast.pairs.len() {
                    1 => format!(" The only complete pair differs by {shown}{unit}, without an interval."),
                    pairs => {
                        format!(" The {pairs} complete pairs differ by {shown}{unit} on average, without an interval.")
                    }
                }
            });
            return format!("{treatment} against {control}: no answer, since {refusal}.{described}");
        }
        Outcome::Judged(judged) => judged,
    };
    let (scope, wide) = judged.headline();
    let phrase = scope.phrase(comparison.images);
    let delta = scale.spread(comparison.delta);
    let finding = match wide.verdict {
        Verdict::Different { direction, within_margin } => {
            let word = word(direction, comparison);
            let negligible = if within_margin {
                format!(", though by less than the margin of {delta}{unit} that matters")
            } else {
                String::new()
            };
            format!("{metric} is {word} with {treatment} than with {control} {phrase}{negligible}")
        }
        Verdict::Equivalent => {
            format!("{treatment} and {control} are equivalent in {metric} within ±{delta}{unit} {phrase}")
        }
        Verdict::Inconclusive => {
            format!(
                "{treatment} against {control} is inconclusive {phrase}: neither a difference nor equivalence within ±{delta}{unit} is shown"
            )
        }
    };
    let n = contrast.pairs.len() as f64;
    let mean = |of: fn(&augtrial_compare::Pair) -> f64| scale.value(contrast.pairs.iter().map(of).sum::<f64>() / n);
    format!(
        "{finding} ({} against {}; {}; {}).{}{}{}",
        mean(|pair| pair.treatment),
        mean(|pair| pair.control),
        evidence(wide, comparison),
        plural(contrast.pairs.len(), "pair"),
        elsewhere(judged, comparison),
        caveat(wide, contrast.pairs.len(), comparison),
        provisional(contrast, comparison),
    )
}

/// Which way a difference goes, and of a metric that is better when lower, whether that is good.
fn word(direction: Direction, comparison: &Comparison) -> &'static str {
    match (direction, comparison.measure().better) {
        (Direction::Higher, Better::Higher) => "higher",
        (Direction::Lower, Better::Higher) => "lower",
        (Direction::Higher, Better::Lower) => "higher, which is worse,",
        (Direction::Lower, Better::Lower) => "lower, which is better,",
    }
}

/// Difference, interval and p value of one scope.
fn evidence(scoped: &Scoped, comparison: &Comparison) -> String {
    let scale = comparison.measure().scale;
    let (low, high) = scoped.difference.interval;
    let interval = if low < high {
        format!("{:.0} % interval {}", 100.0 * (1.0 - comparison.alpha), scale.interval((low, high)))
    } else {
        "no spread over seeds, so no interval".to_owned()
    };
    let difference = format!("difference {}{}", scale.difference(scoped.difference.point), scale.after());
    format!("{difference}, {interval}; {}", p_value(scoped))
}

/// The p value that the verdict rests on: equivalence is not tested by whether the interval shown lies within the margin.
fn p_value(scoped: &Scoped) -> String {
    if scoped.verdict == Verdict::Equivalent {
        p_phrase("Holm-adjusted p of a difference beyond the margin", scoped.tost_holm_p)
    } else {
        p_phrase("Holm-adjusted p", scoped.holm_p)
    }
}

/// The other scope: named where its verdict is another, or where new images are out of reach.
fn elsewhere(judged: &Judged, comparison: &Comparison) -> String {
    let here = Scope::TestSet.phrase(comparison.images);
    if let (Ok(_), Err(Unscoped::Redrawn)) = (&judged.beyond, &judged.here) {
        return String::new();
    }
    match (&judged.beyond, judged.otherwise_here()) {
        (Err(Unscoped::OwnImages), _) => {
            " Each arm has test images of its own: nothing follows for new images.".to_owned()
        }
        (Err(reason), _) => format!(" What new images like these would show is not known: {reason}."),
        (Ok(_), None) => String::new(),
        (Ok(_), Some(scoped)) => {
            let (low, high) = scoped.difference.interval;
            let shown = || comparison.measure().scale.interval((low, high));
            let numbers = if low < high { format!(" ({}; {})", shown(), p_value(scoped)) } else { String::new() };
            format!(" Only {here}, where training noise alone varies: {}{numbers}.", scoped.verdict.word())
        }
    }
}

/// What a difference rests on where no exact test of so few pairs could show one.
fn caveat(scoped: &Scoped, pairs: usize, comparison: &Comparison) -> String {
    let smallest = augtrial_stats::smallest_reachable_p(pairs, comparison.contrasts.len());
    if !matches!(scoped.verdict, Verdict::Different { .. }) || smallest <= comparison.alpha {
        return String::new();
    }
    format!(
        " With {} no exact test can reach alpha {} (its smallest p is {:.2}): this rests on the assumption that differences \
         over seeds are about normal.",
        plural(pairs, "seed"),
        comparison.alpha,
        smallest
    )
}

fn provisional(contrast: &ContrastResult, comparison: &Comparison) -> String {
    if contrast.missing.is_empty() {
        String::new()
    } else {
        format!(" Provisional: {} of {} pairs missing.", contrast.missing.len(), comparison.seeds.len())
    }
}

/// What an arm shows by itself, where no contrast is declared.
pub(super) fn description(arm: &ArmSummary, comparison: &Comparison) -> String {
    let (metric, scale) = (comparison.measure().title, comparison.measure().scale);
    let Ok(summary) = &arm.summary else { return format!("{}: no result.", arm.name) };
    let interval = arm.mean.as_ref().map_or_else(
        |_| "too few seeds for an interval".to_owned(),
        |mean| {
            let (low, high) = mean.interval;
            let level = 100.0 * (1.0 - comparison.alpha);
            if low < high {
                format!("{level:.0} % interval over seeds {} to {}", scale.value(low), scale.value(high))
            } else {
                "no spread over seeds".to_owned()
            }
        },
    );
    format!(
        "{}: {metric} {} on average ({}; {interval}). No contrast is declared, so no hypothesis is tested.",
        arm.name,
        scale.value(summary.mean),
        plural(arm.values.len(), "seed"),
    )
}

/// What the intervals of a comparison speak of.
#[must_use]
pub fn scopes(comparison: &Comparison) -> String {
    match comparison.test_share {
        None => {
            "On this test set only training noise varies; for new images like these, seeds and images vary.".to_owned()
        }
        Some(share) => format!(
            "Every seed has a division of its own: training and test images vary, and the interval for new images like these \
             is the corrected resampled t's, with {share:.2} test images for every training image. There is no one test set to \
             speak of."
        ),
    }
}

/// What no interval covers, since it was not varied.
#[must_use]
pub fn limits(plan: &Plan, comparison: &Comparison) -> Vec<String> {
    let derived = plan.arms.iter().any(|arm| !arm.offline.is_empty() || arm.edit.is_some());
    let images = if comparison.images > 0 { format!(" of {} images", comparison.images) } else { String::new() };
    let mut limits = if comparison.test_share.is_some() {
        vec![
            "One data set. Divisions of it were drawn anew for every seed; they share images, and none has one of another camera, \
             place or time."
                .to_owned(),
        ]
    } else {
        vec![
            "One division of the data: other training images might favor another arm.".to_owned(),
            format!(
                "One test set{images}. The interval for new images speaks of images drawn like these, not of another camera, \
                 place or time."
            ),
        ]
    };
    if derived && !plan.redraws_sets() {
        limits
            .push("One draw of each derived set: other copies of the same recipe might do better or worse.".to_owned());
    }
    limits.extend(plan.classifier.command.as_ref().map(super::command::lapsed));
    limits.push("One network and one recipe of training: another might gain more, or nothing.".to_owned());
    limits
}

/// All arms at once, where Friedman's test has an answer.
pub(super) fn friedman(comparison: &Comparison) -> Option<String> {
    let friedman = comparison.friedman.as_ref().ok()?;
    let ranks = comparison.arms.iter().zip(&friedman.mean_ranks).map(|(arm, rank)| format!("{} {rank:.2}", arm.name));
    Some(format!(
        "All {} arms at once, over the seeds that every arm has: Friedman's \u{3c7}\u{b2} = {:.2} with {} degrees of freedom, \
         {}. Mean ranks, 1 for the lowest value: {}.",
        comparison.arms.len(),
        friedman.chi2,
        comparison.arms.len() - 1,
        p_phrase("p", friedman.p),
        ranks.collect::<Vec<_>>().join(", "),
    ))
}
