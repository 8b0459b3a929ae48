//! Contrasts, paired by seed (the same split, initial weights and order of samples on either side), in one pass: pairs, then
//! what each contrast measures by itself, then the judgment of the family.
//!
//! The primary test is the paired t test, Holm-adjusted over the declared contrasts; equivalence is Holm-adjusted as a
//! family of its own; the scope of new images likewise. Where all differences are equal there is no t, and the sign-flip
//! test takes its place. Where the split is redrawn for every seed, the corrected resampled t is the primary test instead.

use rayon::prelude::*;
use serde::Serialize;

use super::arm::{Sorted, summarize};
use super::effect::{Raw, measure};
use super::examples::by_example;
use super::extension::extension;
use super::others::{OtherMetric, others};
use super::sanity::{Warning, warnings};
use super::verdict::{MIN_PAIRS, Scoped, Unadjusted, Unscoped};
use super::{
    ArmSummary, Effect, ExampleComparison, Extension, Look, Measured, Metric, Missing, Refusal, RunResult, Scope,
    StudyResults,
};
use augtrial_base::seed::Purpose;
use augtrial_plan::file::{Contrast, PrimaryMetric};
use augtrial_stats::{self as stats, Degenerate, Friedman};

/// A study, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub metric: PrimaryMetric,
    pub alpha: f64,
    pub delta: f64,
    /// As declared, sorted.
    pub seeds: Vec<u64>,
    /// Test images of every run; 0 if it is not known, or differs.
    pub images: usize,
    /// In the order of the experiment file.
    pub arms: Vec<ArmSummary>,
    /// In the order declared.
    pub contrasts: Vec<ContrastResult>,
    /// All arms at once, over the seeds that every arm has.
    pub friedman: Measured<Friedman>,
    pub reach: Reach,
    /// What makes the numbers mean less than they seem to.
    pub warnings: Vec<Warning>,
    /// Set if the seeds were changed when results could be seen already.
    pub extension: Option<Extension>,
    /// Test images over training images, where the split is redrawn for every seed.
    pub test_share: Option<f64>,
    /// By every metric but the primary one, in the order of the table; those that the record allows.
    pub others: Vec<OtherMetric>,
    /// The look that this is, where looks were declared: intervals and p values of contrasts are adjusted for all of them.
    pub look: Option<Look>,
    /// When the dashboard first showed test results although planned trials had not ended.
    pub peeked_at: Option<String>,
}

impl Comparison {
    /// The primary metric.
    #[must_use]
    pub fn measure(&self) -> &'static Metric {
        Metric::of(self.metric)
    }
}

/// What an exact test could show at best in this design.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reach {
    pub smallest_p: f64,
    /// Seeds needed for an exact test to reach alpha.
    pub seeds_needed: Option<usize>,
}

/// One contrast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContrastResult {
    pub contrast: Contrast,
    pub pairs: Vec<Pair>,
    /// Planned seeds without a complete pair. If there are any, every number is provisional.
    pub missing: Vec<Missing>,
    pub outcome: Outcome,
}

/// What came of a contrast.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Refused(Refusal),
    Judged(Box<Judged>),
}

/// A contrast with a verdict in each scope.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    pub effect: Effect,
    /// On this test set, or why there is no such thing.
    pub here: Result<Scoped, Unscoped>,
    /// For new images like these, or why that is not known.
    pub beyond: Result<Scoped, Unscoped>,
    pub examples: Option<ExampleComparison>,
}

/// Two runs of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    pub seed: u64,
    pub treatment: f64,
    pub control: f64,
}

impl Pair {
    /// Treatment less control.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.treatment - self.control
    }
}

impl Judged {
    /// The widest scope that is known, and what holds in it: what a headline may claim.
    #[must_use]
    pub fn headline(&self) -> (Scope, &Scoped) {
        match (&self.beyond, &self.here) {
            (Ok(beyond), _) => (Scope::NewImages, beyond),
            (Err(_), Ok(here)) => (Scope::TestSet, here),
            (Err(_), Err(reason)) => unreachable!("what is judged is judged in one scope at least: {reason}"),
        }
    }

    /// What holds on this test set, where the headline speaks of new images and says something else.
    #[must_use]
    pub fn otherwise_here(&self) -> Option<&Scoped> {
        self.here.as_ref().ok().filter(|here| self.headline().1.verdict != here.verdict)
    }
}

