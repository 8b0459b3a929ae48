//! Comparisons of small made-up studies.

use super::*;
use crate::plan::arm::Role;
use crate::plan::dataset::Protocol;
use crate::plan::file::{Contrast, PrimaryMetric, Study};
use crate::seed::StudySeed;
use crate::stats::Degenerate;

const A: [f64; 5] = [0.7431, 0.7510, 0.7352, 0.7471, 0.7589];
const B: [f64; 5] = [0.7510, 0.7549, 0.7451, 0.7431, 0.7668];
const C: [f64; 5] = [0.7668, 0.7787, 0.7569, 0.7628, 0.7846];

fn study(seeds: u64) -> Study {
    Study {
        name: "s".to_owned(),
        title: None,
        question: None,
        seed: StudySeed(1),
        seeds: (1..=seeds).collect(),
        protocol: Protocol::LeakFree,
        primary_metric: PrimaryMetric::Top1,
        alpha: 0.05,
        delta: 0.01,
    }
}

fn arm(name: &str, values: &[f64]) -> ArmResults {
    let runs = values.iter().zip(1..).map(|(&value, seed)| RunResult {
        seed,
        value,
        run: format!("{name}-{seed}"),
        correct: Vec::new(),
    });
    ArmResults { name: name.to_owned(), role: Role::Treatment, runs: runs.collect(), excluded: Vec::new() }
}

fn contrast(treatment: &str, control: &str) -> Contrast {
    Contrast { treatment: treatment.to_owned(), control: control.to_owned() }
}

fn specification() -> StudyResults {
    StudyResults {
        study: study(5),
        contrasts: vec![contrast("b", "a"), contrast("c", "a"), contrast("c", "b")],
        arms: vec![arm("a", &A), arm("b", &B), arm("c", &C)],
        conduct: Conduct::default(),
    }
}

#[test]
fn the_specification_s_three_contrasts_get_their_numbers_and_verdicts() {
    let comparison = compare(&specification());
    let effects: Vec<&Effect> = comparison.contrasts.iter().map(|c| c.effect.as_ref().unwrap()).collect();
    let holm: Vec<String> = effects.iter().map(|e| format!("{:.6}", e.holm_p)).collect();
    assert_eq!(holm, ["0.107858", "0.001116", "0.001753"]);
    assert_eq!(format!("{:.6}", effects[0].tost_p), "0.060218");
    assert_eq!(effects[0].wins, 4);
    assert!(matches!(comparison.contrasts[0].verdict, Verdict::Inconclusive { more_seeds: Some(n) } if n > 6));
    let better = Verdict::Different { direction: Direction::Better, within_margin: false };
    assert_eq!(comparison.contrasts[1].verdict, better);
    assert_eq!(format!("{:.4}", comparison.friedman.unwrap().chi2), "8.4000");
    assert_eq!(comparison.reach, Reach { smallest_p: 0.1875, seeds_needed: Some(7) });
    let mean = comparison.arms[0].mean.clone().unwrap();
    assert_eq!(format!("{:.6} {:.6}", mean.interval.0, mean.interval.1), "0.736093 0.758027");
}

#[test]
fn the_order_of_runs_and_seeds_changes_nothing() {
    let straight = compare(&specification());
    let mut shuffled = specification();
    shuffled.study.seeds.reverse();
    shuffled.arms[1].runs.rotate_left(2);
    assert_eq!(compare(&shuffled), straight);
}

