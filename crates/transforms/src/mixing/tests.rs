//! The ways of mixing against their reference implementations (`fixtures/mixing/make_mixing.py`), and their draws.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;
use augtrial_base::seed::{Purpose, Stream, StudySeed};

const DRAWS: u64 = 10_000;

#[derive(Deserialize)]
struct Fixture {
    len: usize,
    width_px: usize,
    height_px: usize,
    images: Vec<f32>,
    targets: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    given: Given,
    images: Vec<f32>,
    targets: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Given {
    Ricap { center: [u32; 2], partners: [Vec<usize>; 4], corners: [[u32; 2]; 4] },
    Mosaic { center: [u32; 2], partners: [Vec<usize>; 4] },
    Mixup { partners: Vec<usize>, lambdas: Vec<f64> },
    Cutmix { partners: Vec<usize>, lambdas: Vec<f64>, centers: Vec<[usize; 2]> },
    SamplePairing { partners: Vec<usize> },
}

fn pairs(partners: &[usize], lambdas: &[f64]) -> Vec<Pair> {
    partners.iter().zip(lambdas).map(|(&partner, &lambda)| Pair { partner, lambda }).collect()
}

impl Given {
    fn run(&self, batch: &mut Batch<'_>) {
        match self {
            Self::Ricap { center, partners, corners } => ricap(batch, *center, partners, *corners),
            Self::Mosaic { center, partners } => mosaic(batch, *center, partners),
            Self::Mixup { partners, lambdas } => mixup(batch, &pairs(partners, lambdas)),
            Self::Cutmix { partners, lambdas, centers } => {
                let (width, height) = (batch.width_px, batch.height_px);
                let cut = |(lambda, [x, y]): (&f64, &[usize; 2])| CutBox::new(*lambda, *x, *y, width, height);
                let cuts: Vec<CutBox> = lambdas.iter().zip(centers).map(cut).collect();
                cutmix(batch, &pairs(partners, lambdas), &cuts);
            }
            Self::SamplePairing { partners } => sample_pairing(batch, partners),
        }
    }
}

/// Matrices `[N, rows, columns]` as `[N, columns, rows]`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let of_item = |item: &[f32]| -> Vec<f32> {
        (0..columns * rows).map(|index| item[index % rows * columns + index / rows]).collect()
    };
    values.chunks_exact(rows * columns).flat_map(of_item).collect()
}

/// Sums of up to fourteen by twelve products of numbers below 1, in another order.
const TOLERANCE: f32 = 8.0 * f32::EPSILON;

