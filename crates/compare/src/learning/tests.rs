//! A treatment whose worth in real images is known.

use std::collections::BTreeSet;

use super::*;
use crate::{FactorLevels, compare_design};
use augtrial_plan::file::PrimaryMetric;

const SIZES: [u64; 4] = [50, 100, 200, 400];

/// The control's accuracy with `n` images, by seed.
fn control(n: f64, seed: u64) -> f64 {
    0.9 - (1.0 + 0.1 * seed as f64) * n.powf(-0.5)
}

/// A design of sizes and another factor, whose second level lowers everything; the treatment acts as `times` more images do.
fn results(times: impl Fn(u64) -> f64) -> DesignResults {
    let factor = |name: &str, levels: &[&str]| FactorLevels {
        name: name.to_owned(),
        title: name.to_owned(),
        levels: levels.iter().map(|&level| level.to_owned()).collect(),
    };
    let cell = |rate: usize, size: usize| {
        let n = SIZES[size] as f64;
        let of = |value: &dyn Fn(u64) -> f64| (1..=3).map(|seed| (seed, value(seed) - 0.1 * rate as f64)).collect();
        CellResults {
            name: format!("{rate}--{size}"),
            levels: vec![rate, size],
            arms: vec![
                ("plain".to_owned(), of(&|seed| control(n, seed))),
                ("edited".to_owned(), of(&|seed| control(n * times(seed), seed))),
            ],
            images: Some(SIZES[size]),
            test_share: None,
            unpaired: BTreeSet::new(),
            tested_apart: None,
        }
    };
    DesignResults {
        metric: PrimaryMetric::Top1,
        alpha: 0.05,
        seeds: vec![1, 2, 3],
        factors: vec![factor("rate", &["tuned", "low"]), factor("size", &["a", "b", "c", "d"])],
        // The largest first: points are sorted by their images.
        cells: (0..2).flat_map(|rate| (0..4).rev().map(move |size| (rate, size))).map(|(r, s)| cell(r, s)).collect(),
        full: true,
        contrasts: vec![Contrast { treatment: "edited".to_owned(), control: "plain".to_owned() }],
        reference: 0,
        published: None,
        dose: Some(1),
    }
}

#[test]
fn a_treatment_that_acts_as_more_images_do_is_worth_as_many() {
    // 1.2, 1.3 and 1.4 times as many: the mean on the log scale, by hand.
    let learning = compare_design(&results(|seed| 1.1 + 0.1 * seed as f64)).learning.unwrap();
    assert_eq!((learning.factor.as_str(), learning.slices.len()), ("size", 2));
    for slice in &learning.slices {
        assert_eq!(slice.arms[1].points.iter().map(|point| point.images).collect::<Vec<_>>(), SIZES);
        let worths = &slice.worths[0].worths;
        assert!(slice.worths[0].curves.iter().all(|curve| (curve.power.unwrap()[2] - 0.5).abs() < 1e-4));
        for worth in worths {
            let ratio = worth.ratio.as_ref().unwrap();
            assert!((ratio.point - (1.2_f64 * 1.3 * 1.4).cbrt()).abs() < 1e-4, "{ratio:?}");
            let half = 4.302_652_7 * [1.2_f64.ln(), 1.3_f64.ln(), 1.4_f64.ln()].sd() / 3.0_f64.sqrt();
            assert!(((ratio.interval.1 / ratio.point).ln() - half).abs() < 1e-4);
        }
        assert_eq!(worths.iter().map(|worth| worth.beyond).collect::<Vec<_>>(), [0, 0, 0, 3]);
    }
}

trait Sd {
    fn sd(&self) -> f64;
}

impl Sd for [f64; 3] {
    fn sd(&self) -> f64 {
        let mean = self.iter().sum::<f64>() / 3.0;
        (self.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt()
    }
}

#[test]
fn what_no_number_of_images_reaches_has_no_interval_and_says_in_how_many_seeds() {
    let mut results = results(|_| 1.5);
    for cell in &mut results.cells {
        *cell.arms[1].1.get_mut(&2).unwrap() = 0.99;
    }
    let learning = compare_design(&results).learning.unwrap();
    let worth = &learning.slices[0].worths[0].worths[0];
    assert_eq!(worth.ratio, Err(NoWorth::Endless { above: 1, seeds: 3 }));
    assert_eq!(worth.seeds[1].equivalent, Equivalent::Above);
}

#[test]
fn cells_that_were_not_run_are_left_out_and_a_design_without_sizes_has_no_curve() {
    let mut results = results(|_| 1.0);
    results
        .cells
        .iter_mut()
        .filter(|cell| cell.levels != [0, 0] && cell.levels != [0, 1])
        .for_each(|cell| cell.images = None);
    let learning = compare_design(&results).learning.unwrap();
    assert_eq!(learning.slices.len(), 1);
    assert!(learning.slices[0].worths[0].curves.iter().all(|curve| curve.power.is_none()), "two sizes are joined");
    results.dose = None;
    assert_eq!(compare_design(&results).learning, None);
}

#[test]
fn a_metric_that_is_better_when_lower_is_turned_over() {
    let mut results = results(|_| 1.3);
    results.metric = PrimaryMetric::LogLoss;
    for (_, values) in results.cells.iter_mut().flat_map(|cell| &mut cell.arms) {
        for value in values.values_mut() {
            *value = 1.0 - *value;
        }
    }
    let learning = compare_design(&results).learning.unwrap();
    let worth = &learning.slices[0].worths[0];
    assert!((worth.worths[1].ratio.as_ref().unwrap().point - 1.3).abs() < 1e-4);
    assert!((worth.curves[0].at(100.0, Better::Lower) - (1.0 - control(100.0, 1))).abs() < 1e-6);
}