impl ContrastResult {
    #[must_use]
    pub fn judged(&self) -> Option<&Judged> {
        match &self.outcome {
            Outcome::Judged(judged) => Some(judged),
            Outcome::Refused(_) => None,
        }
    }

    /// Treatment less control.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} \u{2212} {}", self.contrast.treatment, self.contrast.control)
    }

    /// The verdict of the widest scope that is known, or that there is none.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.judged().map_or("no answer", |judged| judged.headline().1.verdict.word())
    }

    /// Mean difference over the complete pairs, judged or not.
    #[must_use]
    pub fn mean_difference(&self) -> Option<f64> {
        let differences: Vec<f64> = self.pairs.iter().map(Pair::difference).collect();
        stats::mean(&differences).ok()
    }
}

/// Summarizes the arms, tests the contrasts and judges them.
#[must_use]
pub fn compare(input: &StudyResults) -> Comparison {
    let study = &input.study;
    let mut seeds = study.seeds.clone();
    seeds.sort_unstable();
    seeds.dedup();
    let arms: Vec<ArmSummary> = input.arms.iter().map(|arm| summarize(arm, &seeds, input)).collect();
    Comparison {
        metric: study.primary_metric,
        alpha: study.alpha,
        delta: study.delta,
        images: images(input),
        warnings: warnings(input, &arms),
        arms,
        contrasts: judged(input, &seeds, Detail::WithExamples),
        friedman: friedman(input, &seeds),
        reach: Reach {
            smallest_p: stats::smallest_reachable_p(seeds.len(), input.contrasts.len()),
            seeds_needed: stats::pairs_to_reach(study.alpha, input.contrasts.len()).ok(),
        },
        extension: extension(input),
        look: input.conduct.look.clone(),
        peeked_at: input.conduct.peeked_at.clone(),
        test_share: input.conduct.test_share,
        others: others(input, &seeds),
        seeds,
    }
}

/// Test images of every run of a declared seed, if all have as many.
pub(super) fn images(input: &StudyResults) -> usize {
    let runs = input.arms.iter().flat_map(|arm| &arm.runs).filter(|run| input.study.seeds.contains(&run.seed));
    let mut counts = runs.map(|run| run.correct.len());
    let first = counts.next().unwrap_or(0);
    if counts.all(|count| count == first) { first } else { 0 }
}

/// How much is computed of each contrast.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Judgment,
    /// With the tests image by image.
    WithExamples,
}

/// The declared contrasts over these seeds, tested and judged as a family.
pub(super) fn judged(input: &StudyResults, seeds: &[u64], detail: Detail) -> Vec<ContrastResult> {
    let unjudged = input.contrasts.par_iter().map(|contrast| unjudged(input, contrast, seeds, detail)).collect();
    judge(unjudged, input.study.alpha)
}

/// A contrast before its family is known.
struct Unjudged {
    contrast: Contrast,
    pairs: Vec<Pair>,
    missing: Vec<Missing>,
    found: Result<(Raw, Option<ExampleComparison>), Refusal>,
}

