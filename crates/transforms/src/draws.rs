//! Draws of the policies and of what is new beside them: 10,000 of each have the distribution that torchvision's and timm's
//! code gives them. Bounds are four standard errors.

use std::collections::BTreeMap;

use image::RgbImage;

use super::*;
use augtrial_base::seed::{Purpose, StudySeed};

const DRAWS: u64 = 10_000;

/// What `transform` notes, draw by draw.
fn notes(transform: &impl Augmenter) -> Vec<Vec<String>> {
    let one = |index| {
        let mut rng = StudySeed(11).stream(Purpose::Gallery, index);
        traced(|| transform.apply(RgbImage::new(21, 15), &mut rng)).1
    };
    (0..DRAWS).map(one).collect()
}

/// The number in a note after its name: `rotate -4.5°`, `color x1.09`, `translate x -3 px`.
fn number(note: &str) -> f64 {
    let word = |word: &str| word.trim_end_matches(',').trim_start_matches('x').trim_end_matches('°').parse().ok();
    note.split(' ').find_map(word).unwrap_or_else(|| panic!("`{note}` has a number"))
}

/// How often each name occurs, without its number.
fn names(notes: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for note in notes {
        let name: Vec<&str> = note.split(' ').take_while(|word| !word.contains(|c: char| c.is_ascii_digit())).collect();
        *counts.entry(name.join(" ")).or_default() += 1;
    }
    counts
}

fn assert_share(what: &str, count: usize, of: usize, expected: f64) {
    let share = count as f64 / of as f64;
    let error = (expected * (1.0 - expected) / of as f64).sqrt();
    assert!((share - expected).abs() <= 4.0 * error, "{what}: {share} is not {expected}");
}

/// Mean of numbers that are uniform in `[low, high]`, and their ends.
fn assert_uniform(what: &str, values: &[f64], low: f64, high: f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let error = (high - low) / (12.0 * values.len() as f64).sqrt();
    assert!((mean - f64::midpoint(low, high)).abs() <= 4.0 * error, "{what}: mean {mean} of [{low}, {high}]");
    let (least, most) = values.iter().fold((high, low), |(least, most), &v| (v.min(least), v.max(most)));
    assert!(least >= low && most <= high, "{what}: [{least}, {most}] in [{low}, {high}]");
    // Of n uniform draws, the ends come within 20 / n with a probability of 1 - e^-20 each; texts have two digits.
    let slack = (high - low) * 20.0 / values.len() as f64 + 0.01;
    assert!(least <= low + slack && most >= high - slack, "{what}: [{least}, {most}] fills [{low}, {high}]");
}

fn flat(notes: Vec<Vec<String>>) -> Vec<String> {
    notes.into_iter().flatten().collect()
}

fn values_of(notes: &[String], name: &str) -> Vec<f64> {
    notes.iter().filter(|note| note.starts_with(name)).map(|note| number(note)).collect()
}

#[test]
fn trivial_augment_draws_one_of_fourteen_operations_one_of_31_strengths_and_a_sign() {
    let notes: Vec<String> = notes(&TrivialAugmentWide::default()).concat();
    assert_eq!(notes.len(), DRAWS as usize);
    let names = names(&notes);
    assert_eq!(names.len(), 14, "{names:?}");
    for (name, count) in names {
        assert_share(&name, count, notes.len(), 1.0 / 14.0);
    }
    let angles = values_of(&notes, "rotate");
    for bin in 1..31 {
        let size = 4.5 * f64::from(bin);
        assert_share("an angle", angles.iter().filter(|angle| angle.abs() == size).count(), angles.len(), 1.0 / 31.0);
    }
    let turned = angles.iter().filter(|angle| **angle != 0.0).count();
    assert_share("a sign", angles.iter().filter(|angle| **angle < 0.0).count(), turned, 0.5);
    // 8 - index / 5, rounded: ends half as often.
    let bits = values_of(&notes, "posterize");
    for (kept, bins) in [(8.0, 3.0), (7.0, 5.0), (5.0, 5.0), (2.0, 3.0)] {
        assert_share("bits", bits.iter().filter(|bits| **bits == kept).count(), bits.len(), bins / 31.0);
    }
}