#[test]
fn every_way_of_mixing_agrees_with_its_reference() {
    let fixture: Fixture = serde_json::from_str(include_str!("../../fixtures/mixing/mixing.json")).unwrap();
    let Fixture { len, width_px, height_px, .. } = fixture;
    let area = width_px * height_px;
    let channels = fixture.images.len() / (len * area);
    let far = |made: &[f32], expected: &[f32]| {
        assert_eq!(made.len(), expected.len());
        made.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert_eq!(fixture.cases.len(), 16);
    for (number, Case { given, images, targets }) in fixture.cases.iter().enumerate() {
        let (mut own, mut own_targets) = (transposed(&fixture.images, channels, area), fixture.targets.clone());
        let mut batch = Batch { images: &mut own, targets: &mut own_targets, len, width_px, height_px };
        given.run(&mut batch);
        let off = [far(&transposed(&own, area, channels), images), far(&own_targets, targets)];
        assert!(off.iter().all(|off| *off <= TOLERANCE), "case {number} is off by {off:?}");
    }
}

fn stream(index: u64) -> Stream {
    StudySeed(7).stream(Purpose::Gallery, index)
}

/// What a batch of these classes with the images 1, 2, 4, ... becomes: images and targets, two classes.
fn mixed(mix: &Mix, classes: &[usize], index: u64) -> (Vec<f32>, Vec<[f32; 2]>) {
    let mut images: Vec<f32> = (0..classes.len()).map(|image| (1 << image) as f32).collect();
    let mut targets: Vec<f32> = classes.iter().flat_map(|&class| [[1.0, 0.0], [0.0, 1.0]][class]).collect();
    let len = classes.len();
    let mut batch = Batch { images: &mut images, targets: &mut targets, len, width_px: 1, height_px: 1 };
    Mixer::new(mix).apply(&mut batch, &mut stream(index));
    (images, targets.as_chunks().0.to_vec())
}

/// Four standard errors of a share.
fn assert_share(count: usize, of: usize, expected: f64) {
    let share = count as f64 / of as f64;
    let error = (expected * (1.0 - expected) / of as f64).sqrt();
    assert!((share - expected).abs() <= 4.0 * error, "{share} is not {expected}");
}

#[test]
fn partners_of_one_class_or_of_another_are_drawn_evenly() {
    let halves = |pairs| Mix::SamplePairing(SamplePairing { p: 1.0, pairs });
    let classes = [0, 0, 1, 0, 1];
    for (pairs, of_first) in [(Pairs::CrossClass, vec![2, 4]), (Pairs::SameClass, vec![1, 3])] {
        let made: Vec<f32> = (0..DRAWS).map(|index| mixed(&halves(pairs), &classes, index).0[0]).collect();
        let mut seen = 0;
        for partner in &of_first {
            let half = f32::midpoint(1.0, (1 << partner) as f32);
            let count = made.iter().filter(|&&value| value == half).count();
            assert_share(count, made.len(), 1.0 / of_first.len() as f64);
            seen += count;
        }
        assert_eq!(seen, made.len());
    }
    assert_eq!(mixed(&halves(Pairs::CrossClass), &[1, 1], 0).0, [1.0, 2.0], "there is no other class");
    assert_eq!(mixed(&halves(Pairs::SameClass), &[0, 1], 0).0, [1.0, 2.0], "each is alone with its class");
}

#[test]
fn images_of_one_class_keep_their_label_and_of_two_share_it() {
    let with = |pairs| Mix::Mixup(Mixup { each: Each::Element, pairs, ..Mixup::default() });
    for index in 0..100 {
        let (images, targets) = mixed(&with(Pairs::SameClass), &[0, 0, 1, 1], index);
        assert_eq!(targets, [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]);
        assert!((1.0..=2.0).contains(&images[0]) && (4.0..=8.0).contains(&images[3]), "{images:?}");
        let (_, targets) = mixed(&with(Pairs::CrossClass), &[0, 0, 1, 1], index);
        assert!(targets.iter().all(|[a, b]| *a > 0.0 && *b > 0.0), "{targets:?}");
    }
}

#[test]
fn each_image_has_a_lambda_and_a_probability_of_its_own() {
    let mix = Mix::Mixup(Mixup { p: 0.6, each: Each::Element, pairs: Pairs::CrossClass, ..Mixup::default() });
    let shares: Vec<[f32; 2]> =
        (0..DRAWS).map(|index| mixed(&mix, &[0, 1], index).1).map(|t| [t[0][0], t[1][1]]).collect();
    let untouched = |place: usize| shares.iter().filter(|share| share[place] == 1.0).count();
    assert_share(untouched(0), shares.len(), 0.4);
    assert_share(shares.iter().filter(|share| share[0] == 1.0 && share[1] == 1.0).count(), shares.len(), 0.16);
    // Beta(1, 1) is uniform.
    let touched: Vec<f64> = shares.iter().map(|share| f64::from(share[0])).filter(|&share| share < 1.0).collect();
    let mean = touched.iter().sum::<f64>() / touched.len() as f64;
    assert!((mean - 0.5).abs() <= 4.0 / (12.0 * touched.len() as f64).sqrt(), "{mean}");
    let twins = shares.iter().filter(|share| share[0] == share[1] && share[0] < 1.0).count();
    assert!(twins < 10, "two images have the same lambda in {twins} batches");
}

fn halves_or_nothing() -> [Mix; 2] {
    let of = |pairs| Mix::SamplePairing(SamplePairing { p: 1.0, pairs });
    [of(Pairs::CrossClass), of(Pairs::SameClass)]
}

#[test]
fn a_way_is_chosen_by_weight_for_the_batch_or_for_each_image() {
    // Of two classes with one image each, the one way changes both images and the other none.
    let mix = |each| Mix::AnyOf(AnyOf { of: halves_or_nothing().to_vec(), weights: vec![3.0, 1.0], each });
    let changed = |each| -> Vec<[bool; 2]> {
        (0..DRAWS)
            .map(|index| mixed(&mix(each), &[0, 1], index).0)
            .map(|made| [made[0] == 1.5, made[1] == 1.5])
            .collect()
    };
    let by_batch = changed(Each::Batch);
    assert!(by_batch.iter().all(|[a, b]| a == b));
    assert_share(by_batch.iter().filter(|both| both[0]).count(), by_batch.len(), 0.75);
    let by_image = changed(Each::Element);
    assert_share(by_image.iter().filter(|both| both[0]).count(), by_image.len(), 0.75);
    assert_share(by_image.iter().filter(|both| both[0] && both[1]).count(), by_image.len(), 0.75 * 0.75);
}

#[test]
fn another_way_of_mixing_changes_nothing_where_it_is_not_chosen() {
    let [cross, _] = halves_or_nothing();
    let with = |of: Vec<Mix>| Mix::AnyOf(AnyOf { of, weights: Vec::new(), each: Each::Batch });
    let mixup = Mix::Mixup(Mixup::default());
    let (one, two) = (with(vec![mixup.clone()]), with(vec![cross.clone(), mixup]));
    let mut kept = 0;
    for index in 0..1000 {
        let made = mixed(&two, &[0, 1, 0], index);
        if made.1 != [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]] {
            assert_eq!(made, mixed(&one, &[0, 1, 0], index), "lambda and partners are drawn alike");
            kept += 1;
        }
    }
    assert!((300..600).contains(&kept), "{kept}");
}

