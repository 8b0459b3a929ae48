//! Comparisons of small made-up studies.

use super::*;
use augtrial_base::seed::StudySeed;
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::file::{Contrast, PrimaryMetric, Study};
use augtrial_stats::Degenerate;

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
        redraw: Vec::new(),
    }
}

fn arm(name: &str, values: &[f64]) -> ArmResults {
    let runs = values.iter().zip(1..).map(|(&value, seed)| RunResult {
        seed,
        value,
        run: format!("{name}-{seed}"),
        correct: Vec::new(),
        answers: Vec::new(),
    });
    ArmResults {
        name: name.to_owned(),
        role: Role::Treatment,
        runs: runs.collect(),
        excluded: Vec::new(),
        planned_images: 0,
        missing_images: 0,
    }
}

/// On this test set.
fn here(judged: &Judged) -> Scoped {
    judged.here.clone().unwrap()
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
        images: Vec::new(),
    }
}

#[test]
fn the_specification_s_three_contrasts_get_their_numbers_and_verdicts() {
    let comparison = compare(&specification());
    let judged: Vec<&Judged> = comparison.contrasts.iter().map(|c| c.judged().unwrap()).collect();
    let holm: Vec<String> = judged.iter().map(|j| format!("{:.6}", here(j).holm_p)).collect();
    assert_eq!(holm, ["0.107858", "0.001116", "0.001753"]);
    assert_eq!(format!("{:.6}", here(judged[0]).tost_p), "0.060218");
    assert_eq!(judged[0].effect.wins, 4);
    assert_eq!(here(judged[0]).verdict, Verdict::Inconclusive);
    let better = Verdict::Different { direction: Direction::Higher, within_margin: false };
    assert_eq!(here(judged[1]).verdict, better);
    // Without predictions nothing is known of new images, and the headline says so.
    assert_eq!(judged[1].beyond, Err(Unscoped::NoPredictions));
    assert_eq!(judged[1].headline().0, Scope::TestSet);
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
    assert_eq!(comparison.contrasts[0].outcome, Outcome::Refused(reason));
    assert!((comparison.contrasts[0].mean_difference().unwrap() - (B[0] - A[0])).abs() < 1e-15, "it still describes");
    let reason = Refusal::UnknownArm("nobody".to_owned());
    assert_eq!(comparison.contrasts[3].outcome, Outcome::Refused(reason));
    // The refused contrasts still count in the family of four.
    let here = here(comparison.contrasts[1].judged().unwrap());
    assert!((here.holm_p - 4.0 * here.p).abs() < 1e-15);
    assert_eq!(comparison.arms[1].sd, Err(Degenerate::TooFew { have: 1, need: 2 }));
    // Two values have no interval worth printing, and two pairs no verdict.
    input.arms[0].runs.truncate(2);
    let two = compare(&input);
    assert_eq!(two.arms[0].mean, Err(Degenerate::TooFew { have: 2, need: 3 }));
    assert_eq!(two.contrasts[1].outcome, Outcome::Refused(Refusal::TooFewPairs { have: 2, planned: 5 }));
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
        images: Vec::new(),
    };
    let result = &compare(&input).contrasts[0];
    let judged = result.judged().unwrap();
    assert_eq!(here(judged).verdict, Verdict::Equivalent);
    assert_eq!((here(judged).p, judged.effect.t.clone()), (1.0, Err(Degenerate::ZeroVariance)));
}

#[test]
fn a_real_difference_inside_the_margin_is_said_to_be_so() {
    let shifted: Vec<f64> = A.iter().zip([0.0031, 0.0032, 0.0030, 0.0029, 0.0031]).map(|(a, d)| a + d).collect();
    let input = StudyResults {
        study: study(5),
        contrasts: vec![contrast("t", "a")],
        arms: vec![arm("a", &A), arm("t", &shifted)],
        conduct: Conduct::default(),
        images: Vec::new(),
    };
    let expected = Verdict::Different { direction: Direction::Higher, within_margin: true };
    assert_eq!(here(compare(&input).contrasts[0].judged().unwrap()).verdict, expected);
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
    let examples = comparison.contrasts[0].judged().unwrap().examples.as_ref().unwrap();
    assert_eq!((examples.images, examples.mcnemar.len()), (60, 5));
    // Every third wrong against every fourth: 20 against 15 of 60 wrong, 5 of them both.
    assert_eq!((examples.mcnemar[0].only_treatment, examples.mcnemar[0].only_control), (15, 10));
    assert_eq!(comparison, compare(&input));
}