#[test]
fn rand_augment_draws_with_replacement_and_one_strength() {
    let notes = notes(&RandAugment { operations: 3, ..RandAugment::default() });
    assert!(notes.iter().all(|notes| notes.len() == 3));
    let flat = notes.concat();
    for (name, count) in names(&flat) {
        assert_share(&name, count, flat.len(), 1.0 / 14.0);
    }
    let twice = notes.iter().filter(|notes| names(&notes[..2]).len() == 1).count();
    assert_share("the same twice", twice, notes.len(), 1.0 / 14.0);
    let angles = values_of(&flat, "rotate");
    assert!(angles.iter().all(|angle| angle.abs() == 9.0));
    assert_share("a sign", angles.iter().filter(|angle| **angle < 0.0).count(), angles.len(), 0.5);
}

#[test]
fn auto_augment_draws_a_line_and_each_operation_of_it_with_its_probability() {
    for policy in [FoundOn::ImageNet, FoundOn::Cifar10, FoundOn::Svhn] {
        let notes = notes(&AutoAugment { policy, ..AutoAugment::default() });
        let inverted = notes.iter().filter(|notes| notes.iter().any(|note| note == "invert")).count();
        let of_line = |line: &[(crate::policy::Operation, f64, usize)]| -> f64 {
            line.iter().filter(|step| step.0 == crate::policy::Operation::Invert).map(|step| step.1).sum()
        };
        let expected = policy.lines().iter().map(|line| of_line(line)).sum::<f64>() / policy.lines().len() as f64;
        assert_share("invert", inverted, notes.len(), expected);
        let of_first =
            policy.lines().iter().map(|line| line[0].1 * line[1].1).sum::<f64>() / policy.lines().len() as f64;
        assert_share("both", notes.iter().filter(|notes| notes.len() == 2).count(), notes.len(), of_first);
    }
}

#[test]
fn timm_draws_a_probability_a_normal_strength_and_a_sign() {
    let of = TimmRandAugment { magnitude: 5.0, magnitude_std: 0.5, increasing: true, ..TimmRandAugment::default() };
    let notes = notes(&of);
    let flat = notes.concat();
    assert_share("an operation", flat.len(), 2 * DRAWS as usize, 0.5);
    let angles = values_of(&flat, "rotate");
    assert_share("rotate", angles.len(), flat.len(), 1.0 / 15.0);
    let (count, sizes) = (angles.len() as f64, angles.iter().map(|angle| angle.abs() / 3.0));
    let mean = sizes.clone().sum::<f64>() / count;
    let deviation = (sizes.map(|size| (size - mean).powi(2)).sum::<f64>() / count).sqrt();
    assert!((mean - 5.0).abs() < 4.0 * 0.5 / count.sqrt(), "{mean}");
    assert!((deviation - 0.5).abs() < 4.0 * 0.5 / (2.0 * count).sqrt(), "{deviation}");
    assert_share("a sign", angles.iter().filter(|angle| **angle < 0.0).count(), angles.len(), 0.5);

    let notes: Vec<String> = crate::draws::notes(&TimmRandAugment { uniform: true, p: 1.0, ..of }).concat();
    let angles: Vec<f64> = values_of(&notes, "rotate").iter().map(|angle| angle.abs()).collect();
    assert_uniform("angles", &angles, 0.0, 15.0);
}

#[test]
fn aug_mix_draws_a_uniform_share_and_chains_of_one_to_three() {
    let notes = notes(&AugMix { width: 1, ..AugMix::default() });
    let own: Vec<f64> = notes.iter().map(|notes| number(&notes[0])).collect();
    assert_uniform("the share of the image", &own, 0.0, 1.0);
    for depth in 1..=3 {
        let count = notes.iter().filter(|notes| notes.len() == depth + 1).count();
        assert_share("a depth", count, notes.len(), 1.0 / 3.0);
    }
    let operations: Vec<String> = notes.iter().flat_map(|notes| notes[1..].to_vec()).collect();
    let names = names(&operations);
    assert_eq!(names.len(), 13, "{names:?}");
    for (name, count) in names {
        assert_share(&name, count, operations.len(), 1.0 / 13.0);
    }
    // The weakest three of ten strengths.
    let angles = values_of(&operations, "rotate");
    for size in [3.3, 6.7] {
        assert_share("an angle", angles.iter().filter(|angle| angle.abs() == size).count(), angles.len(), 1.0 / 3.0);
    }
}