/// Mean and variance of the columns and rows of points, as shares of 1000 px.
fn moments(mut draw: impl FnMut(&mut Stream) -> [u32; 2]) -> [(f64, f64); 2] {
    let points: Vec<[u32; 2]> = (0..DRAWS).map(|index| draw(&mut stream(index))).collect();
    [0, 1].map(|axis| {
        let shares = points.iter().map(|point| f64::from(point[axis]) / 1000.0);
        let mean = shares.clone().sum::<f64>() / DRAWS as f64;
        (mean, shares.map(|share| (share - mean).powi(2)).sum::<f64>() / DRAWS as f64)
    })
}

#[test]
fn quarters_meet_where_their_laws_say() {
    // Beta(b, b) has the variance 1 / (4 (2 b + 1)), a uniform law that of its length squared over 12.
    let ricap = moments(|rng| Ricap { beta: 0.3, p: 1.0 }.center(1000, 1000, rng));
    let mosaic = moments(|rng| Mosaic { center: [0.3, 0.7], p: 1.0 }.center(1000, 1000, rng));
    for (found, variance) in ricap.map(|of| (of, 0.15625)).into_iter().chain(mosaic.map(|of| (of, 0.16 / 12.0))) {
        let (mean, own) = found;
        assert!((mean - 0.5).abs() < 4.0 * (variance / DRAWS as f64).sqrt(), "{mean}");
        assert!((own / variance - 1.0).abs() < 0.05, "{own} is not {variance}");
    }
}

#[test]
fn faults_of_mixing_are_told_with_their_places() {
    let inner = Mix::Mixup(Mixup { p: 2.0, ..Mixup::default() });
    let manifold = Mix::ManifoldMixup(ManifoldMixup { stages: vec![], ..ManifoldMixup::default() });
    let mix = AnyOf { of: vec![inner, manifold], weights: vec![0.0, 0.0], each: Each::Element };
    let limits = Mix::AnyOf(mix).limits();
    let faults: BTreeSet<(String, String)> = limits
        .iter()
        .flat_map(|limit| limit.faults.iter().map(|fault| (limit.parameter.to_string(), fault.message.clone())))
        .collect();
    let messages: Vec<&str> = faults.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(messages, ["each", "of[0].mixup.p", "of[1].manifold_mixup.stages", "weights"]);
    assert!(faults.iter().any(|(_, message)| message.contains("`manifold_mixup` mixes the whole batch at one stage")));
    assert_eq!(Mix::AnyOf(AnyOf { of: Vec::new(), ..AnyOf::default() }).limits()[0].faults.len(), 1);
}