fn unjudged(input: &StudyResults, contrast: &Contrast, seeds: &[u64], detail: Detail) -> Unjudged {
    let find = |name: &str| {
        let arm = input.arms.iter().find(|arm| arm.name == name);
        arm.map(|arm| Sorted::new(arm, seeds)).ok_or_else(|| Refusal::UnknownArm(name.to_owned()))
    };
    let (treatment, control) = match (find(&contrast.treatment), find(&contrast.control)) {
        (Ok(treatment), Ok(control)) => (treatment, control),
        (Err(refusal), _) | (_, Err(refusal)) => {
            return Unjudged { contrast: contrast.clone(), pairs: vec![], missing: vec![], found: Err(refusal) };
        }
    };
    let (mut pairs, mut runs, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    let mismatch = |seed| input.conduct.mismatches.iter().find(|m| m.contrast == *contrast && m.seed == seed);
    for &seed in seeds {
        match (treatment.runs.get(&seed), control.runs.get(&seed), mismatch(seed)) {
            (Some(&t), Some(&c), None) => {
                pairs.push(Pair { seed, treatment: t.value, control: c.value });
                runs.push((t, c));
            }
            (Some(_), Some(_), Some(broken)) => missing.push(Missing { seed, reason: broken.reason.clone() }),
            _ => missing.push(Missing { seed, reason: why_missing(contrast, &treatment, &control, seed) }),
        }
    }
    let found = found(&pairs, &runs, contrast, seeds.len(), input, detail);
    Unjudged { contrast: contrast.clone(), pairs, missing, found }
}

fn found(
    pairs: &[Pair],
    runs: &[(&RunResult, &RunResult)],
    contrast: &Contrast,
    planned: usize,
    input: &StudyResults,
    detail: Detail,
) -> Result<(Raw, Option<ExampleComparison>), Refusal> {
    let too_few = Refusal::TooFewPairs { have: pairs.len(), planned };
    if pairs.len() < MIN_PAIRS {
        return Err(too_few);
    }
    let label = format!("{}-{}", contrast.treatment, contrast.control);
    let stream = |purpose| input.study.seed.stream(purpose, 0);
    let raw = measure(pairs, runs, input, &mut stream(Purpose::SignFlip { contrast: &label })).map_err(|_| too_few)?;
    let examples = (detail == Detail::WithExamples)
        .then(|| by_example(runs, input, &mut stream(Purpose::Bootstrap { contrast: &label })));
    Ok((raw, examples.flatten()))
}

fn why_missing(contrast: &Contrast, treatment: &Sorted<'_>, control: &Sorted<'_>, seed: u64) -> String {
    let sides = [(&contrast.treatment, treatment), (&contrast.control, control)];
    let reasons = sides.iter().filter_map(|(name, arm)| Some(format!("{name}: {}", arm.missing.get(&seed)?)));
    reasons.collect::<Vec<_>>().join("; ")
}

/// Adjusts the p values of each scope over the family and gives every contrast its verdicts. What is refused, or not known in
/// a scope, stays in the family with p = 1: not finishing a contrast makes no other one look better.
fn judge(unjudged: Vec<Unjudged>, alpha: f64) -> Vec<ContrastResult> {
    let here = Family::new(&unjudged, |raw| raw.here.as_ref().ok());
    let beyond = Family::new(&unjudged, |raw| raw.beyond.as_ref().ok());
    let judge_one = |(index, one): (usize, Unjudged)| {
        let outcome = match one.found {
            Err(refusal) => Outcome::Refused(refusal),
            Ok((raw, examples)) => Outcome::Judged(Box::new(Judged {
                here: raw.here.map(|raw| here.judge(index, raw, alpha)),
                beyond: raw.beyond.map(|raw| beyond.judge(index, raw, alpha)),
                effect: raw.effect,
                examples,
            })),
        };
        ContrastResult { contrast: one.contrast, pairs: one.pairs, missing: one.missing, outcome }
    };
    unjudged.into_iter().enumerate().map(judge_one).collect()
}

/// The adjusted p values of one scope, by contrast.
struct Family {
    different: Vec<f64>,
    equivalent: Vec<f64>,
}

impl Family {
    fn new(unjudged: &[Unjudged], scope: impl Fn(&Raw) -> Option<&Unadjusted>) -> Self {
        let adjusted = |p: fn(&Unadjusted) -> f64| {
            let raw = unjudged.iter().map(|one| one.found.as_ref().ok().and_then(|(raw, _)| scope(raw)).map_or(1.0, p));
            stats::holm(&raw.collect::<Vec<f64>>()).expect("every p lies in 0 to 1")
        };
        Self { different: adjusted(|scope| scope.p), equivalent: adjusted(|scope| scope.tost_p) }
    }

    fn judge(&self, index: usize, raw: Unadjusted, alpha: f64) -> Scoped {
        raw.judge(self.different[index], self.equivalent[index], alpha)
    }
}

/// Over the seeds that every arm has.
fn friedman(input: &StudyResults, seeds: &[u64]) -> Measured<Friedman> {
    if input.conduct.test_share.is_some() {
        return Err(Degenerate::Redrawn);
    }
    let arms: Vec<Sorted<'_>> = input.arms.iter().map(|arm| Sorted::new(arm, seeds)).collect();
    let common: Vec<u64> =
        seeds.iter().copied().filter(|seed| arms.iter().all(|arm| arm.runs.contains_key(seed))).collect();
    let values: Vec<Vec<f64>> =
        arms.iter().map(|arm| common.iter().map(|seed| arm.runs[seed].value).collect()).collect();
    stats::friedman(&values)
}
