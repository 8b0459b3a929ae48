//! A design whose effects are known.

use super::*;

/// Gains of the treatment by cell: leakage alone adds 10 points, the low rate alone 1, both together 4 more.
fn gain(leaked: bool, low: bool) -> f64 {
    0.01 + 0.10 * f64::from(leaked) + 0.01 * f64::from(low) + 0.04 * f64::from(leaked && low)
}

fn results() -> DesignResults {
    let factor = |name: &str, levels: [&str; 2]| FactorLevels {
        name: name.to_owned(),
        title: name.to_owned(),
        levels: levels.map(str::to_owned).to_vec(),
    };
    let noise = [0.003, -0.001, 0.002, -0.004];
    let cell = |leaked: usize, low: usize| {
        let control = |seed: usize| 0.70 + noise[seed] * 2.0;
        let treated = |seed: usize| control(seed) + gain(leaked == 1, low == 1) + noise[(seed + leaked + 2 * low) % 4];
        let of = |value: &dyn Fn(usize) -> f64| (0..4).map(|seed| (seed as u64 + 1, value(seed))).collect();
        CellResults {
            name: format!("{leaked}--{low}"),
            levels: vec![leaked, low],
            arms: vec![("plain".to_owned(), of(&control)), ("edited".to_owned(), of(&treated))],
            images: Some(100),
            test_share: None,
            unpaired: BTreeSet::new(),
            tested_apart: None,
        }
    };
    DesignResults {
        metric: PrimaryMetric::Top1,
        alpha: 0.05,
        seeds: vec![1, 2, 3, 4],
        factors: vec![factor("protocol", ["leak-free", "as-published"]), factor("rate", ["tuned", "low"])],
        cells: vec![cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)],
        full: true,
        contrasts: vec![Contrast { treatment: "edited".to_owned(), control: "plain".to_owned() }],
        reference: 0,
        published: Some(3),
        dose: None,
    }
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-12, "{got} instead of {want}");
}

#[test]
fn the_gain_of_every_cell_is_the_mean_difference_of_its_pairs() {
    let comparison = compare_design(&results());
    let gains = &comparison.contrasts[0].gains;
    // The noise of a cell has the mean zero.
    for (gain, want) in gains.iter().zip([0.01, 0.02, 0.11, 0.16]) {
        close(gain.tested.as_ref().unwrap().difference.point, want);
        assert!(gain.pairs == 4 && gain.tested.as_ref().unwrap().holm_p >= gain.tested.as_ref().unwrap().p);
    }
    let plain = &comparison.cells[0].arms[0];
    assert!((plain.mean.clone().unwrap() - 0.70).abs() < 1e-12 && plain.n == 4);
}

#[test]
fn effects_are_averaged_over_the_other_factor_and_interactions_are_differences_of_differences() {
    let comparison = compare_design(&results());
    let effects: Vec<(String, f64)> = comparison.contrasts[0]
        .effects
        .iter()
        .map(|effect| {
            let names = effect.switches.iter().map(|switch| format!("{}={}", switch.factor, switch.to));
            (names.collect::<Vec<_>>().join(" x "), effect.tested.as_ref().unwrap().difference.point)
        })
        .collect();
    let names: Vec<&str> = effects.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["protocol=as-published", "rate=low", "protocol=as-published x rate=low"]);
    for ((_, got), want) in effects.iter().zip([0.12, 0.03, 0.04]) {
        close(*got, want);
    }
}

#[test]
fn shares_of_the_published_gain_add_up_seed_by_seed() {
    let comparison = compare_design(&results());
    let attribution = comparison.contrasts[0].attribution.as_ref().unwrap().as_ref().unwrap();
    close(attribution.published.point, 0.16);
    close(attribution.reference.point, 0.01);
    close(attribution.difference.point, 0.15);
    let shares: Vec<f64> = attribution.shares.iter().map(|share| share.share.point).collect();
    close(shares[0], 0.12); // 10 points alone and half of the 4 that both make together
    close(shares[1], 0.03);
    close(shares.iter().sum(), attribution.difference.point);
}

#[test]
fn a_seed_that_one_cell_lacks_counts_in_the_others_and_for_no_effect() {
    let mut results = results();
    results.cells[2].arms[1].1.remove(&3);
    let contrast = &compare_design(&results).contrasts[0];
    assert_eq!(contrast.gains.iter().map(|gain| gain.pairs).collect::<Vec<_>>(), [4, 4, 3, 4]);
    assert_eq!(contrast.complete, [1, 2, 4]);
    assert_eq!(contrast.attribution.as_ref().unwrap().as_ref().unwrap().seeds, 3);
}

