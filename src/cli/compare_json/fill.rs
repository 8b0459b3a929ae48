//! Fills the document of `augtrial compare --json` from a comparison.

use std::collections::BTreeMap;

use super::super::{compare_audit_json, compare_tuning_json};
use super::{
    Alone, Arm, AtLook, BetterName, Changed, Contrast, Document, Examples, Friedman, InScope, McNemar, OnSet, Other,
    OtherContrast, OtherScope, Pair, Point, ScopeName, Statistics, VERSION, VerdictName, Without,
};
use augtrial_compare::{
    ArmSummary, Better, Comparison, ContrastResult, Direction, Judged, Measured, Metric, Missing, OtherMetric, Outcome,
    STATISTICS, Scope, Scoped, Tuning, Verdict,
};
use augtrial_plan::Plan;
use augtrial_plan::dataset::Dataset;
use augtrial_report::{AuditRecord, BannerFact, answers, banner, limits};
use augtrial_stats::Estimate;

impl Document {
    pub(in crate::cli) fn new(
        plan: &Plan,
        comparison: &Comparison,
        evaluations: &[(String, Comparison)],
        audit: Option<&AuditRecord>,
        tuning: Option<&Tuning>,
    ) -> Self {
        let synthetic = matches!(plan.dataset, Dataset::Synthetic(_));
        let protocol = plan.study.protocol;
        let answers = answers(comparison, protocol);
        Self {
            version: VERSION,
            study: plan.study.name.clone(),
            plan: plan.digest().to_string(),
            protocol,
            synthetic,
            metric: comparison.metric,
            better: better(comparison.measure()),
            alpha: comparison.alpha,
            delta: comparison.delta,
            seeds: comparison.seeds.clone(),
            images: comparison.images,
            limits: limits(plan, comparison),
            warnings: banner(comparison, synthetic, protocol).iter().map(BannerFact::text).collect(),
            arms: comparison.arms.iter().map(arm).collect(),
            contrasts: comparison
                .contrasts
                .iter()
                .zip(answers)
                .map(|(c, answer)| contrast(c, answer, comparison.measure()))
                .collect(),
            friedman: comparison.friedman.as_ref().ok().map(|friedman| Friedman {
                chi2: friedman.chi2,
                p: friedman.p,
                mean_ranks: friedman.mean_ranks.clone(),
            }),
            test_share: comparison.test_share,
            changed_after_looking: comparison.extension.as_ref().map(|extension| Changed {
                planned: extension.seeds.planned.clone(),
                added: extension.seeds.added.clone(),
                dropped: extension.seeds.dropped.clone(),
                planned_alone: extension
                    .planned_alone
                    .iter()
                    .map(|planned| alone(planned, comparison.measure()))
                    .collect(),
            }),
            audit: audit.map(|audit| compare_audit_json::Audit::of(audit, comparison.measure())),
            other_metrics: comparison.others.iter().map(other).collect(),
            evaluations: evaluations.iter().map(|(name, comparison)| on_set(name, comparison)).collect(),
            look: comparison.look.as_ref().map(|look| AtLook {
                number: look.number(),
                looks: look.looks.clone(),
                spending: look.spending,
                levels: look.levels(comparison.alpha),
            }),
            tuning: tuning.map(compare_tuning_json::Tuned::of),
        }
    }
}