/// One arm whose runs get image `i` right as `right` says, with the accuracy that follows.
fn predicted(name: &str, seeds: u64, images: usize, right: impl Fn(u64, usize) -> bool) -> ArmResults {
    let mut arm = arm(name, &vec![0.0; seeds as usize]);
    for run in &mut arm.runs {
        run.correct = (0..images).map(|image| right(run.seed, image)).collect();
        run.value = run.correct.iter().filter(|right| **right).count() as f64 / images as f64;
    }
    arm
}

/// The treatment is right on the same few further images under every seed.
pub(crate) fn few_images() -> StudyResults {
    let wobble = |seed: u64, image: usize| image as u64 == 40 + seed % 3;
    StudyResults {
        study: Study { delta: 0.2, ..study(10) },
        contrasts: vec![contrast("t", "c")],
        arms: vec![
            predicted("c", 10, 60, |_, image| image % 2 == 0),
            predicted("t", 10, 60, |seed, image| image % 2 == 0 || image == 1 || image == 3 || wobble(seed, image)),
        ],
        conduct: Conduct::default(),
        images: Vec::new(),
    }
}

#[test]
fn a_gain_on_two_images_is_a_difference_on_this_test_set_and_none_for_new_images() {
    let comparison = compare(&few_images());
    let judged = comparison.contrasts[0].judged().unwrap();
    assert!(matches!(here(judged).verdict, Verdict::Different { direction: Direction::Higher, .. }), "{judged:?}");
    let (scope, headline) = judged.headline();
    assert_eq!(scope, Scope::NewImages);
    assert!(!matches!(headline.verdict, Verdict::Different { .. }), "{headline:?}");
    assert_eq!(judged.otherwise_here(), Some(&here(judged)));
    let (narrow, wide) = (here(judged).difference.interval, headline.difference.interval);
    assert!(
        wide.0 < narrow.0 && wide.1 > narrow.1 && headline.p > here(judged).p && headline.tost_p > here(judged).tost_p
    );
    assert_eq!(comparison.images, 60);
}

#[test]
fn images_of_one_cluster_count_as_one() {
    let mut input = few_images();
    let one_each = compare(&input).contrasts[0].judged().unwrap().beyond.clone().unwrap();
    // The two images that the treatment gains are twins: what speaks for it is one image and not two.
    input.images = (0..60).map(|image| TestImage { label: 0, cluster: if image == 3 { 1 } else { image } }).collect();
    let comparison = compare(&input);
    let judged = comparison.contrasts[0].judged().unwrap();
    let width = |scoped: &Scoped| scoped.difference.interval.1 - scoped.difference.interval.0;
    assert!(width(&judged.beyond.clone().unwrap()) > 1.2 * width(&one_each));
    assert_eq!(judged.effect.crossed.as_ref().unwrap().images, 59);
}

#[test]
fn the_balanced_metric_weighs_images_by_their_class() {
    let mut input = few_images();
    input.study.primary_metric = PrimaryMetric::BalancedTop1;
    let beyond = |input: &StudyResults| compare(input).contrasts[0].judged().unwrap().beyond.clone();
    assert_eq!(beyond(&input), Err(Unscoped::NoLabels));
    input.images = (0..60).map(|image| TestImage { label: u32::from(image == 1), cluster: image }).collect();
    // Image 1 is a class by itself, and worth half of the metric.
    let wide = beyond(&input).unwrap();
    assert!(wide.difference.interval.1 > 0.5, "{wide:?}");
    input.study.protocol = Protocol::AsPublished;
    assert_eq!(beyond(&input), Err(Unscoped::OwnImages));
}

#[test]
fn no_interval_leaves_what_a_share_can_be() {
    let input = StudyResults {
        study: study(3),
        contrasts: vec![contrast("t", "c")],
        arms: vec![arm("c", &[0.01, 0.9, 0.02]), arm("t", &[0.99, 0.95, 0.3])],
        conduct: Conduct::default(),
        images: Vec::new(),
    };
    let comparison = compare(&input);
    for arm in &comparison.arms {
        let (low, high) = arm.mean.as_ref().unwrap().interval;
        assert!(low >= 0.0 && high <= 1.0, "{low} to {high}");
    }
    let judged = comparison.contrasts[0].judged().unwrap();
    assert!(here(judged).difference.interval.1 <= 1.0);
    assert_eq!(judged.effect.minimum_detectable, Err(Degenerate::NoSuchDifference));
}

#[test]
fn more_pairs_than_signs_can_be_enumerated_for_have_a_sampled_p() {
    let mut input = few_images();
    input.study = study(30);
    input.arms = vec![
        predicted("c", 30, 60, |seed, image| !(image as u64 + seed).is_multiple_of(3)),
        predicted("t", 30, 60, |seed, image| !(image as u64 + seed).is_multiple_of(3) || image as u64 == seed),
    ];
    let comparison = compare(&input);
    let flipped = comparison.contrasts[0].judged().unwrap().effect.sign_flip.clone().unwrap();
    assert_eq!(flipped.draws, Some(SIGN_FLIP_DRAWS));
    assert!(flipped.p > 0.0 && flipped.p < 0.05, "{flipped:?}");
    assert_eq!(comparison, compare(&input), "the study's seed decides the draws");
}

