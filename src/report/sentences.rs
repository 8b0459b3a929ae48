//! The words of a report: the answer to each contrast, the banner, and the methods paragraph.

use super::conduct;
use super::numbers::{p_phrase, percent, plural, points};
use super::view::BannerFact;
use crate::compare::{Comparison, ContrastResult, Direction, Effect, Verdict};
use crate::plan::Plan;
use crate::plan::classifier::{Architecture, Budget, EpochRule, Freeze, Optimizer, Schedule};
use crate::plan::dataset::Protocol;
use crate::plan::file::PrimaryMetric;

/// The metric, spelled out.
pub(super) fn metric_name(metric: PrimaryMetric) -> &'static str {
    match metric {
        PrimaryMetric::Top1 => "Top-1 accuracy",
        PrimaryMetric::BalancedTop1 => "balanced Top-1 accuracy",
    }
}

impl BannerFact {
    /// The warning as a sentence or two.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
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

/// One contrast's answer, with its number, its uncertainty and what is missing.
pub(super) fn answer(contrast: &ContrastResult, comparison: &Comparison, metric: &str) -> String {
    let (treatment, control) = (&contrast.contrast.treatment, &contrast.contrast.control);
    let delta = 100.0 * comparison.delta;
    let effect = match (&contrast.verdict, &contrast.effect) {
        (Verdict::Refused { reason }, _) => {
            return format!("{treatment} against {control}: no answer, since {reason}.");
        }
        (_, None) => return format!("{treatment} against {control}: no answer."),
        (_, Some(effect)) => effect,
    };
    let finding = match &contrast.verdict {
        Verdict::Different { direction, within_margin } => {
            let word = if *direction == Direction::Better { "higher" } else { "lower" };
            let negligible = if *within_margin {
                format!(", though by less than the margin of {delta:.2} points that matters")
            } else {
                String::new()
            };
            format!("{metric} is {word} with {treatment} than with {control}{negligible}")
        }
        Verdict::Equivalent { .. } => {
            format!("{treatment} and {control} are equivalent in {metric} within ±{delta:.2} points")
        }
        Verdict::Inconclusive { more_seeds } => {
            let advice = more_seeds.map_or_else(
                || "no feasible number of seeds would settle an effect of the size seen".to_owned(),
                |n| format!("about {} would settle an effect of the size seen", plural(n as usize, "more seed")),
            );
            format!("{treatment} against {control} is inconclusive: {advice}")
        }
        Verdict::Refused { .. } => unreachable!("a refusal has returned above"),
    };
    let provisional = if contrast.missing.is_empty() {
        String::new()
    } else {
        format!(" Provisional: {} of {} pairs missing.", contrast.missing.len(), comparison.seeds.len())
    };
    format!("{finding} ({}).{provisional}", evidence(contrast, effect, comparison))
}

fn evidence(contrast: &ContrastResult, effect: &Effect, comparison: &Comparison) -> String {
    let n = contrast.pairs.len() as f64;
    let treatment = contrast.pairs.iter().map(|pair| pair.treatment).sum::<f64>() / n;
    let control = contrast.pairs.iter().map(|pair| pair.control).sum::<f64>() / n;
    format!(
        "{} against {}; difference {} points, {:.0} % interval {} to {}; {}; {}",
        percent(treatment),
        percent(control),
        points(effect.difference.point),
        100.0 * (1.0 - comparison.alpha),
        points(effect.difference.interval.0),
        points(effect.difference.interval.1),
        p_phrase("Holm-adjusted p", effect.holm_p),
        plural(contrast.pairs.len(), "pair"),
    )
}

/// How the study was done, in paragraphs fit for a paper.
pub(super) fn methods(plan: &Plan, comparison: &Comparison, metric: &str) -> Vec<String> {
    vec![training(plan), protocol(plan.study.protocol).to_owned(), testing(comparison, metric)]
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

fn training(plan: &Plan) -> String {
    let classifier = &plan.classifier;
    let architecture = match classifier.architecture {
        Architecture::Resnet18 => "ResNet-18",
        Architecture::Resnet34 => "ResNet-34",
        Architecture::Resnet50 => "ResNet-50",
    };
    let start = match (&classifier.pretrained, classifier.freeze) {
        (None, _) => "from random weights",
        (Some(_), Freeze::None) => "from pretrained weights",
        (Some(_), Freeze::Stem) => "from pretrained weights with a frozen stem",
        (Some(_), Freeze::AllButHead) => "from pretrained weights, of which all but the linear head stayed frozen,",
    };
    let head = match classifier.head_learning_rate {
        Some(rate) => format!(", the head at learning rate {rate}"),
        None => String::new(),
    };
    let budget = match classifier.budget {
        Budget::Epochs(n) => format!("for {n} epochs of its own training set"),
        Budget::Updates(n) => format!("for {n} optimiser updates, the same for every arm"),
    };
    let optimizer = match classifier.optimizer {
        Optimizer::Sgd(sgd) => format!(
            "SGD (learning rate {}, momentum {}, weight decay {})",
            sgd.learning_rate, sgd.momentum, sgd.weight_decay
        ),
        Optimizer::Adamw(adamw) => {
            format!(
                "AdamW (Loshchilov and Hutter 2019; learning rate {}, weight decay {})",
                adamw.learning_rate, adamw.weight_decay
            )
        }
    };
    let schedule = match classifier.schedule {
        Schedule::Constant(_) => "a constant rate".to_owned(),
        Schedule::Step(step) => format!("the rate multiplied by {} every {} epochs", step.factor, step.every_epochs),
        Schedule::Cosine(_) => "cosine decay (Loshchilov and Hutter 2017)".to_owned(),
    };
    let rule = match classifier.epoch_rule {
        EpochRule::Last => "The weights of the last epoch met the test part",
        EpochRule::BestValidation => "The weights of the epoch of the highest validation accuracy met the test part",
    };
    let (arms, seeds) = (plural(plan.arms.len(), "arm"), plural(plan.study.seeds.len(), "seed"));
    format!(
        "Each of {arms} trained a {architecture} (He et al. 2016) {start} in PyTorch's C++ library (Paszke et al. 2019), once for each of {seeds}, {budget}, with {optimizer}{head}, batches of \
         {} and {schedule}. For one seed all arms share the split, the initial weights and the streams of random numbers. {rule}, \
         which each run read once.",
        classifier.batch_size
    )
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::LeakFree => {
            "Protocol: leak-free. Sources were split before any image was made from them, and only images of the training \
             part were augmented."
        }
        Protocol::AsPublished => {
            "Protocol: as-published. Images were augmented first and then split file by file, so that images made from \
             one source lie in training and in test."
        }
    }
}

fn testing(comparison: &Comparison, metric: &str) -> String {
    let reach = comparison.reach.seeds_needed.map_or_else(String::new, |seeds| {
        format!("; an exact test needs {} to reach {}", plural(seeds, "seed"), comparison.alpha)
    });
    format!(
        "The primary metric is {metric} on the test part. {} declared before the run, paired by seed: paired t test \
         (Student 1908), adjusted over the contrasts (Holm 1979) at a family level of {}; equivalence within ±{:.2} points by \
         two one-sided tests (Schuirmann 1987), adjusted likewise. Exact p values of the sign-flip test (Pitman 1937) and \
         of the signed-rank test (Wilcoxon 1945) stand beside them, with the effect sizes d_z, g_z (Hedges 1981) and A12 \
         (Vargha and Delaney 2000). With {} an exact test of this family cannot give less than {}{reach}. Sample sizes and minimum detectable \
         differences are for 80 % power at alpha divided by the number of contrasts.",
        if comparison.contrasts.len() == 1 {
            "One contrast was".to_owned()
        } else {
            format!("{} contrasts were", comparison.contrasts.len())
        },
        comparison.alpha,
        100.0 * comparison.delta,
        plural(comparison.seeds.len(), "seed"),
        p_phrase("p", comparison.reach.smallest_p),
    )
}
