//! Features against imbalanced-learn and the paper's equations (`fixtures/features/make_features.py`), and their draws.

use serde::Deserialize;

use super::noise::disturb;
use super::smote::between;
use super::*;
use augtrial_base::seed::{Purpose, StudySeed};

const DRAWS: u64 = 10_000;

#[derive(Deserialize)]
struct Fixture {
    k: usize,
    width: usize,
    values: Vec<f32>,
    labels: Vec<u32>,
    neighbors: Vec<Vec<usize>>,
    added: Vec<usize>,
    smote: Vec<Drawn>,
    extrapolated: Vec<f32>,
    deviations: Vec<f32>,
    normal: Vec<f32>,
    gamma: f64,
    disturbed: Vec<f32>,
}

#[derive(Deserialize)]
struct Drawn {
    base: usize,
    neighbor: usize,
    step: f64,
    made: Vec<f32>,
}

fn fixture() -> (Fixture, FeatureSpace) {
    let of: Fixture = serde_json::from_str(include_str!("../../fixtures/features/features.json")).unwrap();
    let space = FeatureSpace::new(of.values.clone(), of.width, of.labels.clone(), of.k);
    (of, space)
}

/// The other libraries round to single precision once at the end, we at every step; values are below 8.
fn assert_near(made: &[f32], expected: &[f32]) {
    assert_eq!(made.len(), expected.len());
    assert!(made.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 16.0 * f32::EPSILON), "{made:?}\n{expected:?}");
}

#[test]
fn neighbors_and_samples_of_smote_are_those_of_imbalanced_learn() {
    let (of, space) = fixture();
    for (sample, expected) in of.neighbors.iter().enumerate() {
        assert_eq!(space.neighbors(sample), expected, "sample {sample}");
        assert!(expected.iter().all(|&other| of.labels[other] == of.labels[sample]));
    }
    let mut made = vec![0.0; of.width];
    for drawn in &of.smote {
        between(space.row(drawn.base), space.row(drawn.neighbor), drawn.step, &mut made);
        assert_near(&made, &drawn.made);
    }
    let counts: Vec<usize> = (0..3).map(|class| space.of_class(class).count()).collect();
    assert_eq!(Smote::default().added(&counts), of.added);
}

#[test]
fn points_beyond_a_sample_and_noise_are_those_of_the_papers_equations() {
    let (of, space) = fixture();
    let mut made = vec![0.0; of.width];
    between(space.row(0), space.row(1), -0.5, &mut made);
    assert_near(&made, &of.extrapolated);
    assert_near(space.deviations(), &of.deviations);
    made.copy_from_slice(space.row(0));
    let mut normal = of.normal.iter().copied();
    disturb(&mut made, space.deviations(), of.gamma, || normal.next().unwrap());
    assert_near(&made, &of.disturbed);
}

/// Made of sample 0 of two classes on a line: 0, 1, 2, 4 and 100, 101.
fn made(features: &Features, base: usize, index: u64) -> f32 {
    let space = FeatureSpace::new(vec![0.0, 1.0, 2.0, 4.0, 100.0, 101.0], 1, vec![0, 0, 0, 0, 1, 1], 2);
    let mut row = [f32::NAN];
    features.behavior().make(&space, base, &mut row, &mut StudySeed(1).stream(Purpose::Gallery, index));
    row[0]
}

/// Four standard errors of a share.
fn assert_share(count: usize, expected: f64) {
    let share = count as f64 / DRAWS as f64;
    let error = (expected * (1.0 - expected) / DRAWS as f64).sqrt();
    assert!((share - expected).abs() <= 4.0 * error, "{share} is not {expected}");
}

#[test]
fn one_of_the_neighbors_and_a_step_are_drawn_evenly() {
    let smote = Features::Smote(Smote { k: 2, size: 1.0 });
    let values: Vec<f32> = (0..DRAWS).map(|index| made(&smote, 0, index)).collect();
    assert!(values.iter().all(|value| (0.0..2.0).contains(value)), "the neighbors of 0 are 1 and 2");
    // Towards 1 with a half, and towards 2 with a half, of whose draws the half lies beyond 1.
    assert_share(values.iter().filter(|&&value| value > 1.0).count(), 0.25);
    assert_share(values.iter().filter(|&&value| value > 0.5).count(), 0.25 + 0.375);
    let of_other: Vec<f32> = (0..100).map(|index| made(&smote, 4, index)).collect();
    assert!(of_other.iter().all(|value| (100.0..=101.0).contains(value)), "no neighbor is of another class");
}

#[test]
fn samples_are_changed_with_their_probability() {
    let nearer = Features::FeatureInterpolation(FeatureInterpolation { k: 2, lambda: [0.5, 0.5], p: 0.3 });
    let values: Vec<f32> = (0..DRAWS).map(|index| made(&nearer, 0, index)).collect();
    assert_share(values.iter().filter(|&&value| value == 0.0).count(), 0.7);
    assert_share(values.iter().filter(|&&value| value == 0.5).count(), 0.15);
    assert_share(values.iter().filter(|&&value| value == 1.0).count(), 0.15);
    let noisy = Features::FeatureNoise(FeatureNoise { gamma: 0.1, p: 0.3 });
    let changed = (0..DRAWS).filter(|&index| made(&noisy, 0, index) != 0.0).count();
    assert_share(changed, 0.3);
}

#[test]
fn a_class_grows_to_its_share_of_the_largest_and_a_lone_sample_is_repeated() {
    assert_eq!(Smote { k: 5, size: 0.5 }.added(&[10, 4, 5, 0]), [0, 1, 0, 0]);
    let space = FeatureSpace::new(vec![3.0, 4.0, 1.0], 1, vec![0, 0, 1], 5);
    let mut row = [0.0];
    Smote::default().make(&space, 2, &mut row, &mut StudySeed(1).stream(Purpose::Gallery, 0));
    assert_eq!((row, space.neighbors(2).len(), space.neighbors(0)), ([1.0], 0, [1].as_slice()));
}