#[test]
fn what_cannot_be_divided_says_why() {
    let attribution = |change: &dyn Fn(&mut DesignResults)| {
        let mut results = results();
        change(&mut results);
        compare_design(&results).contrasts[0].attribution.clone().unwrap().unwrap_err().to_string()
    };
    assert!(attribution(&|r| r.published = Some(0)).contains("do not differ"));
    let without_one = |r: &mut DesignResults| {
        r.cells.remove(1);
        (r.full, r.published) = (false, Some(2));
    };
    assert!(attribution(&without_one).contains("no cell for every combination"));
    assert!(attribution(&|r| r.seeds = vec![1]).contains("at least 2"));
}

#[test]
fn where_the_split_is_redrawn_the_corrected_test_judges_gains_effects_and_shares() {
    let plain = compare_design(&results());
    let mut redrawn = results();
    for cell in &mut redrawn.cells {
        cell.test_share = Some(0.25);
    }
    let corrected = compare_design(&redrawn);
    assert!(corrected.redrawn && !plain.redrawn);
    let width = |estimate: &Estimate| estimate.interval.1 - estimate.interval.0;
    // Four seeds: the standard error grows by the root of (1/4 + 1/4) / (1/4).
    let wider = |plain: &Estimate, corrected: &Estimate| {
        close(corrected.point, plain.point);
        assert!((width(corrected) / width(plain) - 2.0_f64.sqrt()).abs() < 1e-9);
    };
    let (plain, corrected) = (&plain.contrasts[0], &corrected.contrasts[0]);
    for (plain, corrected) in plain.gains.iter().zip(&corrected.gains) {
        let (plain, corrected) = (plain.tested.as_ref().unwrap(), corrected.tested.as_ref().unwrap());
        wider(&plain.difference, &corrected.difference);
        assert!(corrected.p > plain.p);
    }
    for (plain, corrected) in plain.effects.iter().zip(&corrected.effects) {
        wider(&plain.tested.as_ref().unwrap().difference, &corrected.tested.as_ref().unwrap().difference);
    }
    let attributed = |contrast: &DesignContrast| contrast.attribution.clone().unwrap().unwrap();
    let (plain, corrected) = (attributed(plain), attributed(corrected));
    wider(&plain.difference, &corrected.difference);
    plain.shares.iter().zip(&corrected.shares).for_each(|(plain, corrected)| wider(&plain.share, &corrected.share));
}

#[test]
fn runs_on_different_divisions_of_the_data_are_no_pair() {
    let mut results = results();
    results.cells[2].unpaired.insert((0, 3));
    let comparison = compare_design(&results);
    let contrast = &comparison.contrasts[0];
    assert_eq!(contrast.gains.iter().map(|gain| gain.pairs).collect::<Vec<_>>(), [4, 4, 3, 4]);
    assert_eq!((contrast.complete.as_slice(), comparison.unpaired), (&[1, 2, 4][..], 1));
}

#[test]
fn without_spread_there_is_a_mean_and_no_test() {
    let mut results = results();
    for cell in &mut results.cells {
        for (_, values) in &mut cell.arms {
            for value in values.values_mut() {
                *value = 0.5;
            }
        }
    }
    let comparison = compare_design(&results);
    let contrast = &comparison.contrasts[0];
    assert!(contrast.gains.iter().all(|gain| gain.mean == Ok(0.0) && gain.tested.is_err()));
    assert!(contrast.effects.iter().all(|effect| effect.mean == Ok(0.0) && effect.tested.is_err()));
}

#[test]
fn what_the_draw_of_test_images_may_do_is_told_where_arms_have_images_of_their_own() {
    assert_eq!(compare_design(&results()).tested_apart, None);
    let mut of_both = results();
    of_both.cells[2].tested_apart = Some(400);
    of_both.cells[3].tested_apart = Some(100);
    let values = |cell: usize| of_both.cells[cell].arms.iter().map(|(_, values)| values.values().sum::<f64>() / 4.0);
    let error = |p: f64| (p * (1.0 - p) / 100.0).sqrt();
    let expected = values(3).map(error).fold(0.0, f64::max);
    let told = compare_design(&of_both).tested_apart.unwrap();
    assert_eq!(told.images, 100);
    assert!((told.standard_error.unwrap() - expected).abs() < 1e-12 && expected > 0.04, "{told:?}");
    of_both.metric = PrimaryMetric::MacroF1;
    assert_eq!(compare_design(&of_both).tested_apart.unwrap().standard_error, None);
    // Drawn anew for every seed, the draw is in the intervals.
    of_both.cells.iter_mut().for_each(|cell| cell.test_share = Some(0.2));
    assert_eq!(compare_design(&of_both).tested_apart, None);
}