#[test]
fn affine_gamma_and_shear_draw_uniformly() {
    let affine = Affine { degrees: 40.0, translate: [0.0; 2], scale: [0.5, 2.0], ..Affine::default() };
    let of = |text: &str, at: usize| number(text.split(", ").nth(at).expect("a part"));
    let notes_of_affine = notes(&affine).concat();
    let angles: Vec<f64> = notes_of_affine.iter().map(|note| of(note, 0)).collect();
    let scales: Vec<f64> = notes_of_affine.iter().map(|note| of(note, 2)).collect();
    assert_uniform("angles", &angles, -40.0, 40.0);
    assert_uniform("scales", &scales, 0.5, 2.0);
    let gammas: Vec<f64> = notes(&Gamma { gamma: [0.5, 1.5] }).concat().iter().map(|note| number(note)).collect();
    assert_uniform("gammas", &gammas, 0.5, 1.5);
    let shear = Shear { x: 0.8, ..Shear::default() };
    let slopes: Vec<f64> = notes(&shear).concat().iter().map(|note| number(note)).collect();
    assert_uniform("slopes", &slopes, -0.8, 0.8);
}

#[test]
fn grids_levels_scales_limits_and_symmetries_are_drawn_evenly() {
    let values = |notes: &[String]| -> Vec<f64> { notes.iter().map(|note| number(note)).collect() };
    // Of a shorter side of 15 px: 6 to 15 px, the ends half as often.
    let grids = flat(notes(&GridMask { period: [0.4, 1.0], p: 1.0, ..GridMask::default() }));
    for (period, share) in [(6.0, 0.5), (7.0, 1.0), (14.0, 1.0), (15.0, 0.5)] {
        let count = values(&grids).iter().filter(|&&own| own == period).count();
        assert_share("a period", count, grids.len(), share / 9.0);
    }
    let from = |note: &String| note.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
    let starts: Vec<f64> = grids.iter().filter(|note| note.starts_with("grid every 10 px")).filter_map(from).collect();
    for start in [0.0, 9.0] {
        assert_share("a start", starts.iter().filter(|&&own| own == start).count(), starts.len(), 0.1);
    }
    // Truncated towards 0, which takes two intervals of the forty.
    let shifts = values(&flat(notes(&RgbShift { p: 1.0, ..RgbShift::default() })));
    for (level, share) in [(0.0, 0.05), (7.0, 0.025), (-19.0, 0.025), (20.0, 0.0)] {
        assert_share("a level", shifts.iter().filter(|&&own| own == level).count(), shifts.len(), share);
    }
    let scales = flat(notes(&Downscale { scale: [0.3, 0.9], p: 1.0 }));
    assert_uniform("scales", &values(&scales), 0.3, 0.9);
    let clips = flat(notes(&Clahe { clip: [1.0, 4.0], tiles: [2, 2], p: 1.0 }));
    assert_uniform("clips", &values(&clips), 1.0, 4.0);
    let symmetries = flat(notes(&D4 {}));
    for name in ["e", "r90", "r180", "r270", "v", "hvt", "h", "t"] {
        let count = symmetries.iter().filter(|note| **note == format!("symmetry {name}")).count();
        assert_share(name, count, symmetries.len(), 0.125);
    }
    for p in [0.2, 0.7] {
        let of = [notes(&GridMask { p, ..GridMask::default() }), notes(&Clahe { p, ..Clahe::default() })];
        let of = of.into_iter().chain([notes(&RgbShift { p, ..RgbShift::default() })]);
        for drawn in of.chain([notes(&Downscale { p, ..Downscale::default() })]) {
            assert_share("p", drawn.iter().filter(|notes| !notes.is_empty()).count(), drawn.len(), p);
        }
    }
}