/// Values as numbers or nothing, with the reasons of those that are nothing.
#[derive(Default)]
struct Reasons(BTreeMap<&'static str, String>);

impl Reasons {
    fn value<T: Clone>(&mut self, name: &'static str, measured: &Measured<T>) -> Option<T> {
        match measured {
            Ok(value) => Some(value.clone()),
            Err(reason) => {
                self.0.insert(name, reason.to_string());
                None
            }
        }
    }
}

fn bounds(estimate: &Estimate) -> [f64; 2] {
    [estimate.interval.0, estimate.interval.1]
}

fn without(missing: &[Missing]) -> Vec<Without> {
    missing.iter().map(|m| Without { seed: m.seed, reason: m.reason.clone() }).collect()
}

fn arm(arm: &ArmSummary) -> Arm {
    let mut reasons = Reasons::default();
    let summary = reasons.value("mean", &arm.summary);
    let values = arm.values.iter().map(|v| Point { seed: v.seed, value: v.value, run: v.run.clone() });
    Arm {
        name: arm.name.clone(),
        role: arm.role,
        values: values.collect(),
        missing: without(&arm.missing),
        mean: summary.map(|s| s.mean),
        interval: reasons.value("interval", &arm.mean).as_ref().map(bounds),
        sd: reasons.value("sd", &arm.sd),
        standard_error: reasons.value("standard_error", &arm.standard_error),
        median: summary.map(|s| s.median),
        interquartile_mean: summary.map(|s| s.interquartile_mean),
        min: summary.map(|s| s.min),
        max: summary.map(|s| s.max),
        undefined: reasons.0,
    }
}

fn contrast(result: &ContrastResult, answer: String, metric: &Metric) -> Contrast {
    let judged = result.judged();
    let examples = judged.and_then(|judged| judged.examples.as_ref());
    let pairs = result.pairs.iter().map(|p| Pair { seed: p.seed, treatment: p.treatment, control: p.control });
    Contrast {
        treatment: result.contrast.treatment.clone(),
        control: result.contrast.control.clone(),
        answer,
        verdict: verdict_of(result),
        scope: judged.map(|judged| match judged.headline().0 {
            Scope::TestSet => ScopeName::TestSet,
            Scope::NewImages => ScopeName::NewImages,
        }),
        difference: result.mean_difference(),
        test_set: judged.and_then(|judged| judged.here.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
        new_images: judged.and_then(|judged| judged.beyond.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
        new_images_unknown: judged.and_then(|judged| judged.beyond.as_ref().err()).map(ToString::to_string),
        refusal: match &result.outcome {
            Outcome::Refused(refusal) => Some(refusal.to_string()),
            Outcome::Judged(_) => None,
        },
        provisional: !result.missing.is_empty(),
        pairs: pairs.collect(),
        missing: without(&result.missing),
        statistics: judged.map(statistics),
        examples: examples.map(|examples| Examples {
            images: examples.images,
            mcnemar: examples
                .mcnemar
                .iter()
                .map(|m| McNemar {
                    seed: m.seed,
                    only_treatment: m.only_treatment,
                    only_control: m.only_control,
                    exact_p: m.test.exact,
                    mid_p: m.test.mid_p,
                    corrected_p: m.test.corrected,
                })
                .collect(),
            bootstrap_interval: examples.difference.as_ref().map(bounds),
        }),
    }
}

fn statistics(judged: &Judged) -> Statistics {
    let mut statistics = Statistics { values: BTreeMap::new(), undefined: BTreeMap::new() };
    for statistic in &STATISTICS {
        let value = (statistic.value)(judged);
        statistics.values.insert(statistic.key, value.as_ref().ok().copied());
        statistics.undefined.extend(value.err().map(|reason| (statistic.key, reason)));
    }
    statistics
}

fn in_scope(scoped: &Scoped, metric: &Metric) -> InScope {
    let (better, within) = match scoped.verdict {
        Verdict::Different { direction, within_margin } => {
            let good = (direction == Direction::Higher) == (metric.better == Better::Higher);
            (Some(good), Some(within_margin))
        }
        Verdict::Equivalent | Verdict::Inconclusive => (None, None),
    };
    InScope {
        verdict: verdict_name(scoped.verdict),
        treatment_is_better: better,
        within_delta: within,
        difference: scoped.difference.point,
        interval: bounds(&scoped.difference),
        p: scoped.p,
        holm_p: scoped.holm_p,
        tost_p: scoped.tost_p,
        tost_holm_p: scoped.tost_holm_p,
    }
}

pub(in crate::cli) fn alone(planned: &ContrastResult, metric: &Metric) -> Alone {
    let judged = planned.judged();
    Alone {
        treatment: planned.contrast.treatment.clone(),
        control: planned.contrast.control.clone(),
        verdict: verdict_of(planned),
        pairs: planned.pairs.len(),
        difference: planned.mean_difference(),
        test_set: judged.and_then(|judged| judged.here.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
        new_images: judged.and_then(|judged| judged.beyond.as_ref().ok()).map(|scoped| in_scope(scoped, metric)),
    }
}

fn better(metric: &Metric) -> BetterName {
    match metric.better {
        Better::Higher => BetterName::Higher,
        Better::Lower => BetterName::Lower,
    }
}

fn other(other: &OtherMetric) -> Other {
    Other {
        metric: other.metric,
        better: better(other.measure()),
        arms: other.arms.iter().map(arm).collect(),
        contrasts: other.contrasts.iter().map(other_contrast).collect(),
    }
}

fn other_contrast(result: &ContrastResult) -> OtherContrast {
    let scope =
        |scoped: &Scoped| OtherScope { interval: bounds(&scoped.difference), p: scoped.p, holm_p: scoped.holm_p };
    let judged = result.judged();
    let beyond = judged.map(|judged| &judged.beyond);
    OtherContrast {
        treatment: result.contrast.treatment.clone(),
        control: result.contrast.control.clone(),
        pairs: result.pairs.len(),
        difference: result.mean_difference(),
        test_set: judged.and_then(|judged| judged.here.as_ref().ok()).map(scope),
        new_images: beyond.and_then(|beyond| beyond.as_ref().ok()).map(scope),
        new_images_unknown: beyond.and_then(|beyond| beyond.as_ref().err()).map(ToString::to_string),
    }
}

fn on_set(name: &str, comparison: &Comparison) -> OnSet {
    OnSet {
        name: name.to_owned(),
        images: comparison.images,
        arms: comparison.arms.iter().map(arm).collect(),
        contrasts: comparison.contrasts.iter().map(other_contrast).collect(),
        other_metrics: comparison.others.iter().map(other).collect(),
    }
}

fn verdict_of(result: &ContrastResult) -> VerdictName {
    result.judged().map_or(VerdictName::Refused, |judged| verdict_name(judged.headline().1.verdict))
}

fn verdict_name(verdict: Verdict) -> VerdictName {
    match verdict {
        Verdict::Different { .. } => VerdictName::Different,
        Verdict::Equivalent => VerdictName::Equivalent,
        Verdict::Inconclusive => VerdictName::Inconclusive,
    }
}