#[test]
fn what_makes_numbers_mean_less_than_they_seem_is_said() {
    let found = |control: f64, delta: f64| {
        let right = |_: u64, image: usize| (image as f64) < control * 40.0;
        let mut input = StudyResults {
            study: Study { delta, ..study(3) },
            contrasts: vec![contrast("t", "c")],
            arms: vec![predicted("c", 3, 40, right), predicted("t", 3, 40, |seed, image| image as u64 > seed)],
            conduct: Conduct::default(),
            images: (0..40).map(|image| TestImage { label: image % 4, cluster: image }).collect(),
        };
        input.arms[0].role = Role::Control;
        (input.arms[1].planned_images, input.arms[1].missing_images) = (108, 49);
        compare(&input).warnings
    };
    let missing = Warning::ImagesMissing { arm: "t".to_owned(), missing: 49, planned: 108 };
    let chance = found(0.25, 0.05);
    assert!(
        matches!(&chance[0], Warning::AtChance { mean, chance, .. } if *mean == 0.25 && *chance == 0.25),
        "{chance:?}"
    );
    assert!(matches!(&chance[1], Warning::NoSpread { seeds: 3, .. }) && chance[2] == missing && chance.len() == 3);
    assert_eq!(found(1.0, 0.05), [Warning::AtCeiling { arm: "c".to_owned() }, missing.clone()]);
    let fine = found(0.75, 0.02);
    assert!(matches!(fine[1], Warning::MarginBelowOneImage { images: 40, .. }), "{fine:?}");
    assert!(missing.text().contains("49 of its 108"), "{}", missing.text());
}

#[test]
fn seeds_are_planned_for_the_margin_and_images_asked_for_where_seeds_cannot_help() {
    let comparison = compare(&few_images());
    let margin = &plan_seeds(&comparison, 0.8, None).unwrap()[0];
    assert_eq!(margin.effect, 0.2);
    assert!(matches!(margin.beyond, Ok(ImageNeed::Seeds { pairs }) if pairs < 20), "{margin:?}");
    let small = &plan_seeds(&comparison, 0.8, Some(0.02)).unwrap()[0];
    let Ok(ImageNeed::Images { have: 60, images, .. }) = small.beyond else { panic!("{small:?}") };
    assert!(images > 600, "a tenth of the difference needs a hundred times the images: {images}");
    let need = small.here.as_ref().unwrap();
    assert!(need.range.0.clone().unwrap() <= need.pairs.clone().unwrap());
    assert!(plan_seeds(&comparison, 1.5, None).is_err() && plan_seeds(&comparison, 0.8, Some(0.0)).is_err());
}

#[test]
fn a_redrawn_split_is_judged_by_the_corrected_resampled_t_for_new_images_alone() {
    let mut input = specification();
    input.conduct.test_share = Some(0.25);
    let comparison = compare(&input);
    let of = |index: usize| comparison.contrasts[index].judged().unwrap();
    let p: Vec<String> =
        [0, 1, 2].map(|index| format!("{:.6}", of(index).beyond.clone().unwrap().p)).into_iter().collect();
    assert_eq!(p, ["0.240675", "0.001766", "0.004025"], "the specification's closed form");
    for index in 0..3 {
        let judged = of(index);
        assert_eq!((judged.headline().0, &judged.here), (Scope::NewImages, &Err(Unscoped::Redrawn)));
        assert_eq!(judged.otherwise_here(), None);
        assert_eq!(judged.effect.wilcoxon_p, Err(Degenerate::Redrawn));
        let plain = compare(&specification()).contrasts[index].judged().unwrap().here.clone().unwrap();
        let (wide, narrow) = (judged.headline().1, plain);
        assert!(wide.difference.interval.0 < narrow.difference.interval.0 && wide.tost_p > 0.0);
        assert!((wide.difference.point - narrow.difference.point).abs() < 1e-15);
    }
    let width = |comparison: &Comparison| {
        let (low, high) = comparison.arms[0].mean.as_ref().unwrap().interval;
        high - low
    };
    // sqrt(1 + n * share)
    let widening = width(&comparison) / width(&compare(&specification()));
    assert!((widening - 1.5).abs() < 1e-9, "{widening}");
    assert_eq!(comparison.friedman, Err(Degenerate::Redrawn));
    assert!(plan_seeds(&comparison, 0.8, None).unwrap()[0].here.is_err(), "seeds are not independent");
}