#[test]
fn runs_are_paired_by_seed_and_missing_ones_are_named() {
    let mut input = specification();
    input.arms[1].runs.remove(1);
    input.arms[1].excluded.push(Excluded { seed: 2, reason: "loss became NaN".to_owned() });
    let result = &compare(&input).contrasts[0];
    assert_eq!(result.pairs.iter().map(|pair| pair.seed).collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert_eq!(result.pairs[1].control, A[2]);
    assert_eq!(result.missing, [Missing { seed: 2, reason: "b: loss became NaN".to_owned() }]);
}

#[test]
fn what_cannot_be_judged_is_refused_with_the_reason() {
    let mut input = specification();
    input.arms[1].runs.truncate(1);
    input.contrasts.push(contrast("c", "nobody"));
    let comparison = compare(&input);
    let reason = Refusal::TooFewPairs { have: 1, planned: 5 };
    assert_eq!(comparison.contrasts[0].verdict, Verdict::Refused { reason });
    assert!(comparison.contrasts[0].effect.is_none());
    let reason = Refusal::UnknownArm("nobody".to_owned());
    assert_eq!(comparison.contrasts[3].verdict, Verdict::Refused { reason });
    // The refused contrasts still count in the family of four.
    let effect = comparison.contrasts[1].effect.as_ref().unwrap();
    assert!((effect.holm_p - 4.0 * effect.p).abs() < 1e-15);
    assert_eq!(comparison.arms[1].sd, Err(Degenerate::TooFew { have: 1, need: 2 }));
}

#[test]
fn values_that_are_not_finite_and_seeds_claimed_twice_do_not_count() {
    let mut input = specification();
    input.arms[0].runs[0].value = f64::NAN;
    let twin = input.arms[0].runs[1].clone();
    input.arms[0].runs.push(twin);
    let summary = &compare(&input).arms[0];
    assert_eq!(summary.missing.iter().map(|m| m.seed).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(summary.values.len(), 3);
}

#[test]
fn seeds_added_after_the_declaration_are_shown_and_do_not_count() {
    let mut input = specification();
    input.study.seeds.truncate(4);
    let summary = &compare(&input).arms[0];
    assert_eq!(summary.values.len(), 4);
    assert_eq!(summary.undeclared.iter().map(|v| v.seed).collect::<Vec<_>>(), [5]);
}

#[test]
fn an_arm_that_is_its_control_in_everything_is_equivalent_to_it() {
    let input = StudyResults {
        study: study(5),
        contrasts: vec![contrast("same", "a")],
        arms: vec![arm("a", &A), arm("same", &A)],
        conduct: Conduct::default(),
    };
    let result = &compare(&input).contrasts[0];
    assert_eq!(result.verdict, Verdict::Equivalent { delta: 0.01 });
    let effect = result.effect.as_ref().unwrap();
    assert_eq!((effect.p, effect.t.clone()), (1.0, Err(Degenerate::ZeroVariance)));
}

#[test]
fn a_real_difference_inside_the_margin_is_said_to_be_so() {
    let shifted: Vec<f64> = A.iter().zip([0.0031, 0.0032, 0.0030, 0.0029, 0.0031]).map(|(a, d)| a + d).collect();
    let input = StudyResults {
        study: study(5),
        contrasts: vec![contrast("t", "a")],
        arms: vec![arm("a", &A), arm("t", &shifted)],
        conduct: Conduct::default(),
    };
    let expected = Verdict::Different { direction: Direction::Better, within_margin: true };
    assert_eq!(compare(&input).contrasts[0].verdict, expected);
}

#[test]
fn predictions_are_compared_image_by_image() {
    let mut input = specification();
    for (arm, period) in input.arms.iter_mut().zip([3, 4, 5]) {
        for run in &mut arm.runs {
            run.correct = (0..60).map(|image| (image + run.seed) % period != 0).collect();
        }
    }
    let comparison = compare(&input);
    let examples = comparison.contrasts[0].examples.as_ref().unwrap();
    assert_eq!((examples.images, examples.mcnemar.len()), (60, 5));
    // Every third wrong against every fourth: 20 against 15 of 60 wrong, 5 of them both.
    assert_eq!((examples.mcnemar[0].only_treatment, examples.mcnemar[0].only_control), (15, 10));
    assert_eq!(comparison, compare(&input));
}
